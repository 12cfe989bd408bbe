"""Basin hopping (Wales and Doye, JPCA 101, 5111 (1997)) by several walkers at once.

Every trial starts from a relaxed crystal, makes a move and relaxes; Metropolis decides whether the
walker goes there. Walker w makes the trials w, w + W, w + 2W, …, so each needs only the outcome of
its own last trial, and W of them keep any number of workers busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Count, check
from gencsp.searches.acceptance import Metropolis
from gencsp.searches.bandit import Bandit
from gencsp.searches.moves.base import Move
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import ConfiguredStrategy, StrategyContext, move_texts
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, MoveStats, Trial, TrialResult
from gencsp.similarity.tolerances import WALKER_GAIN
from gencsp.store.base import Scalar

#: Default moves of a walker.
HOP_MOVES = (
    "rattle",
    "strain",
    "swap",
    "permute",
    "void",
    "slabs",
    "neighbour-group",
    "renoise",
    "repaint",
)


@dataclass(slots=True)
class _Walker:
    """Where a walker is, and for how many trials it has found nothing lower."""

    atoms: Atoms | None = None
    fitness: float = float("inf")
    stuck: int = 0


class BasinHopping:
    """Strategy of basin hopping.

    The share of each move is learned: a trial is a success where its crystal is new and lower than
    the crystal that the walker started from. The next seed structure and the next structure of the
    background proposer count as moves, too.

    Args:
        moves: of one parent each.
        schedule: whether a walker starts from a seed structure or a random one.
        walkers: number of walkers: the ``ahead`` of the search.
        patience: trials without anything lower after which a walker starts anew.
        metropolis: the acceptance rule; ``None`` for the default one.
    """

    name = "hop"

    def __init__(
        self,
        *,
        moves: Sequence[Move],
        schedule: SeedSchedule,
        walkers: int,
        patience: int = 12,
        metropolis: Metropolis | None = None,
    ) -> None:
        check("walkers", walkers, Count)
        check("patience", patience, Count)
        self.moves = {move.name: move for move in moves}
        self.schedule = schedule
        self.patience = patience
        self.metropolis = Metropolis() if metropolis is None else metropolis
        self.bandit = Bandit((*self.moves, *schedule.possible))
        self._walkers = [_Walker() for _ in range(walkers)]

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        return {"moves": move_texts(list(self.moves.values())), "walker_patience": self.patience}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        walker = self._walkers[number % len(self._walkers)]
        if walker.atoms is None:
            return Trial(move=self.schedule.next())
        parents = (walker.atoms,)
        able = {name for name, move in self.moves.items() if move.applies(parents)}
        name = self.bandit.choose(rng=rng, among=able | set(self.schedule.kinds))
        if name in (SEED_STRUCTURE, RANDOM):
            return Trial(move=name)
        return Trial(move=name, parents=parents)

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if result.seeds_ended:
            self.schedule.end_seeds()
        walker = self._walkers[result.number % len(self._walkers)]
        if walker.atoms is None:
            if result.atoms is not None:
                walker.atoms, walker.fitness = result.atoms, result.fitness
            return
        lower = result.fitness < walker.fitness - WALKER_GAIN
        self.bandit.reward(result.move, success=lower and result.new, new=result.new)
        if result.atoms is None:
            return
        walker.stuck = 0 if lower and result.new else walker.stuck + 1
        if self.metropolis.accept(result.fitness - walker.fitness, new=result.new, rng=rng):
            walker.atoms, walker.fitness = result.atoms, result.fitness
        if walker.stuck >= self.patience:
            walker.atoms, walker.fitness, walker.stuck = None, float("inf"), 0

    def move_stats(self) -> list[MoveStats]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        return self.bandit.move_stats(among={*self.moves, *self.schedule.kinds})


class BasinHoppingOptions(ConfiguredStrategy):
    """Options of :class:`BasinHopping`."""

    name = "hop"

    patience: int = Field(
        default=12,
        ge=1,
        description="Trials without anything lower after which a walker starts anew.",
    )

    def build(self, context: StrategyContext) -> BasinHopping:
        """See :class:`~gencsp.searches.strategy.ConfiguredStrategy`."""
        return BasinHopping(
            moves=context.usable_moves(HOP_MOVES, most_parents=1),
            schedule=context.schedule,
            walkers=context.settings.ahead,
            patience=self.patience,
        )
