"""What a search would take on many workers: measured on a few trials, then simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from typing import Any

from gencsp.deck import Count, NonNegative, check
from gencsp.errors import RequestError
from gencsp.runs.calls import deck_of_place
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import Plan
from gencsp.runs.trial_times import Measurement, time_trials
from gencsp.searches.progress import SearchProgress
from gencsp.searches.simulated import SimulatedRun, simulate

#: Numbers of workers that are simulated if none are given.
WORKERS = (1, 2, 64, 1024)
#: Fewest trials to measure: the first ones are not counted, since models load meanwhile.
FEWEST = 24
#: Tasks under way for each worker, so that a long one holds up few others.
AHEAD = 4
#: Share of their time that workers are busy, below which a run is rather several searches.
BUSY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedRun:
    """What a run would take.

    Attributes:
        searches: that run side by side and share the trials, each with workers of its own.
        run: one of them.
        stored: bytes on disk, of all searches.
        price: of an hour of one core; ``None`` where none was given.
    """

    searches: int
    run: SimulatedRun
    stored: float
    price: float | None

    @property
    def workers(self) -> int:
        """Of all searches."""
        return self.searches * self.run.workers

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.run.seconds

    @property
    def core_hours(self) -> float:
        """Of all workers, and of one core for each search itself."""
        return (self.workers + self.searches) * self.seconds / 3600

    @property
    def cost(self) -> float | None:
        """Of the core hours, in the unit of the price; ``None`` where none was given."""
        return None if self.price is None else self.price * self.core_hours


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
    plan, measured = time_trials(deck, sample, report)
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
        stored = self._measured.stored * self._trials
        return EstimatedRun(searches=searches, run=run, stored=stored, price=self._price)
