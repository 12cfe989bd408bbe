"""A genetic search in steady state: no generations, so no worker waits for a slow one.

The operators are those of the evolutionary searches (Glass, Oganov and Hansen, CPC 175, 713 (2006);
Deaven and Ho, PRL 75, 288 (1995)), the generative crossover, and immigrants: the next seed, and
the next structure of the background proposer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Natural, check
from gencsp.searches.bandit import Bandit
from gencsp.searches.moves.base import Move
from gencsp.searches.population import Niches, Population
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import ConfiguredStrategy, StrategyContext, move_texts
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, MoveStats, Trial, TrialResult
from gencsp.store.base import Scalar

#: Default operators.
GENETIC_MOVES = (
    "heredity",
    "cut-and-splice",
    "crossover",
    "strain",
    "permute",
    "rattle",
    "neighbour-group",
)


class Genetic:
    """Strategy of the genetic search.

    The share of each operator is learned: a trial is a success where its crystal enters the
    population.

    Args:
        moves: of one or two parents.
        schedule: whether an initial structure is a seed structure or a random one.
        fitness: of a structure, eV/atom.
        size: of the population.
        initial: trials before the first children; as many as the population is large, by default.
        alike: whether two structures share a niche; by default :class:`~.population.Niches`.
    """

    name = "genetic"

    def __init__(
        self,
        *,
        moves: Sequence[Move],
        schedule: SeedSchedule,
        fitness: Callable[[Atoms], float],
        size: int = 16,
        initial: int | None = None,
        alike: Callable[[Atoms, Atoms], bool] | None = None,
    ) -> None:
        check("initial", initial, Natural | None)
        self.moves = {move.name: move for move in moves}
        self.schedule = schedule
        self.initial = size if initial is None else initial
        self.population = Population(
            size=size, fitness=fitness, alike=Niches() if alike is None else alike
        )
        self.bandit = Bandit((*self.moves, *schedule.possible))

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        return {
            "moves": move_texts(list(self.moves.values())),
            "population": self.population.size,
            "initial": self.initial,
        }

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if number < self.initial or len(self.population) < 2:
            return Trial(move=self.schedule.next())
        # The parents are drawn before the move, so that all moves are judged by the same ones.
        pair = self.population.choose(2, rng=rng)
        able = {name for name, m in self.moves.items() if m.applies(pair[: m.n_parents])}
        name = self.bandit.choose(rng=rng, among=able | set(self.schedule.kinds))
        if name in (SEED_STRUCTURE, RANDOM):
            return Trial(move=name)
        return Trial(move=name, parents=pair[: self.moves[name].n_parents])

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:  # noqa: ARG002
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if result.seeds_ended:
            self.schedule.end_seeds()
        entered = result.new and result.atoms is not None and self.population.add(result.atoms)
        if result.number >= self.initial:
            self.bandit.reward(result.move, success=entered, new=result.new)

    def move_stats(self) -> list[MoveStats]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        return self.bandit.move_stats(among={*self.moves, *self.schedule.kinds})


class GeneticOptions(ConfiguredStrategy):
    """Options of :class:`Genetic`."""

    name = "genetic"

    population: int = Field(default=16, ge=2, description="Size of the population.")
    initial: int | None = Field(
        default=None,
        ge=0,
        description="Trials before the first children; the population's size if unset.",
    )

    def build(self, context: StrategyContext) -> Genetic:
        """See :class:`~gencsp.searches.strategy.ConfiguredStrategy`."""
        return Genetic(
            moves=context.usable_moves(GENETIC_MOVES, most_parents=2),
            schedule=context.schedule,
            fitness=context.ledger.fitness,
            size=self.population,
            initial=self.initial,
        )
