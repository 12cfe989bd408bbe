"""The recording runner notes what tasks take and changes nothing of a search."""

from __future__ import annotations

import pickle
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest
from cheap_search import BUDGET, cheap_search, story

from gencsp.executors import ThisProcess
from gencsp.searches.loop import Search
from gencsp.searches.recording import RecordingRunner
from gencsp.searches.starts import StartSupply
from gencsp.store import MemoryStore


class Weighed(ThisProcess):
    """Knows the sizes of what went through it."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        sent = len(pickle.dumps(fn))
        future = super().submit(fn, *args, **kwargs)
        self.sizes.append((sent, len(pickle.dumps(future.result()))))
        return future


@pytest.fixture
def recorded() -> tuple[Search, RecordingRunner, Weighed]:
    executor = Weighed()
    search = cheap_search("random", MemoryStore(), executor, batch=2)
    runner = RecordingRunner(MemoryStore(), executor, prepare=search.ledger.price)
    search.runner = runner
    search.supply = StartSupply(
        tuple(stream.source for stream in search.supply._streams),
        search.supply._background.source,
        search.settings.space,
        runner=runner,
        seed=search.settings.seed,
        block=search.settings.block,
    )
    search.run()
    return search, runner, executor


def test_it_changes_nothing_of_the_search(
    recorded: tuple[Search, RecordingRunner, Weighed],
) -> None:
    usual = cheap_search("random", MemoryStore(), ThisProcess(), batch=2)
    usual.run()
    assert story(recorded[0]) == story(usual)


def test_every_task_is_noted_with_its_size(
    recorded: tuple[Search, RecordingRunner, Weighed],
) -> None:
    search, runner, executor = recorded
    named = [name for task in runner.recorded for name in task.names]
    assert len(named) == len(set(named))
    assert sum(name.startswith("trial-") for name in named) == BUDGET
    assert {len(task.names) for task in runner.recorded if task.names[0].startswith("trial-")} == {
        2
    }
    # Blocks that were begun and not needed have not been waited for.
    sizes = Counter((task.sent, task.received) for task in runner.recorded)
    assert sizes <= Counter(executor.sizes)
    assert sum(task.total for task in runner.recorded) == pytest.approx(
        sum(runner.seconds.values())
    )
    assert 0 < runner.spent < 5
    blocks = [task for task in runner.recorded if not task.names[0].startswith("trial-")]
    taken = sum(search.supply.taken.values())
    assert sum(block.structures for block in blocks) >= taken > 0
