"""Leaving a cycle and going on is the same as not leaving it, wherever and however it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cheap_parts import SETTINGS, Backwards, cheap_cycle, table

from gencsp.errors import StoreError, WorkerError
from gencsp.executors import ThisProcess
from gencsp.provenance import Stage
from gencsp.searches.cycle import Cycle
from gencsp.searches.progress import CycleProgress
from gencsp.searches.settings import cycle_manifest
from gencsp.store import DiskStore, Finished, MemoryStore, Store

MANIFEST = cycle_manifest(SETTINGS)


@pytest.fixture(scope="module")
def whole() -> tuple[MemoryStore, list[CycleProgress]]:
    """A run that nobody left, and its progress."""
    store = MemoryStore(MANIFEST)
    return store, list(new_cycle(store, ThisProcess()).irun())


class Counting(Executor):
    """Notes which tasks are submitted; refuses or loses one of them, if it is to.

    Attributes:
        inner: where they run.
        refused, lost: number of the task that goes wrong, from 0; ``None`` for none.
    """

    def __init__(
        self, inner: Executor, *, refused: int | None = None, lost: int | None = None
    ) -> None:
        self.inner, self.refused, self.lost = inner, refused, lost
        self.submitted = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        number, self.submitted = self.submitted, self.submitted + 1
        if number == self.refused:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if number == self.lost:
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("the pool is broken"))
            return future
        return self.inner.submit(fn, *args, **kwargs)


def account(cycle: Cycle) -> tuple[object, ...]:
    """All that comes of a cycle; the table of results follows from what the store holds."""
    choice = cycle.guest_choice
    return (
        cycle.failures(),
        cycle.guests,
        None if choice is None else (choice.species, choice.reason),
        kept(cycle.store),
    )


def kept(store: Store) -> list[tuple[object, ...]]:
    """All that a store holds, with every number in full."""
    return [
        (
            task,
            dict(found.failures),
            [(sorted(a.info.items()), a.positions.tolist()) for a in found.structures],
        )
        for task, found in store.load().items()
    ]


def new_cycle(store: Store, executor: Executor) -> Cycle:
    return cheap_cycle(store, executor, guests=None, n=5, chunk=2)


def step_for(cycle: Cycle, steps: int) -> list[CycleProgress]:
    """Take so many lines of progress, and leave."""
    lines = []
    for line in cycle.irun():
        lines.append(line)
        if len(lines) == steps:
            break
    return lines


@pytest.fixture(scope="module")
def expected(whole: tuple[MemoryStore, list[CycleProgress]]) -> tuple[object, ...]:
    cycle = new_cycle(MemoryStore(), ThisProcess())
    cycle.run()
    assert kept(cycle.store) == kept(whole[0])
    assert cycle.guests is not None
    return account(cycle)


def test_left_at_any_step_and_entered_again(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...]
) -> None:
    tasks = len(whole[0].tasks())
    for steps in [*range(1, len(whole[1]), 3), len(whole[1])]:
        executor = Counting(ThisProcess())
        cycle = new_cycle(MemoryStore(), executor)
        before = step_for(cycle, steps)
        after = list(cycle.irun())
        # The first line says where the cycle stands; no task is told twice, or not at all.
        assert after[0] == before[-1]
        assert [*before, *after[1:]] == whole[1]
        assert account(cycle) == expected
        assert executor.submitted == tasks
    assert table(cycle) == table(new_cycle(whole[0], ThisProcess()))


@pytest.mark.parametrize("inner", [ThisProcess, Backwards])
def test_left_after_every_step(
    whole: tuple[MemoryStore, list[CycleProgress]],
    expected: tuple[object, ...],
    inner: Callable[[], Executor],
) -> None:
    """Nothing is submitted twice, also where tasks are under way as it is left."""
    executor = Counting(inner())
    cycle = new_cycle(MemoryStore(), executor)
    lines = step_for(cycle, 1)
    while len(again := step_for(cycle, 2)) == 2:
        assert again[0] == lines[-1]
        lines.append(again[1])
    assert again == [lines[-1]]
    # Tasks may end in another order, and so be told in another, but as many of them.
    assert [(x.stage, x.done, x.total) for x in lines] == [
        (x.stage, x.done, x.total) for x in whole[1]
    ]
    assert account(cycle) == expected
    assert executor.submitted == len(whole[0].tasks())


def test_left_on_disk_by_the_same_and_by_another_object(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...], tmp_path: Path
) -> None:
    for steps in range(1, len(whole[1]), 6):
        with DiskStore(tmp_path / f"{steps}", MANIFEST) as store:
            cycle = new_cycle(store, ThisProcess())
            step_for(cycle, steps)
            step_for(cycle, 2)
        with DiskStore(tmp_path / f"{steps}", MANIFEST) as store:
            other = new_cycle(store, ThisProcess())
            step_for(other, 7)
            other.run()
            assert account(other) == expected


def test_two_iterators_share_one_cycle(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...]
) -> None:
    cycle = new_cycle(MemoryStore(), ThisProcess())
    first, second = cycle.irun(), cycle.irun()
    lines = [next(first)]
    assert next(second) == lines[0]
    for number in range(1, len(whole[1])):
        lines.append(next(first if number % 2 else second))
    assert lines == whole[1]
    assert list(first) == list(second) == []
    assert account(cycle) == expected


def test_a_finished_cycle_does_nothing_more(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...]
) -> None:
    cycle = new_cycle(MemoryStore(), ThisProcess())
    cycle.run()
    cycle.executor = Counting(ThisProcess(), refused=0)
    assert list(cycle.irun()) == [whole[1][-1]]
    assert cycle.run()
    assert account(cycle) == expected
    # ... also from the start, where it says so of each stage.
    assert [(x.stage, x.done == x.total) for x in cycle.irun(begin=Stage.GENERATED)] == [
        (stage, True) for stage in Stage
    ]


def test_a_stage_named_again_submits_nothing_twice(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...]
) -> None:
    executor = Counting(Backwards())
    cycle = new_cycle(MemoryStore(), executor)
    for steps in (2, 8):
        for number, _ in enumerate(cycle.irun(begin=Stage.GENERATED)):
            if number == steps:
                break
    cycle.run(begin=Stage.GENERATED)
    assert account(cycle) == expected
    assert executor.submitted == len(whole[0].tasks())


class Faulty(MemoryStore):
    """Refuses one task, before it keeps it or after."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def finish(self, task: str, finished: Finished) -> None:
        self.left -= 1
        if self.left == -1 and not self.after:
            raise StoreError("no space left for runs/a: make room.")
        super().finish(task, finished)
        if self.left == -1:
            raise StoreError("the disk was taken out.")


