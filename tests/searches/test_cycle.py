"""The cycle: what it makes, that it is the same on any workers, and that no crash changes it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import ase.db
import pytest
from ase import Atoms
from cheap_parts import SETTINGS, CheapHull, cheap_cycle, table
from killing import run_and_kill

from gencsp.composition import Composition
from gencsp.errors import CompositionError, RequestError, WorkerError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance, Stage
from gencsp.searches.progress import CycleProgress
from gencsp.searches.settings import CycleSettings, cycle_manifest
from gencsp.store import DiskStore, Finished, MemoryStore, Store
from gencsp.symmetry.refinement import space_group

MANIFEST = cycle_manifest(SETTINGS)


@pytest.fixture(scope="module")
def reference() -> MemoryStore:
    """An uninterrupted run in this process."""
    store = MemoryStore(MANIFEST)
    cheap_cycle(store, ThisProcess()).run()
    return store


def of(store: MemoryStore, stage: Stage) -> list[Atoms]:
    return [
        atoms
        for task in store.tasks()
        if task.startswith(f"{stage}-")
        for atoms in finished(store, task).structures
    ]


def finished(store: Store, task: str) -> Finished:
    found = store.get(task)
    assert found is not None
    return found


def provenance_of(atoms: Atoms) -> Provenance:
    found = Provenance.read(atoms)
    assert found is not None
    return found


def test_the_stages_of_the_paper(reference: MemoryStore) -> None:
    generated, relaxed = of(reference, Stage.GENERATED), of(reference, Stage.RELAXED)
    frameworks, inpainted = of(reference, Stage.FRAMEWORK), of(reference, Stage.INPAINTED)
    assert [a.info["structure_id"] for a in generated] == [f"g{i:04d}" for i in range(10)]
    good = [a for a in relaxed if a.info["outcome"] == "converged"]
    assert 0 < len(good) < 10
    assert [provenance_of(a).parents for a in frameworks] == [a.info["structure_id"] for a in good]
    for framework in frameworks:
        assert str(framework.symbols) == "Si2"
        assert space_group(framework, symprec=1e-3).number == framework.info["space_group_number"]
        assert framework.info["space_group_number"] > 1
    assert len(inpainted) == 3 * len(frameworks)
    hosts = {a.info["structure_id"]: a for a in frameworks}
    for atoms in inpainted:
        provenance = provenance_of(atoms)
        assert (provenance.stage, provenance.seed) == (Stage.INPAINTED, 5)
        host = hosts[provenance.parents]
        assert (atoms.positions[:2] == host.positions).all()
        assert (atoms.cell == host.cell).all()
    refined = of(reference, Stage.REFINED)
    assert {provenance_of(a).parents for a in refined} <= {
        a.info["structure_id"] for a in inpainted
    }


def test_the_ranking(reference: MemoryStore) -> None:
    ranking = cheap_cycle(reference, ThisProcess()).ranking()
    energies = [atoms.info["decomposition_energy"] for atoms in ranking]
    assert energies == sorted(energies)
    assert {atoms.info["stage"] for atoms in ranking} == {"relaxed", "refined"}
    for atoms in ranking:
        energy = atoms.get_potential_energy() / 3
        assert atoms.info["decomposition_energy"] == CheapHull().decomposition_energy(
            SETTINGS.composition, energy
        )
        found = space_group(atoms)
        said = atoms.info["space_group"], atoms.info["space_group_number"]
        assert said == (found.symbol, found.number)


def test_failures_are_counted_and_kept_where_they_can_be(reference: MemoryStore) -> None:
    cycle = cheap_cycle(reference, ThisProcess())
    failures = cycle.failures()
    relaxed = of(reference, Stage.RELAXED) + of(reference, Stage.REFINED)
    outcomes = Counter(a.info["outcome"] for a in relaxed)
    assert failures["step limit reached"] == outcomes["step limit reached"] > 0
    # positions that are not numbers are counted, not kept
    assert failures["cell exploded or collapsed"] > 0
    assert outcomes["cell exploded or collapsed"] == 0
    assert failures["proposal rejected"] > 0
    assert not {"step limit reached"} & {str(atoms.info["outcome"]) for atoms in cycle.ranking()}


def test_progress_counts_to_the_end(reference: MemoryStore) -> None:
    steps = list(cheap_cycle(MemoryStore(), ThisProcess()).irun())
    last: dict[Stage, CycleProgress] = {step.stage: step for step in steps}
    assert list(last) == list(Stage)
    assert all(step.done == step.total for step in last.values())
    assert last[Stage.GENERATED].structures == 10
    # of a finished run only the first line of each stage remains to be said
    again = list(cheap_cycle(reference, ThisProcess()).irun())
    assert [step.done for step in again] == [last[stage].total for stage in Stage]


@pytest.mark.parametrize("workers", [1, 2])
def test_same_table_on_any_number_of_workers(
    reference: MemoryStore, tmp_path: Path, workers: int
) -> None:
    log = tmp_path / "log"
    with DiskStore(tmp_path / "run", MANIFEST) as store, LocalProcesses(workers) as executor:
        cycle = cheap_cycle(store, executor, log)
        cycle.run()
        assert table(cycle) == table(cheap_cycle(reference, ThisProcess()))
    made = [line for line in log.read_text().splitlines() if line.startswith("made relaxer")]
    assert len(made) == len(set(made)) <= workers  # models are made once in each worker


def test_another_seed_is_another_run(reference: MemoryStore) -> None:
    other = MemoryStore()
    cheap_cycle(other, ThisProcess(), seed=6).run()
    assert table(cheap_cycle(other, ThisProcess())) != table(cheap_cycle(reference, ThisProcess()))


def test_more_structures_keep_the_first_ones(reference: MemoryStore) -> None:
    """What a task draws depends on its name alone."""
    more = MemoryStore()
    cheap_cycle(more, ThisProcess(), n=12).run()
    ours = {a.info["structure_id"]: a for a in of(more, Stage.GENERATED)}
    for atoms in of(reference, Stage.GENERATED)[:9]:
        assert (ours[atoms.info["structure_id"]].positions == atoms.positions).all()


RUN = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from cheap_parts import SETTINGS, cheap_cycle
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.searches.settings import cycle_manifest
from gencsp.store import DiskStore

if __name__ == "__main__":
    executor = LocalProcesses({workers}) if {workers} > 1 else ThisProcess()
    with DiskStore({folder!r}, cycle_manifest(SETTINGS)) as store, executor:
        for step in cheap_cycle(store, executor, Path({log!r})).irun():
            print(step.stage, step.done, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("workers", "moments"), [(1, (1, 4, 8, 13, 99)), (2, (3, 10, 99))])
def test_killed_at_any_moment_and_resumed(
    reference: MemoryStore, tmp_path: Path, workers: int, moments: tuple[int, ...]
) -> None:
    """SIGKILL after some lines of progress, again and again, until a run ends by itself."""
    log, folder = tmp_path / "log", tmp_path / "run"
    script = tmp_path / "run.py"
    script.write_text(
        RUN.format(
            path=[str(Path(__file__).parents[1])], workers=workers, folder=str(folder), log=str(log)
        )
    )
    kills = 0
    for lines in moments:
        before = DiskStore(folder, MANIFEST) if folder.exists() else None
        done = before.tasks() if before else []
        sure = [
            atoms.info["structure_id"]
            for task in done
            if before and task.startswith(("relaxed", "refined"))
            for atoms in finished(before, task).structures
        ]
        if before:
            before.close()
        log.write_text("")
        kills += run_and_kill(script, lines)
        inputs = {
            f"g{identity[1:]}" if identity[0] == "r" else f"i{identity[1:]}" for identity in sure
        }
        again = {line.split()[1] for line in log.read_text().splitlines() if "relaxed " in line}
        assert not inputs & again  # what was finished is not done twice
    assert kills == len(moments) - 1
    with DiskStore(folder, MANIFEST) as store:
        assert store.tasks() == reference.tasks()
        assert table(cheap_cycle(store, ThisProcess())) == table(
            cheap_cycle(reference, ThisProcess())
        )
    ids = [row.structure_id for row in ase.db.connect(folder / "run.db").select()]
    assert len(ids) == len(set(ids))


def die(*_: object) -> None:
    os._exit(3)


def test_a_worker_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalProcesses(1) as executor:
        cycle = cheap_cycle(MemoryStore(), executor)
        monkeypatch.setattr(cycle, "_generate", lambda: {"generated-0000": die})
        with pytest.raises(WorkerError, match="repeat the same command"):
            cycle.run()


def test_refining_structures_from_elsewhere(reference: MemoryStore) -> None:
    store = MemoryStore()
    given = [a for a in of(reference, Stage.RELAXED) if a.info["outcome"] == "converged"][:2]
    store.finish("relaxed-0000", Finished(structures=tuple(given)))
    cheap_cycle(store, ThisProcess()).run(begin=Stage.FRAMEWORK)
    assert of(store, Stage.GENERATED) == []
    assert len(of(store, Stage.INPAINTED)) == 6


def test_many_inpaintings_are_tasks_of_their_own(reference: MemoryStore) -> None:
    store = MemoryStore()
    given = of(reference, Stage.FRAMEWORK)[:2]
    store.finish("framework-0000", Finished(structures=tuple(given)))
    cheap_cycle(store, ThisProcess(), inpainted=7).run(begin=Stage.INPAINTED)
    names = [str(atoms.info["structure_id"])[1:] for atoms in given]
    # Four for the first and three for the second, in tasks of three at most.
    tasks = [f"inpainted-{names[0]}", f"inpainted-{names[0]}.3", f"inpainted-{names[1]}"]
    assert [task for task in store.tasks() if task.startswith("inpainted-")] == tasks
    made = of(store, Stage.INPAINTED)
    assert [a.info["structure_id"] for a in made] == [
        *(f"i{names[0]}.{k}" for k in range(1, 5)),
        *(f"i{names[1]}.{k}" for k in range(1, 4)),
    ]
    # No task repeats another.
    assert len({tuple(atoms.positions[-1]) for atoms in made}) == 7
    assert {provenance_of(a).parents for a in of(store, Stage.REFINED)} <= {
        str(a.info["structure_id"]) for a in made
    }


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"n": 0}, RequestError, "n is 0"),
        ({"seed": -1}, RequestError, "seed"),
        ({"inpaintings": 0}, RequestError, "inpaintings"),
        ({"guests": ("Zn",)}, CompositionError, "Zn is not in LiSi2"),
        ({"guests": ("Li", "Si")}, CompositionError, "no host atoms"),
        ({"guests": ()}, RequestError, "no guests"),
        ({"max_atoms": 2}, CompositionError, "at least 3"),
        ({"composition": Composition.parse("Si"), "guests": None}, RequestError, "one species"),
    ],
)
def test_settings_refuse(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        CycleSettings(**{"composition": SETTINGS.composition, **changes})


def test_the_manifest_is_flat_and_complete() -> None:
    manifest = cycle_manifest(SETTINGS, hull="h")
    changed = CycleSettings(
        composition=SETTINGS.composition, guests=("Li",), relax=RelaxSettings(fmax=0.05)
    )
    assert manifest["relax_fmax"] == 0.1
    assert cycle_manifest(changed)["relax_fmax"] == 0.05
    assert {"composition", "guests", "seed", "n", "max_atoms", "hull"} <= manifest.keys()
    assert not any(isinstance(value, dict) for value in manifest.values())
