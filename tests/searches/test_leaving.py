"""Leaving a search and going on is the same as not leaving it, wherever and however it is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from ase import Atoms
from cheap_parts import Backwards
from cheap_search import BUDGET, cheap_search, manifest, story

from gencsp.errors import StoreError, WorkerError
from gencsp.executors import ThisProcess
from gencsp.searches.loop import Search
from gencsp.searches.progress import SearchProgress
from gencsp.searches.stop import StopRules
from gencsp.store import DiskStore, Finished, MemoryStore, Store

METHODS = ("random", "hop", "genetic")
#: Of the moments at which a search can be left, each so many is tried: all of the strategy with the
#: most to remember, and of the others enough to meet every remainder by ``ahead`` and ``block``.
STRIDE = {"random": 5, "hop": 5, "genetic": 1}


class Whole(NamedTuple):
    """A run that nobody left: its account, its story, and what its store kept."""

    account: dict[str, object]
    story: list[tuple[object, ...]]
    kept: dict[str, object]


_WHOLE: dict[tuple[str, int, int], Whole] = {}


class SameEnergy:
    """Takes crystals of one energy for the same: a search in a fraction of the time."""

    def __init__(self) -> None:
        self.names: dict[float, str] = {}

    def add(self, atoms: Atoms, energy: float) -> str:
        own = str(atoms.info["structure_id"])
        found = self.names.setdefault(round(energy, 1), own)
        return "" if found == own else found

    def recall(self, notes: Mapping[str, bytes]) -> None:
        """It works everything out anew."""

    def fresh_notes(self) -> dict[str, bytes]:
        return {}


def new_search(method: str, store: Store, executor: Executor, **options: Any) -> Search:
    search = cheap_search(method, store, executor, **options)
    search.ledger.duplicates = SameEnergy()
    return search


def whole(method: str, budget: int = BUDGET, batch: int = 1) -> Whole:
    """A run that nobody left."""
    key = (method, budget, batch)
    if key not in _WHOLE:
        store = MemoryStore()
        search = new_search(method, store, ThisProcess(), budget=budget, batch=batch)
        search.run()
        _WHOLE[key] = Whole(account(search), story(search), kept(store))
    return _WHOLE[key]


def account(search: Search) -> dict[str, object]:
    """All that a user sees of a finished search, with every number in full."""
    ledger = search.ledger
    return {
        # First, since it notes in the structures which of them are duplicates.
        "ranking": [
            tuple(
                repr(atoms.info.get(key))
                for key in ("structure_id", "decomposition_energy", "parents", "duplicate_of")
            )
            for atoms in search.ranking()
        ],
        "story": story(search),
        "info": [None if r.atoms is None else info(r.atoms) for r in search.results],
        "supply": search.supply.taken,
        "counts": (ledger.moves, ledger.converged, ledger.new, ledger.records, ledger.failures),
        "relaxed": (ledger.relaxed, ledger.relaxed_since_record),
        "best": None if ledger.best is None else ledger.best.info["structure_id"],
        "learned": search.strategy.move_stats(),
        "stopped": search.stopped,
    }


def kept(store: Store) -> dict[str, object]:
    """All that a store holds of the trials."""
    return {
        task: (
            dict(found.failures),
            [(info(a), repr(a.positions.tolist())) for a in found.structures],
        )
        for task, found in sorted(store.load().items())
        if task.startswith("trial")
    }


def info(atoms: Atoms) -> list[tuple[str, str]]:
    return sorted((key, repr(value)) for key, value in atoms.info.items())


def seen(step: SearchProgress) -> tuple[object, ...]:
    """A line of progress, without the clock."""
    return (step.done, step.total, step.relaxed, step.new, step.records, step.best, step.best_id)


def finish(search: Search) -> None:
    """Step to the end; an account ranks what was found."""
    for _ in search.irun():
        pass


def step_to(search: Search, trials: int) -> list[SearchProgress]:
    """Step until so many trials are told, and leave."""
    steps = []
    for step in search.irun():
        steps.append(step)
        if step.done >= trials:
            break
    return steps


@pytest.mark.parametrize("method", METHODS)
def test_left_at_any_trial_and_entered_again(method: str) -> None:
    lines = [seen(step) for step in new_search(method, MemoryStore(), ThisProcess()).irun()]
    assert [line[0] for line in lines] == list(range(BUDGET + 1))
    for trials in range(0, BUDGET + 1, STRIDE[method]):
        store = MemoryStore()
        search = new_search(method, store, ThisProcess())
        before = step_to(search, trials)
        after = list(search.irun())
        assert account(search) == whole(method).account, trials
        # The first line says where the run stands; no trial is told twice, or not at all.
        assert seen(after[0]) == seen(before[-1])
        assert after[0].result is None
        assert [seen(step) for step in [*before, *after[1:]]] == lines
        assert kept(store) == whole(method).kept


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("executor", [ThisProcess, Backwards])
def test_left_after_every_trial(method: str, batch: int, executor: Callable[[], Executor]) -> None:
    search = new_search(method, MemoryStore(), executor(), batch=batch)
    for trials in range(BUDGET + 1):
        step_to(search, trials)
        assert len(search.results) == trials
    assert search.run()
    assert account(search) == whole(method, batch=batch).account


@pytest.mark.parametrize("method", METHODS)
def test_left_on_disk_after_every_trial(method: str, tmp_path: Path) -> None:
    with DiskStore(tmp_path, manifest(method)) as store:
        search = new_search(method, store, ThisProcess())
        for trials in range(BUDGET + 1):
            step_to(search, trials)
            assert len([task for task in store.tasks() if task.startswith("trial")]) >= trials
        finish(search)
        assert account(search) == whole(method).account
        assert kept(store) == whole(method).kept


@pytest.mark.parametrize("method", METHODS)
def test_left_on_disk_and_gone_on_with_by_another_object(method: str, tmp_path: Path) -> None:
    for trials in (0, 1, 7, 13, 22):
        with DiskStore(tmp_path / f"{trials}", manifest(method)) as store:
            search = new_search(method, store, ThisProcess())
            step_to(search, trials)
            step_to(search, trials + 2)
        with DiskStore(tmp_path / f"{trials}", manifest(method)) as store:
            other = new_search(method, store, ThisProcess())
            step_to(other, min(trials + 5, BUDGET))
            finish(other)
            assert account(other) == whole(method).account
            assert kept(store) == whole(method).kept


@pytest.mark.parametrize("method", METHODS)
def test_two_iterators_share_one_run(method: str) -> None:
    """An iterator that waits, and is gone on with when another one has taken over."""
    search = new_search(method, MemoryStore(), ThisProcess())
    first, second = search.irun(), search.irun()
    for _ in range(6):
        next(first), next(second)
    assert len(search.results) == 10
    step_to(search, 13)
    assert next(first).done == 14
    assert next(second).done == 15
    search.run()
    assert list(first) == list(second) == []
    assert account(search) == whole(method).account


@pytest.mark.parametrize("method", METHODS)
def test_an_error_of_whoever_steps(method: str) -> None:
    search = new_search(method, MemoryStore(), ThisProcess())
    for number in range(0, BUDGET, 5):
        with suppress(ZeroDivisionError):
            for step in search.irun():
                if step.done > number:
                    raise ZeroDivisionError
        assert len(search.results) == number + 1
    finish(search)
    assert account(search) == whole(method).account


@pytest.mark.parametrize("method", METHODS)
def test_a_finished_run_does_nothing_more(method: str) -> None:
    store = MemoryStore()
    search = new_search(method, store, ThisProcess())
    search.run()
    before, tasks = account(search), store.tasks()
    search.runner.executor = Refusing(Executor())
    (step,) = search.irun()
    assert (step.done, step.total, step.result) == (BUDGET, BUDGET, None)
    assert search.run()
    assert account(search) == before
    assert store.tasks() == tasks


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [1, 3, 4])
def test_a_budget_that_is_raised_goes_on(method: str, batch: int) -> None:
    """As if it had been there from the start: trials are asked for when they would have been."""
    search = new_search(method, MemoryStore(), Backwards(), budget=5, batch=batch)
    for budget in (5, 6, 13, 24):
        search.stop = replace(search.stop, budget=budget)
        step_to(search, budget - 1)
        search.run()
        assert story(search) == whole(method, batch=batch).story[:budget]
        assert search.stopped == f"the budget of {budget} trials was used"
    assert account(search) == whole(method, batch=batch).account


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("executor", [ThisProcess, Backwards])
def test_a_stop_that_is_lifted(method: str, executor: Callable[[], Executor]) -> None:
    """What was cancelled at the stop is done when the search goes on."""
    rules = StopRules(budget=BUDGET, patience=3)
    search = new_search(method, MemoryStore(), executor(), stop=rules)
    search.run()
    assert search.stopped == "no new minimum in 3 relaxations"
    told = len(search.results)
    assert 0 < told < BUDGET
    assert len(list(search.irun())) == 1  # the reason stands
    assert search.stopped == "no new minimum in 3 relaxations"
    assert len(search.results) == told
    search.stop = replace(rules, patience=None)
    finish(search)
    assert account(search) == whole(method).account


def test_rules_replaced_on_the_way() -> None:
    """Whoever steps through a search may change when it ends, also to what lies behind."""
    search = new_search("random", MemoryStore(), ThisProcess(), ahead=1)
    for step in search.irun():
        if step.done == 8:
            search.stop = replace(search.stop, budget=5)
    assert [r.failure for r in search.results].count("proposers ended") == 0
    assert len(search.results) == 8
    assert search.stopped == "the budget of 5 trials was used"
    for _ in search.irun():
        search.stop = replace(search.stop, budget=12)
    assert len(search.results) == 12
    other = new_search("random", MemoryStore(), ThisProcess(), ahead=1, budget=12)
    finish(other)
    assert account(search) == account(other)


@dataclass
class Refusing(Executor):
    """Hands tasks on, but refuses one, or loses it.

    Attributes:
        inner: where the others run.
        at: number of the task that goes wrong, from 0; ``None`` for all of them.
        lost: taken, and lost; otherwise refused.
        error: what it says.
    """

    inner: Executor
    at: int | None = None
    lost: bool = False
    error: BaseException = field(default_factory=lambda: BrokenExecutor("the pool is broken"))
    submitted: int = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        number, self.submitted = self.submitted, self.submitted + 1
        if self.at is not None and number != self.at:
            return self.inner.submit(fn, *args, **kwargs)
        if not self.lost:
            raise self.error
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("lost", "batch"), [(False, 3), (True, 1)])
def test_an_executor_that_failed_once(method: str, lost: bool, batch: int) -> None:
    """No matter which task: the strategy is asked once, and no structure of the seeds is lost."""
    at = 0
    while True:
        executor = Refusing(ThisProcess(), at=at, lost=lost)
        search = new_search(method, MemoryStore(), executor, batch=batch)
        with suppress(WorkerError):
            search.run()
        finished = len(search.results) == BUDGET
        finish(search)
        assert account(search) == whole(method, batch=batch).account, at
        if finished:
            break
        at += (1 if batch > 1 else 3) + STRIDE[method] // 5
    assert at >= BUDGET / batch


def test_an_executor_that_broke_is_replaced() -> None:
    """All that it had under way is lost at once, and done again by the next one."""
    search = new_search("hop", MemoryStore(), Refusing(ThisProcess(), lost=True))
    with pytest.raises(WorkerError):
        search.run()
    search.runner.executor = ThisProcess()
    finish(search)
    assert account(search) == whole("hop").account


class Faulty(MemoryStore):
    """Refuses one transaction, before it or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        self.left -= 1
        if self.left == -1 and not self.after:
            raise StoreError("no space left for runs/a: make room.")
        super().finish_all(results)
        if self.left == -1:
            raise StoreError("the disk was taken out.")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("after", [False, True])
