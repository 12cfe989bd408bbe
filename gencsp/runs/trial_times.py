"""What the trials of a search take: its first ones, run and timed."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from gencsp.executors import ThisProcess
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.runs.search import Plan
from gencsp.searches.progress import SearchProgress
from gencsp.searches.recording import RecordedTask, TaskRecorder
from gencsp.searches.simulated import TaskTimes, source_of
from gencsp.store import DiskStore

P = ParamSpec("P")
T = TypeVar("T")

#: Trials in a row that are left out.
FIRST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What the trials of a search take on this machine.

    Attributes:
        trials: that were run.
        times: of their tasks, seconds.
        sent: mean bytes of a message to a worker.
        received: mean bytes of its answer.
        stored: bytes on disk for one trial.
        worker_memory: most memory that a worker had, bytes; ``None`` where the system does not
            say.
        main_memory: that of the process that holds the loop.
    """

    trials: int
    times: TaskTimes
    sent: float
    received: float
    stored: float
    worker_memory: int | None
    main_memory: int | None


def time_trials(
    deck: SearchDeck, sample: int, report: Callable[[SearchProgress], None] | None
) -> tuple[Plan, Measurement]:
    """Run the first trials of a search on one worker, in a folder that is deleted.

    Args:
        deck: of the search; its folder, workers and what ends it early are not used.
        sample: trials to run.
        report: called after each of them.

    Returns:
        The search that was run, and what its trials took.

    Raises:
        GencspError: as :func:`gencsp.runs.search.open_search`.
    """
    with tempfile.TemporaryDirectory() as folder:
        without_end = {"minutes": None, "patience": None, "target": None}
        deck = deck.model_copy(
            update={"budget": sample, "workers": 1, "out": Path(folder) / "run", **without_end}
        )
        plan = Plan.of(deck)
        with run_executor(carried(dict(deck)), deck.executor, workers=1) as executor:
            begun = time.perf_counter()
            manifest = plan.check_models(executor)
            start = time.perf_counter() - begun
            with DiskStore(Path(folder) / "run", manifest) as store:
                times, tasks = _timed(plan, store, executor, start=start, report=report)
            worker_memory = executor.submit(peak_memory).result()
        files = [file for file in (Path(folder) / "run").rglob("*") if file.is_file()]
        stored = sum(file.stat().st_size for file in files)
    return plan, Measurement(
        trials=sample,
        times=times,
        sent=sum(task.sent for task in tasks) / len(tasks),
        received=sum(task.received for task in tasks) / len(tasks),
        stored=stored / sample,
        worker_memory=worker_memory,
        main_memory=peak_memory(),
    )


def _timed(
    plan: Plan,
    store: DiskStore,
    executor: Executor,
    *,
    start: float,
    report: Callable[[SearchProgress], None] | None,
) -> tuple[TaskTimes, list[RecordedTask]]:
    here = _Clocked() if isinstance(executor, ThisProcess) else None
    search = plan.search(store, here or executor)
    recorder = TaskRecorder()
    search.runner.on_output = recorder.note
    begun, first = 0.0, 0
    for step in search.irun():
        if step.done >= FIRST and not first:
            begun, first = _own_seconds(recorder, here), step.done
        if report is not None:
            report(step)
    main = (_own_seconds(recorder, here) - begun) / max(1, len(search.results) - first)
    trials, blocks = _kinds(recorder.recorded)
    return TaskTimes(
        # The first of each kind also loads what it needs.
        trials=tuple(task.total for task in trials[1:] or trials),
        moves=tuple(result.move for result in search.results),
        proposals={name: _each(tasks[1:] or tasks) for name, tasks in blocks.items()},
        main=main,
        start=start,
    ), recorder.recorded


class _Clocked(ThisProcess):
    """Runs tasks at once, and knows the processor time that they took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        begun = time.process_time()
        future = super().submit(fn, *args, **kwargs)
        self.seconds += time.process_time() - begun
        return future


def _own_seconds(recorder: TaskRecorder, here: _Clocked | None) -> float:
    """Processor time of this process, without tasks that it runs itself and without recording."""
    return time.process_time() - recorder.spent - (0.0 if here is None else here.seconds)


def _kinds(
    tasks: Sequence[RecordedTask],
) -> tuple[list[RecordedTask], dict[str, list[RecordedTask]]]:
    """Tasks of trials, and those of proposers by the names of their sources."""
    trials: list[RecordedTask] = []
    blocks: dict[str, list[RecordedTask]] = {}
    for task in tasks:
        source = source_of(task.names[0])
        (blocks.setdefault(source, []) if source else trials).append(task)
    return trials, blocks


def _each(blocks: Sequence[RecordedTask]) -> float:
    """Seconds for one proposal."""
    return sum(block.total for block in blocks) / max(1, sum(block.structures for block in blocks))


def peak_memory() -> int | None:
    """Most memory that this process has had, bytes; ``None`` where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
