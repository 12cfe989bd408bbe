"""What searches for a known crystal, relaxation by relaxation: gencsp's methods, and others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ParamSpec, Protocol, TypeVar

from ase import Atoms

from gencsp.deck import Seconds
from gencsp.executors import ThisProcess
from gencsp.plugins import Choice
from gencsp.runs.decks import NICKNAMES, SearchDeck
from gencsp.runs.objects import NO_HULL, Named
from gencsp.runs.search import Plan
from gencsp.searches.basin_hopping import HOP_MOVES
from gencsp.searches.genetic import GENETIC_MOVES
from gencsp.searches.moves import MOVES
from gencsp.searches.runner import TaskOutput
from gencsp.searches.starts import ProposerStarts, StartSource
from gencsp.store import MemoryStore
from gencsp.suites.checked_proposer import CheckedMaker
from gencsp.suites.truths import KnownCrystal

P = ParamSpec("P")
T = TypeVar("T")

#: Moves of the methods whose own moves run a score model among others.
OWN_MOVES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"hop": HOP_MOVES, "genetic": GENETIC_MOVES}
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a search has come to after one more trial.

    Attributes:
        relaxations: so far, this one included.
        atoms: what the trial relaxed to, with its energy in ``info``; ``None`` where it failed.
        elsewhere: processor seconds so far that other processes used for the search; negative where
            this one has used some for trials that come later.
    """

    relaxations: int
    atoms: Atoms | None
    elsewhere: float


class Searcher(Protocol):
    """Searches for crystals; small and picklable."""

    def steps(self, crystal: KnownCrystal, *, seed: int, failures: Counter[str]) -> Generator[Step]:
        """One search, which goes on until its budget is used or the iterator is closed.

        Args:
            crystal: of it the search is told the composition and the number of atoms in the cell.
            seed: of the search.
            failures: receives how many structures failed, by reason, when the search ends.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSearcher:
    """A method of gencsp or of a plug-in, in memory.

    Attributes:
        settings: of :class:`~gencsp.runs.decks.SearchDeck`: method, seeds, budget and so on.
        limit: seconds for each request to a proposer that seeds; ``None`` for no limit.
    """

    settings: Mapping[str, Any]
    limit: Seconds | None

    def plan(self, crystal: KnownCrystal, *, seed: int) -> Plan:
        """The search of a crystal's composition, put together.

        Raises:
            GencspError: as :meth:`gencsp.runs.search.Plan.of`.
        """
        deck = SearchDeck.make(
            formula=crystal.composition.formula,
            formula_units=(crystal.units,),
            atoms=len(crystal.atoms),
            seed=seed,
            hull=NO_HULL,
            **self.settings,
        )
        plan = Plan.of(deck)
        return replace(plan, seeds=tuple(map(self._checked, plan.seeds)))

    def steps(self, crystal: KnownCrystal, *, seed: int, failures: Counter[str]) -> Generator[Step]:
        """See :class:`Searcher`."""
        store, executor = MemoryStore(), _Timed()
        run = self.plan(crystal, seed=seed).search(store, executor)
        try:
            for progress in run.irun():
                if progress.result is not None:
                    ahead = sum(executor.trials[len(run.results) :])
                    yield Step(progress.relaxed, progress.result.atoms, -ahead)
        finally:
            for finished in store.load().values():
                failures.update(finished.failures)

    def _checked(self, source: StartSource) -> StartSource:
        if not isinstance(source, ProposerStarts):
            return source
        return replace(source, make=CheckedMaker(source.make, self.limit))


def moves_without_model(method: Named) -> tuple[str, ...] | None:
    """The moves of a method that run no score model; ``None`` for its own, of other methods."""
    name = Choice.read(method).name
    own = OWN_MOVES.get(NICKNAMES.get(name, name))
    return None if own is None else tuple(one for one in own if not MOVES.make(one).needs_model)


class _Timed(ThisProcess):
    """This process, which notes what each trial costs.

    Attributes:
        trials: processor seconds of the trials, in their order. A search carries out some before it
            looks at the results of those before them.
    """

    def __init__(self) -> None:
        self.trials: list[float] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See :class:`concurrent.futures.Executor`."""
        begun = time.process_time()
        future = super().submit(fn, *args, **kwargs)
        done = None if future.exception() is not None else future.result()
        if isinstance(done, TaskOutput) and "propose" not in done.seconds:
            self.trials.append(time.process_time() - begun)
        return future