def test_a_store_that_failed_once(
    method: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it refused is offered again: at the end it holds the whole run."""
    monkeypatch.setattr("gencsp.searches.runner.KEEP", 0.0)
    for at in range(0, 40, max(3, STRIDE[method])):
        store = Faulty(at, after=after)
        search = new_search(method, store, ThisProcess())
        with suppress(StoreError):
            search.run()
        finish(search)
        assert account(search) == whole(method).account, at
        assert kept(store) == whole(method).kept
    assert store.left >= 0  # so every transaction had its turn


class Interrupting(SameEnergy):
    """Ctrl-C while a structure is compared with those before it."""

    left = 10**9

    def add(self, atoms: Atoms, energy: float) -> str:
        self.left -= 1
        if self.left == -1:
            raise KeyboardInterrupt
        return super().add(atoms, energy)


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_while_it_judges(method: str) -> None:
    for moment in range(0, 15, 2):
        search = new_search(method, MemoryStore(), ThisProcess())
        search.ledger.duplicates = Interrupting()
        search.ledger.duplicates.left = moment
        with pytest.raises(KeyboardInterrupt):
            search.run()
        finish(search)
        assert account(search) == whole(method).account, moment


@pytest.mark.parametrize("method", METHODS)
def test_interrupted_while_it_works(method: str) -> None:
    """Ctrl-C in the middle of a task, where tasks run in the calling process."""
    for at in range(0, 30, 4):
        executor = Refusing(ThisProcess(), at=at, error=KeyboardInterrupt())
        search = new_search(method, MemoryStore(), executor)
        with suppress(KeyboardInterrupt):
            search.run()
        finish(search)
        assert account(search) == whole(method).account, at


@pytest.mark.parametrize("told", ["ask", "tell"])
def test_an_error_of_a_strategy_leaves_the_rest_whole(told: str) -> None:
    """The strategy failed before it did anything: the same trial is asked for, or told, again."""
    for at in range(0, BUDGET, 3):
        search = new_search("genetic", MemoryStore(), ThisProcess())
        with failing_once(search.strategy, told, at), pytest.raises(ZeroDivisionError):
            search.run()
        finish(search)
        assert account(search) == whole("genetic").account, at


@contextmanager
def failing_once(owner: object, name: str, at: int) -> Iterator[None]:
    method, left = getattr(owner, name), [at]

    def failing(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            raise ZeroDivisionError
        return method(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, failing)
        yield


def test_the_clock_stands_still_while_a_search_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("gencsp.searches.loop.time", SimpleNamespace(perf_counter=lambda: now[0]))
    rules = StopRules(budget=BUDGET, seconds=20.0)
    search = new_search("random", MemoryStore(), ThisProcess(), stop=rules)
    for trials in (4, 7):
        for step in search.irun():
            if step.done == trials:
                break
            now[0] += 2.0  # each trial takes two seconds
        now[0] += 3600.0
        assert search.elapsed == 2.0 * trials
        assert step.per_minute == 30.0
    for _ in search.irun():
        now[0] += 2.0
    assert search.elapsed == 20.0
    assert len(search.results) == 10
    assert search.stopped == "the time limit of 20 s was reached"
    now[0] += 3600.0
    assert len(list(search.irun())) == 1
    search.stop = replace(rules, seconds=30.0)
    for _ in search.irun():
        now[0] += 2.0
    assert len(search.results) == 15
