"""Searches in simulated time: how busy many workers would be, from the task times of a few trials.

The loop is the one of real searches (:class:`~gencsp.searches.loop.Search`), with its order of
requests and reports, its batches and its blocks of proposals. Only what its tasks take is not done
but drawn from times that were recorded (a trace-driven simulation): a task begins on the worker
that is free first, and the process that holds the loop does one thing after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heapify, heapreplace

import numpy as np
from ase import Atoms

from gencsp.deck import Count, NonNegative, Seed, check_fields
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.provenance import Stage
from gencsp.searches.ledger import Ledger
from gencsp.searches.loop import Search
from gencsp.searches.moves.base import Move
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.searches.settings import SearchSettings
from gencsp.searches.starts import ProposerStarts, StartSource
from gencsp.searches.stop import StopRules
from gencsp.searches.trial import MoveStats, Trial, TrialResult
from gencsp.searches.worker import TrialContext, propose_block
from gencsp.store import MemoryStore
from gencsp.store.base import Finished, Scalar

#: Trials that are simulated for each worker, after which the rate hardly changes.
TRIALS = 24
#: Fewest trials that are simulated.
FEWEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTimes:
    """Recorded times of the tasks of a search; seconds throughout.

    Attributes:
        trials: wall time of each recorded task, a batch of trials.
        moves: how the trials began: ``seed``, ``random``, or the name of a move; one for each
            recorded trial.
        proposals: wall time for one structure, by the name of the proposer's source.
        main: processor time of the process that holds the loop, for one trial.
        start: what a worker needs before its first task: to start and to load its models.
        latency: of a message, from the process that holds the loop to a worker, or back.

    Raises:
        RequestError: a time is negative, or none was recorded.
    """

    trials: tuple[NonNegative, ...]
    moves: tuple[str, ...]
    proposals: Mapping[str, NonNegative] = field(default_factory=dict)
    main: NonNegative
    start: NonNegative = 0.0
    latency: NonNegative = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.trials or not self.moves:
            raise RequestError("no times of tasks were recorded: let more trials be run.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun:
    """What a search would take.

    Attributes:
        workers: processes that run tasks.
        ahead: trials under way at once.
        seconds: wall time.
        trials_per_second: once all workers are at work.
        busy: share of their time that workers spend in tasks, by then.
        main_busy: share of its time that the process that holds the loop is busy, by then.
        tasks_per_second: messages to workers; there are as many back.
    """

    workers: int
    ahead: int
    seconds: float
    trials_per_second: float
    busy: float
    main_busy: float
    tasks_per_second: float


def simulate(
    times: TaskTimes,
    settings: SearchSettings,
    *,
    trials: Count,
    workers: Count,
    context: TrialContext,
    moves: Mapping[str, Move],
    background: ProposerStarts,
    seeds: tuple[StartSource, ...] = (),
    seed: Seed = 0,
) -> SimulatedRun:
    """A search of so many trials on so many workers, in simulated time.

    As many trials are simulated as it takes for the rate to settle; the time of the others follows
    from that rate.

    Args:
        times: what tasks take.
        settings: of the search.
        trials: its budget.
        workers: processes that run tasks.
        context: of the search; nothing of it is run.
        moves: of the strategy, by name; they are not made.
        background: as in the search; it is not run.
        seeds: as in the search; they are not run.
        seed: of the draws from the recorded times.
    """
    simulated = min(trials, max(FEWEST, TRIALS * max(workers, settings.ahead)))
    runner = SimulatedRunner(times, workers=workers, seed=seed)
    search = Search(
        settings,
        strategy=_Recorded(times.moves, moves),
        seeds=seeds,
        background=background,
        context=context,
        ledger=_NoLedger(),
        runner=runner,
        stop=StopRules(budget=simulated),
    )
    ends = [0.0]
    ends.extend(runner.now for step in search.irun() if step.result is not None)
    # From where every worker has begun, to where the last trials leave workers without any.
    first, last = len(ends) // 4, max(len(ends) - 1 - min(settings.ahead, len(ends) // 4), 1)
    span = ends[last] - ends[first]
    rate = (last - first) / span if span > 0 else simulated / max(ends[-1], 1e-9)
    each = runner.working / simulated
    return SimulatedRun(
        workers=workers,
        ahead=settings.ahead,
        seconds=ends[-1] + (trials - simulated) / rate,
        trials_per_second=rate,
        busy=min(1.0, rate * each / workers),
        main_busy=min(1.0, rate * times.main),
        tasks_per_second=rate * runner.tasks / simulated,
    )


class SimulatedRunner(TaskRunner):
    """Runs nothing: says when tasks would have ended, in the time of a clock of its own.

    Args:
        times: what tasks take.
        workers: processes that run tasks.
        seed: of the draws from the recorded times.

    Attributes:
        now: time of the process that holds the loop, seconds since it sent its first task.
        working: what workers have been given to do so far, seconds.
        tasks: that were sent.
    """

    def __init__(self, times: TaskTimes, *, workers: int, seed: int) -> None:
        super().__init__(MemoryStore(), ThisProcess(), prepare=lambda finished: finished)
        self.now = self.working = 0.0
        self.tasks = 0
        self._times = times
        self._rng = np.random.default_rng(seed)
        self._free = [times.start] * workers
        heapify(self._free)
        self._ends: dict[str, float] = {}
        self._made: dict[str, int] = {}

    def submit(self, tasks: Sequence[str], call: Callable[[], TaskOutput]) -> None:
        """A task for the worker that is free first; tasks begin in the order of submission."""
        times = self._times
        if isinstance(call, partial) and call.func is propose_block:
            (task,) = tasks
            self._made[task] = len(call.keywords["ids"])
            seconds = self._made[task] * times.proposals.get(source_of(task), 0.0)
        else:
            seconds = times.trials[self._rng.integers(len(times.trials))]
        end = max(self._free[0], self.now + times.latency) + seconds
        heapreplace(self._free, end)
        self._ends.update(dict.fromkeys(tasks, end + times.latency))
        self.working += seconds
        self.tasks += 1

    def result(self, task: str) -> Finished:
        """An empty result, at the time at which the process that holds the loop is done with it."""
        self.now = max(self.now, self._ends[task])
        if task in self._made:
            return Finished(structures=tuple(Atoms() for _ in range(self._made.pop(task))))
        self.now += self._times.main
        return Finished(structures=())

    def release(self, task: str) -> None:
        """Forget a task."""
        self._ends.pop(task, None)

    def was_kept(self, task: str) -> bool:  # noqa: ARG002
        """No task was finished before."""
        return False

    def cancel(self) -> None:
        """Nothing is under way."""

    def keep(self) -> None:
        """Nothing is stored."""


def source_of(task: str) -> str:
    """The source of a block of proposals, ``generated-NAME-00000``; empty for other tasks."""
    stage, _, named = task.partition("-")
    return named.rpartition("-")[0] if stage == Stage.GENERATED else ""


class _Recorded:
    """Asks for trials of the recorded kinds, as often as they were recorded."""

    name = "recorded"

    def __init__(self, kinds: Sequence[str], moves: Mapping[str, Move]) -> None:
        self.moves = moves
        self._kinds = tuple(kinds)

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        return {}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:  # noqa: ARG002
        return Trial(move=self._kinds[rng.integers(len(self._kinds))])

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        """Nothing to learn from results that there are not."""

    def move_stats(self) -> list[MoveStats]:
        return []


class _NoLedger(Ledger):
    """Judges nothing: what that takes is in the recorded time of the loop."""

    def __init__(self) -> None:
        super().__init__(hull=None)

    def judge(self, number: int, move: str, finished: Finished) -> TrialResult:  # noqa: ARG002
        return TrialResult(number=number, move=move, failure="simulated")
