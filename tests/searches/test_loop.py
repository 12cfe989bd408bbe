"""The loop: the same story on any workers and after any crash, whatever the strategy."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
import pytest
from ase import Atoms
from cheap_parts import Backwards, CheapHull, CheapRelaxerMaker
from cheap_search import BUDGET, SETTINGS, cheap_search, manifest, story
from hypothesis import given, settings
from hypothesis import strategies as st
from killing import run_and_kill

from gencsp.errors import RequestError, StoreError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.minimise.result import PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance
from gencsp.searches import loop
from gencsp.searches.contracts import Relaxer
from gencsp.searches.loop import Search
from gencsp.searches.settings import SearchSettings
from gencsp.searches.stop import StopRules
from gencsp.similarity import Match, StructureIndex, same_crystal
from gencsp.similarity.index import Place
from gencsp.store import DiskStore, Finished, MemoryStore

METHODS = ("random", "hop", "genetic")
_STORIES: dict[str, tuple[Search, MemoryStore]] = {}


def reference(method: str) -> Search:
    """An uninterrupted run in this process."""
    if method not in _STORIES:
        store = MemoryStore()
        search = cheap_search(method, store, ThisProcess())
        search.run()
        _STORIES[method] = (search, store)
    return _STORIES[method][0]


@pytest.mark.parametrize("method", METHODS)
def test_every_trial_is_accounted_for(method: str) -> None:
    search = reference(method)
    ledger = search.ledger
    assert [r.number for r in search.results] == list(range(BUDGET))
    assert sum(ledger.moves.values()) == BUDGET
    assert sum(ledger.converged.values()) == sum(r.atoms is not None for r in search.results)
    assert sum(ledger.new.values()) == sum(r.new for r in search.results) > 0
    assert 0 < ledger.relaxed <= BUDGET
    assert search.stopped == f"the budget of {BUDGET} trials was used"
    assert sum(search.supply.taken.values()) == ledger.moves["seed"] + ledger.moves["random"]
    lowest = min(r.fitness for r in search.results)
    assert ledger.best is not None
    assert ledger.best.info["enthalpy_per_atom"] == lowest
    assert ledger.best.info["decomposition_energy"] == CheapHull().decomposition_energy(
        SETTINGS.space.compositions[0][0], ledger.best.info["energy_per_atom"]
    )


@pytest.mark.parametrize("method", METHODS)
def test_parents_are_what_was_relaxed_before(method: str) -> None:
    """Trial k builds on trials up to k - ahead alone."""
    search = reference(method)
    known = {r.atoms.info["structure_id"]: r.number for r in search.results if r.atoms is not None}
    children = 0
    for r in search.results:
        if r.atoms is None:
            continue
        provenance = Provenance.read(r.atoms)
        assert provenance is not None
        assert provenance.structure_id == f"s{r.number:05d}"
        if r.move in ("seed", "random"):
            assert provenance.parents.startswith("cheap-" if r.move == "seed" else "other-")
            continue
        children += 1
        for parent in provenance.parents.split(";"):
            assert known[parent] <= r.number - SETTINGS.ahead
    assert children >= 2


def test_walkers_step_from_where_they_are() -> None:
    for r in reference("hop").results:
        if r.atoms is not None and r.move not in ("seed", "random"):
            provenance = Provenance.read(r.atoms)
            assert provenance is not None
            parent = int(provenance.parents[1:])
            assert parent % SETTINGS.ahead == r.number % SETTINGS.ahead


@pytest.mark.parametrize("method", METHODS)
def test_ranking(method: str) -> None:
    ranking = reference(method).ranking()
    energies = [atoms.info["decomposition_energy"] for atoms in ranking]
    assert energies == sorted(energies)
    ids = [atoms.info["structure_id"] for atoms in ranking]
    for atoms in ranking:
        if "duplicate_of" in atoms.info:
            original = ranking[ids.index(atoms.info["duplicate_of"])]
            assert "duplicate_of" not in original.info
            assert original.info["decomposition_energy"] <= atoms.info["decomposition_energy"]


@pytest.mark.parametrize(("method", "workers"), [*((method, 2) for method in METHODS), ("hop", 1)])
def test_same_on_any_number_of_workers(method: str, workers: int, tmp_path: Path) -> None:
    with (
        DiskStore(tmp_path / "run", manifest(method)) as store,
        LocalProcesses(workers) as executor,
    ):
        search = cheap_search(method, store, executor)
        search.run()
    assert story(search) == story(reference(method))


@pytest.mark.parametrize("method", METHODS)
def test_order_of_completion_changes_nothing(method: str) -> None:
    search = cheap_search(method, MemoryStore(), Backwards())
    search.run()
    assert story(search) == story(reference(method))


def test_batches_relax_together_and_cost_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    kept: list[int] = []
    finish_all = store.finish_all

    def counted(results: Mapping[str, Finished]) -> None:
        kept.append(len(results))
        finish_all(results)

    monkeypatch.setattr(store, "finish_all", counted)
    search = cheap_search("random", store, ThisProcess(), batch=4, ahead=8, budget=10)
    search.run()
    assert len(search.results) == 10
    assert max(kept) >= 4
    again = cheap_search("random", MemoryStore(), Backwards(), batch=4, ahead=8, budget=10)
    again.run()
    assert story(again) == story(search)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 4])
def test_a_larger_budget_goes_on(method: str, batch: int) -> None:
    store = MemoryStore()
    first = cheap_search(method, store, ThisProcess(), budget=10, batch=batch)
    first.run()
    second = cheap_search(method, store, ThisProcess(), budget=18, batch=batch)
    second.run()
    whole = cheap_search(method, MemoryStore(), ThisProcess(), budget=18, batch=batch)
    whole.run()
    assert story(second) == story(whole)
    assert story(first) == story(whole)[:10]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kept", ["all", "some", "none", "of another version"])
def test_a_replay_takes_over_which_crystals_are_duplicates(
    method: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story is the same whichever of the notes are left, and no verdict is reached twice."""
    decided: list[str] = []
    decide = StructureIndex.decide

    def counted(index: StructureIndex, atoms: Atoms, energy: float | None = None) -> Match | Place:
        decided.append(str(atoms.info["structure_id"]))
        return decide(index, atoms, energy)

    monkeypatch.setattr(StructureIndex, "decide", counted)
    store = MemoryStore()
    first = cheap_search(method, store, ThisProcess(), budget=12)
    list(first.irun())  # without the ranking, which has an index of its own
    converged = {r.atoms.info["structure_id"] for r in first.results if r.atoms is not None}
    notes = store.notes()
    assert notes.keys() == converged
    assert sorted(decided) == sorted(converged)
    left = {
        "all": notes,
        "some": {name: note for name, note in notes.items() if int(name[1:]) % 3},
        "none": {},
        "of another version": {name: b"another " + note[8:] for name, note in notes.items()},
    }[kept]
    store._notes = {**left, "x": b""}
    whole = story(reference(method))
    decided.clear()
    again = cheap_search(method, store, ThisProcess(), budget=BUDGET)
    list(again.irun())
    assert story(again) == whole
    usable = {} if kept == "of another version" else left
    anew = {r.atoms.info["structure_id"] for r in again.results if r.atoms is not None}
    assert sorted(decided) == sorted(anew - usable.keys())


