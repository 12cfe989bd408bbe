"""The recorder notes what tasks take and changes nothing of a search."""

from __future__ import annotations

import pickle
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest
from cheap_search import BUDGET, cheap_search, story

from gencsp.executors import ThisProcess
from gencsp.searches.loop import Search
from gencsp.searches.recording import TaskRecorder
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
def recorded() -> tuple[Search, TaskRecorder, Weighed]:
    executor = Weighed()
    search = cheap_search("random", MemoryStore(), executor, batch=2)
    recorder = TaskRecorder()
    search.runner.on_output = recorder.note
    search.run()
    return search, recorder, executor


def test_it_changes_nothing_of_the_search(
    recorded: tuple[Search, TaskRecorder, Weighed],
) -> None:
    usual = cheap_search("random", MemoryStore(), ThisProcess(), batch=2)
    usual.run()
    assert story(recorded[0]) == story(usual)


def test_every_task_is_noted_with_its_size(
    recorded: tuple[Search, TaskRecorder, Weighed],
) -> None:
    search, recorder, executor = recorded
    named = [name for task in recorder.recorded for name in task.names]
    assert len(named) == len(set(named))
    assert sum(name.startswith("trial-") for name in named) == BUDGET
    assert {
        len(task.names) for task in recorder.recorded if task.names[0].startswith("trial-")
    } == {2}
    # Blocks that were begun and not needed have not been waited for.
    sizes = Counter((task.sent, task.received) for task in recorder.recorded)
    assert sizes <= Counter(executor.sizes)
    assert sum(task.total for task in recorder.recorded) == pytest.approx(
        sum(search.runner.seconds.values())
    )
    assert 0 < recorder.spent < 5
    blocks = [task for task in recorder.recorded if not task.names[0].startswith("trial-")]
    taken = sum(search.supply.taken.values())
    assert sum(block.structures for block in blocks) >= taken > 0
