"""The cycle on several compositions: as one after another, on any executor, left or not."""

from __future__ import annotations

from concurrent.futures import Executor
from pathlib import Path

import pytest
from ase import Atoms
from cheap_parts import Backwards
from cheap_system import DECK, cheap_system_cycle, one_cycle

from gencsp.composition import Composition
from gencsp.errors import CompositionError, RequestError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.provenance import Stage
from gencsp.runs.system_cycle import system_settings
from gencsp.searches.progress import CycleProgress
from gencsp.searches.system_cycle import SystemCycle
from gencsp.store import DiskStore, Finished, MemoryStore, Store
from gencsp.store.part import StorePart


def kept(store: Store) -> dict[str, object]:
    """All that a store holds, with every number in full."""
    return {
        task: (
            dict(found.failures),
            [(sorted(a.info.items()), a.positions.tolist()) for a in found.structures],
        )
        for task, found in store.load().items()
    }


def table(ranked: list[Atoms]) -> list[tuple[object, ...]]:
    return [
        (a.info["structure_id"], repr(a.info["decomposition_energy"]), a.info.get("duplicate_of"))
        for a in ranked
    ]


@pytest.fixture(scope="module")
def whole() -> tuple[SystemCycle, list[CycleProgress]]:
    run = cheap_system_cycle(MemoryStore(), ThisProcess())
    steps = list(run.irun())
    run.ranking()
    return run, steps


def test_it_is_the_cycles_one_after_another(whole: tuple[SystemCycle, object]) -> None:
    run, _ = whole
    alone: dict[str, object] = {}
    ranked = []
    for settings in system_settings(DECK):
        cycle = one_cycle(settings, MemoryStore(), ThisProcess())
        cycle.run()
        found = kept(cycle.store)
        assert not alone.keys() & found.keys()
        alone |= found
        ranked += list(cycle.converged())
    assert kept(run.store) == alone
    energies = sorted(float(atoms.info["decomposition_energy"]) for atoms in ranked)
    assert [atoms.info["decomposition_energy"] for atoms in run.ranking()] == energies


@pytest.mark.parametrize("kind", ["backwards", "two processes"])
def test_the_executor_does_not_matter(kind: str, whole: tuple[SystemCycle, object]) -> None:
    def same(executor: Executor) -> None:
        run = cheap_system_cycle(MemoryStore(), executor)
        assert table(run.run()) == table(whole[0].ranking())
        assert kept(run.store) == kept(whole[0].store)

    if kind == "backwards":
        same(Backwards())
    else:
        with LocalProcesses(2) as executor:
            same(executor)


@pytest.mark.parametrize("left_at", [0, 1, 7, 23])
def test_left_and_opened_again(
    left_at: int, tmp_path: Path, whole: tuple[SystemCycle, list[CycleProgress]]
) -> None:
    assert len(whole[1]) > 24
    log = tmp_path / "log"
    with DiskStore(tmp_path / "run", {"kind": "cycle"}) as store:
        run = cheap_system_cycle(store, ThisProcess(), log)
        for number, _ in enumerate(run.irun()):
            if number == left_at:
                break
    with DiskStore(tmp_path / "run", {"kind": "cycle"}) as store:
        run = cheap_system_cycle(store, ThisProcess(), log)
        assert table(run.run()) == table(whole[0].ranking())
        assert kept(store).keys() == kept(whole[0].store).keys()
    relaxed = [line for line in log.read_text().splitlines() if line.startswith("relaxed g")]
    assert len(relaxed) <= DECK.n + 4  # at most one task, of up to four, was done again


def test_progress_adds_up_over_the_compositions(
    whole: tuple[SystemCycle, list[CycleProgress]],
) -> None:
    run, steps = whole
    last = {step.stage: step for step in steps}
    assert set(last) == set(Stage)
    tasks = run.store.tasks()
    for stage, step in last.items():
        own = [task for task in tasks if task.startswith(f"{stage}-")]
        assert step.done == step.total == len(own)
        assert step.failures == _failures(run.store, own)
    assert last[Stage.GENERATED].structures == DECK.n
    assert run.failures() == _failures(run.store, tasks)


def _failures(store: Store, tasks: list[str]) -> dict[str, int]:
    total: dict[str, int] = {}
    for task in tasks:
        found = store.get(task)
        assert found is not None
        for reason, n in found.failures.items():
            total[reason] = total.get(reason, 0) + n
    return total


def test_every_composition_has_its_share_and_its_numbers(
    whole: tuple[SystemCycle, object],
) -> None:
    run, _ = whole
    counts = run.counts()
    assert [one.generated for one in counts.values()] == [4, 4, 3, 3]
    assert [one.formula for one in counts] == ["LiSi", "LiSi2", "Li2Si", "LiSi3"]
    for cycle in run.cycles:
        for stage in Stage:
            for atoms in cycle.structures(stage):
                if stage is not Stage.FRAMEWORK:
                    assert Composition.of(atoms) == cycle.settings.composition
    ids = [
        str(atoms.info["structure_id"])
        for cycle in run.cycles
        for stage in Stage
        for atoms in cycle.structures(stage)
    ]
    assert len(set(ids)) == len(ids)
    for cycle, one in zip(run.cycles, counts.values(), strict=True):
        groups = [
            int(atoms.info["space_group_number"])
            for atoms in cycle.structures(Stage.REFINED)
            if atoms.info["outcome"] == "converged"
        ]
        assert one.refined == len(groups)
        assert one.symmetric_refined == sum(number > 2 for number in groups)
        assert one.inpainted == len(cycle.structures(Stage.INPAINTED))


def test_the_parts_of_a_store() -> None:
    whole = MemoryStore()
    for number in (3, 4, 11, 12345):
        whole.finish(f"relaxed-{number:04d}", Finished(failures={"x": number}))
    # Several tasks of one structure's number.
    whole.finish("inpainted-0004.16", Finished())
    whole.finish("inpainted-0003.4", Finished())
    whole.finish("other", Finished())
    part = StorePart(whole, first=4, n=8)
    assert part.tasks() == ["inpainted-0004.16", "relaxed-0004", "relaxed-0011"]
    assert part.load().keys() == set(part.tasks())
    part.finish("relaxed-0005", Finished(failures={"y": 1}))
    assert whole.get("relaxed-0005") == part.get("relaxed-0005")
    assert StorePart(whole, first=12345, n=1).tasks() == ["relaxed-12345"]


def test_guests_go_to_the_compositions_that_have_them() -> None:
    deck = DECK.model_copy(update={"formula": "Li2S-P2S5-ZnS", "guests": ("Zn",), "atoms": 13})
    found = {one.composition.formula: one.guests for one in system_settings(deck)}
    assert found["LiPS3"] is None
    assert {guests for formula, guests in found.items() if "Zn" in formula} == {("Zn",)}
    with pytest.raises(CompositionError, match="Na is not in Li2S-P2S5-ZnS"):
        system_settings(deck.model_copy(update={"guests": ("Na",)}))
    with pytest.raises(RequestError, match="without a hull"):
        system_settings(deck.model_copy(update={"hull": "none"}))