def test_notes_are_kept_while_a_search_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "NOTED", 5)
    store = MemoryStore()
    search = cheap_search("random", store, ThisProcess(), budget=12)
    for _ in search.irun():
        assert len(store.notes()) >= sum(r.atoms is not None for r in search.results) - 5
    assert len(search.results) == 12
    assert len(store.notes()) == sum(r.atoms is not None for r in search.results)


def test_a_disk_that_has_no_room_for_notes_ends_a_search_that_can_go_on() -> None:
    class Full(MemoryStore):
        room = False

        def note(self, notes: Mapping[str, bytes]) -> None:
            if notes and not self.room:
                raise StoreError("the disk is full.")
            super().note(notes)

    store = Full()
    search = cheap_search("hop", store, ThisProcess())
    with pytest.raises(StoreError, match="the disk is full"):
        list(search.irun())
    store.room = True
    list(search.irun())
    assert story(search) == story(reference("hop"))
    assert store.notes().keys() == {
        r.atoms.info["structure_id"] for r in search.results if r.atoms is not None
    }


class Crash(BaseException):
    """The end of a process."""


class CrashingStore(MemoryStore):
    """Ends the process at a transaction: before it, or after."""

    left, after = 10**9, False

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Crash
        super().finish_all(results)
        if self.left < 0:
            raise Crash