@pytest.mark.parametrize("after", [False, True])
def test_a_store_that_failed_once(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...], after: bool
) -> None:
    tasks = len(whole[0].tasks())
    for at in range(0, tasks, 3):
        executor = Counting(ThisProcess())
        cycle = new_cycle(Faulty(at, after=after), executor)
        with pytest.raises(StoreError):
            cycle.run()
        cycle.run()
        assert account(cycle) == expected
        assert executor.submitted == tasks


@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_an_executor_that_failed_once(
    whole: tuple[MemoryStore, list[CycleProgress]], expected: tuple[object, ...], fault: str
) -> None:
    tasks = len(whole[0].tasks())
    for at in range(0, tasks, 3):
        executor = Counting(ThisProcess(), **{fault: at})
        cycle = new_cycle(MemoryStore(), executor)
        with pytest.raises(WorkerError, match="repeat the same command"):
            cycle.run()
        cycle.run()
        assert account(cycle) == expected
        assert executor.submitted == tasks + 1


def test_an_executor_that_broke_is_replaced(expected: tuple[object, ...]) -> None:
    """All that it had under way is lost at once, and done again by the next one."""

    class Broken(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ARG002
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("the pool is broken"))
            return future

    cycle = new_cycle(MemoryStore(), Broken())
    with pytest.raises(WorkerError):
        cycle.run()
    cycle.executor = ThisProcess()
    cycle.run()
    assert account(cycle) == expected


def test_an_error_of_whoever_steps(expected: tuple[object, ...]) -> None:
    cycle = new_cycle(MemoryStore(), ThisProcess())
    seen: Counter[Stage] = Counter()
    for _ in range(12):
        with suppress(ZeroDivisionError):
            for line in cycle.irun():
                seen[line.stage] += 1
                if seen[line.stage] == 3:
                    raise ZeroDivisionError
    cycle.run()
    assert account(cycle) == expected
