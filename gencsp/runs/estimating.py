"""What a search would take on many workers: measured on a few trials, then simulated."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gencsp.deck import Count, NonNegative, check
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.runs.calls import deck_of_place
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.runs.search import Plan
from gencsp.searches.progress import SearchProgress
from gencsp.searches.recording import RecordedTask, RecordingRunner
from gencsp.searches.simulated import SimulatedRun, TaskTimes, simulate, source_of
from gencsp.store import DiskStore

P = ParamSpec("P")
T = TypeVar("T")

#: Numbers of workers that are simulated if none are given.
WORKERS = (1, 2, 64, 1024)
#: Fewest trials to measure: the first ones are not counted, since models load meanwhile.
FEWEST = 24
#: Trials in a row that are left out.
FIRST = 8
#: Tasks under way for each worker, so that a long one holds up few others.
AHEAD = 4
#: Share of their time that workers are busy, below which a run is rather several searches.
BUSY = 0.9


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedRun:
    """What a run would take.

    Attributes:
        searches: that run side by side and share the trials, each with workers of its own.
        run: one of them.
        seconds: wall time.
        core_hours: of all workers, and of one core for each search itself.
        stored: bytes on disk, of all searches.
        cost: of the core hours, in the unit of the price; ``None`` where none was given.
    """

    searches: int
    run: SimulatedRun
    seconds: float
    core_hours: float
    stored: float
    cost: float | None

    @property
    def workers(self) -> int:
        """Of all searches."""
        return self.searches * self.run.workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a search would take on several numbers of workers.

    Attributes:
        trials: of each run, all searches together.
        measured: on this machine.
        runs: by number of workers; beside a single search that cannot feed its workers, as few
            searches side by side as can.
    """

    trials: int
    measured: Measurement
    runs: tuple[EstimatedRun, ...]


def estimate(
    place: str | SearchDeck | None = None,
    *,
    on: Sequence[int] = WORKERS,
    sample: int = 100,
    price: float | None = None,
    latency: float = 0.0,
    report: Callable[[SearchProgress], None] | None = None,
    **settings: Any,
) -> Estimate:
    """What a search would take: ``estimate("TiO2", budget=1_000_000, on=[64, 1024], price=0.04)``.

    The first trials of the search are run on one worker and timed, in a folder that is deleted. The
    search is then simulated with these times: the loop is that of real searches, and its tasks take
    times drawn from the recorded ones. Assumed is that every worker is as fast as the one here, and
    that a trial costs the loop the same however many came before.

    Args:
        place: a formula such as "TiO2", a system such as "Ti-O", or a whole deck.
        on: numbers of workers.
        sample: trials to run and to time.
        price: of an hour of one core, in any unit.
        latency: of a message to a worker or back, seconds, beside what it takes on this machine.
        report: called after each trial of the sample.
        settings: fields of :class:`~gencsp.runs.decks.SearchDeck`; ``budget`` is the number of
            trials, ``ahead`` is raised to four tasks for each worker.

    Raises:
        DeckError: an unknown setting, or one out of range.
        RequestError: fewer than 24 trials to time, or a number of workers below 1.
        GencspError: as :func:`gencsp.runs.search.open_search`.
    """
    if sample < FEWEST:
        raise RequestError(f"{sample} trials say too little of the times: time {FEWEST} or more.")
    for workers in on:
        check("on", workers, Count)
    check("latency", latency, NonNegative)
    check("price", price or 0.0, NonNegative)
    deck = deck_of_place(SearchDeck, place, settings)
    plan, measured = _measured(deck, sample, report)
    measured = replace(measured, times=replace(measured.times, latency=latency))
    runs = _Runs(plan, measured, trials=deck.budget, price=price)
    return Estimate(
        trials=deck.budget,
        measured=measured,
        runs=tuple(run for workers in on for run in runs.on(workers)),
    )


class _Runs:
    """Simulated runs of one search on several numbers of workers."""

    def __init__(
        self, plan: Plan, measured: Measurement, *, trials: int, price: float | None
    ) -> None:
        self._plan = plan
        self._measured = measured
        self._trials = trials
        self._price = price

    def on(self, workers: int) -> list[EstimatedRun]:
        """One search; if it cannot feed its workers, several of them side by side as well."""
        alone = self._run(1, workers)
        if alone.run.busy >= BUSY:
            return [alone]
        halvings = takewhile(lambda n: workers % n == 0, (2**k for k in count(1)))
        others = []
        for searches in halvings:
            others.append(self._run(searches, workers // searches))
            if others[-1].run.busy >= BUSY:
                break
        best = max(others, key=lambda run: min(run.run.busy, BUSY), default=alone)
        return [alone] if best.run.busy <= alone.run.busy else [alone, best]

    def _run(self, searches: int, workers: int) -> EstimatedRun:
        plan, settings = self._plan, self._plan.settings
        settings = replace(settings, ahead=max(settings.ahead, AHEAD * workers * settings.batch))
        run = simulate(
            self._measured.times,
            settings,
            trials=-(-self._trials // searches),
            workers=workers,
            context=plan.context(),
            moves=plan.strategy.moves,
            background=plan.background,
            seeds=plan.seeds,
        )
        core_hours = searches * (workers + 1) * run.seconds / 3600
        return EstimatedRun(
            searches=searches,
            run=run,
            seconds=run.seconds,
            core_hours=core_hours,
            stored=self._measured.stored * self._trials,
            cost=None if self._price is None else self._price * core_hours,
        )


def _measured(
    deck: SearchDeck, sample: int, report: Callable[[SearchProgress], None] | None
) -> tuple[Plan, Measurement]:
    """The first trials of a search, run on one worker."""
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
                times, runner = _timed(plan, store, executor, start=start, report=report)
            worker_memory = executor.submit(peak_memory).result()
        files = [file for file in (Path(folder) / "run").rglob("*") if file.is_file()]
        stored = sum(file.stat().st_size for file in files)
    tasks = runner.recorded
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
) -> tuple[TaskTimes, RecordingRunner]:
    here = _Clocked() if isinstance(executor, ThisProcess) else None
    runner = plan.runner(store, here or executor, RecordingRunner)
    search = plan.search(store, executor, runner=runner)
    begun, first = 0.0, 0
    for step in search.irun():
        if step.done >= FIRST and not first:
            begun, first = _own_seconds(runner, here), step.done
        if report is not None:
            report(step)
    main = (_own_seconds(runner, here) - begun) / max(1, len(search.results) - first)
    trials, blocks = _kinds(runner.recorded)
    return TaskTimes(
        # The first of each kind also loads what it needs.
        trials=tuple(task.total for task in trials[1:] or trials),
        moves=tuple(result.move for result in search.results),
        proposals={name: _each(tasks[1:] or tasks) for name, tasks in blocks.items()},
        main=main,
        start=start,
    ), runner


class _Clocked(ThisProcess):
    """Runs tasks at once, and knows the processor time that they took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        begun = time.process_time()
        future = super().submit(fn, *args, **kwargs)
        self.seconds += time.process_time() - begun
        return future


def _own_seconds(runner: RecordingRunner, here: _Clocked | None) -> float:
    """Processor time of this process, without tasks that it runs itself and without recording."""
    return time.process_time() - runner.spent - (0.0 if here is None else here.seconds)


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