@pytest.mark.parametrize("method", METHODS)
@given(moments=st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=4))
@settings(deadline=None, max_examples=8)
def test_crashed_at_any_transaction_and_resumed(
    method: str, moments: list[tuple[int, bool]]
) -> None:
    store = CrashingStore()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gencsp.searches.runner.KEEP", 0.0)
        for store.left, store.after in moments:
            with suppress(Crash):
                cheap_search(method, store, Backwards()).run()
    store.left = 10**9
    search = cheap_search(method, store, ThisProcess())
    search.run()
    assert story(search) == story(reference(method))


RUN = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from cheap_search import cheap_search, manifest
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.searches import runner
from gencsp.store import DiskStore

runner.KEEP = {keep}
if __name__ == "__main__":
    executor = LocalProcesses({workers}) if {workers} > 1 else ThisProcess()
    with DiskStore({folder!r}, manifest({method!r})) as store, executor:
        for step in cheap_search({method!r}, store, executor, Path({log!r})).irun():
            print(step.done, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("method", "workers", "moments"),
    [("random", 2, (5, 99)), ("hop", 1, (2, 11, 19, 99)), ("genetic", 1, (9, 99))],
)
def test_killed_at_any_moment_and_resumed(
    tmp_path: Path, method: str, workers: int, moments: tuple[int, ...]
) -> None:
    """SIGKILL after some lines of progress, again and again, until a run ends by itself."""
    log, folder, script = tmp_path / "log", tmp_path / "run", tmp_path / "run.py"
    script.write_text(
        RUN.format(
            path=[str(Path(__file__).parents[1])],
            workers=workers,
            folder=str(folder),
            method=method,
            log=str(log),
            keep=0.05,
        )
    )
    for lines in moments:
        done = set()
        if folder.exists():
            with DiskStore(folder, manifest(method)) as store:
                done = {f"s{int(t[-6:]):05d}" for t in store.tasks() if t.startswith("trial")}
        log.write_text("")
        killed = run_and_kill(script, lines)
        assert killed == (lines < 99)
        again = {line.split()[1] for line in log.read_text().splitlines() if "relaxed " in line}
        assert not done & again  # what was finished is not done twice
    with DiskStore(folder, manifest(method)) as store:
        search = cheap_search(method, store, ThisProcess())
        search.run()
    assert story(search) == story(reference(method))
    ids = Counter(row.structure_id for row in ase.db.connect(folder / "run.db").select())
    assert set(ids.values()) == {1}


def test_another_strategy_in_the_store_is_refused() -> None:
    store = MemoryStore()
    cheap_search("genetic", store, ThisProcess()).run()
    with pytest.raises(StoreError, match="start a new run"):
        cheap_search("hop", store, ThisProcess()).run()


def test_stops() -> None:
    whole = reference("random")
    records = [r.number for r in whole.results if r.record]
    patience = 5
    search = cheap_search(
        "random", MemoryStore(), ThisProcess(), stop=StopRules(budget=BUDGET, patience=patience)
    )
    search.run()
    assert search.stopped == "no new minimum in 5 relaxations"
    assert story(search) == story(whole)[: len(search.results)]
    last = max(n for n in records if n < len(search.results))
    since = [r for r in search.results[last + 1 :] if r.failure != "move made no structure"]
    assert len(since) == patience

    # the first trial that pymatgen takes for the wanted crystal ends the search
    wanted = next(r.atoms for r in whole.results if r.number > 5 and r.new)
    fits = [r for r in whole.results if r.atoms is not None and same_crystal(r.atoms, wanted)]
    looking = cheap_search("random", MemoryStore(), ThisProcess())
    looking.ledger.targets = (wanted,)
    looking.run()
    assert fits[0].atoms is not None
    assert looking.stopped == f"the target was reached by {fits[0].atoms.info['structure_id']}"
    assert len(looking.results) == fits[0].number + 1

    timed = cheap_search(
        "random", MemoryStore(), ThisProcess(), stop=StopRules(budget=BUDGET, seconds=1e-6)
    )
    timed.run()
    assert len(timed.results) == 1
    assert "time limit" in timed.stopped


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: StopRules(budget=0), "budget is 0"),
        (lambda: StopRules(patience=0), "patience is 0"),
        (lambda: StopRules(seconds=0.0), "seconds is 0"),
        (lambda: SearchSettings(space=SETTINGS.space, batch=0), "batch is 0"),
        (lambda: SearchSettings(space=SETTINGS.space, ahead=2, batch=4), "at least one batch"),
        (lambda: SearchSettings(space=SETTINGS.space, seed=-1), "seed"),
        (
            lambda: SearchSettings(space=SETTINGS.space, relax=RelaxSettings(fixed_cell=True)),
            "fixed cell",
        ),
    ],
)
def test_settings_refuse(make: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        make()


def test_the_manifest_is_flat_and_tells_strategies_apart() -> None:
    manifests = [manifest(method) for method in METHODS]
    for flat in manifests:
        assert {"space", "seed", "ahead", "seeds", "relax_fmax", "method"} <= flat.keys()
        assert not any(isinstance(value, dict) for value in flat.values())
        assert "budget" not in flat
    assert len({str(sorted(m.items(), key=str)) for m in manifests}) == 3


def test_overhead_does_not_grow_with_the_store() -> None:
    """What the loop itself costs a trial is the same at the end as at the beginning."""
    search = cheap_search("random", MemoryStore(), ThisProcess(), budget=240, batch=4, ahead=8)
    marks = []
    for step in search.irun():
        if step.done % 80 == 0:
            # Processor time, of which other programs take nothing away.
            marks.append(time.process_time())
    first, _, last = np.diff(marks)
    assert last < 3 * first + 0.5


@dataclass(frozen=True)
class Watched:
    """Makes the cheap relaxer, and notes how it is called."""

    calls: list[tuple[bool, list[Atoms]]] = field(default_factory=list, hash=False)

    def __call__(self) -> Relaxer:
        def relax(
            structures: Iterable[Atoms],
            settings: RelaxSettings,
            *,
            on_path: PathCallback | None = None,
        ) -> Iterator[Relaxed]:
            given = list(structures)
            self.calls.append((settings.keep_symmetry, [atoms.copy() for atoms in given]))
            return CheapRelaxerMaker()()(given, settings, on_path=on_path)

        return relax


@pytest.mark.parametrize("keep", [False, True])
def test_rattled_structures_relax_freely_once_their_symmetry_has_had_its_turn(keep: bool) -> None:
    watched = Watched()
    search = cheap_search("random", MemoryStore(), ThisProcess(), budget=12, batch=4, ahead=8)
    relax = RelaxSettings(keep_symmetry=keep)
    search.context = replace(search.context, relaxer=watched, relax=relax, rattle=0.01)
    search.run()
    free = [given for kept, given in watched.calls if not kept]
    first = [given for kept, given in watched.calls if kept]
    assert len(free) == 3
    assert len(first) == (3 if keep else 0)
    steps = {r.atoms.info["steps"] for r in search.results if r.atoms is not None}
    assert steps == ({14} if keep else {7})
    for before, after in zip(first, free, strict=False):
        named = {atoms.info["structure_id"]: atoms for atoms in before}
        for atoms in after:
            moved = atoms.positions - named[atoms.info["structure_id"]].positions
            assert 0 < np.abs(moved).max() < 0.06
    again = cheap_search("random", MemoryStore(), Backwards(), budget=12, batch=4, ahead=8)
    again.context = replace(again.context, relaxer=Watched(), relax=relax, rattle=0.01)
    again.run()
    assert story(again) == story(search)
    with pytest.raises(RequestError, match="rattle"):
        replace(SETTINGS, rattle=-0.1)
