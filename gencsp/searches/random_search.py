"""Random search, as AIRSS does it (Pickard and Needs, JPCM 23, 053201 (2011)), seeded or not."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Natural, check
from gencsp.searches.bandit import Bandit
from gencsp.searches.moves.base import Move
from gencsp.searches.moves.rattle import Rattle
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import ConfiguredStrategy, StrategyContext, move_texts
from gencsp.searches.trial import MoveStats, Trial, TrialResult
from gencsp.store.base import Scalar

#: eV/atom: structures no higher than this above the lowest are shaken.
WINDOW = 0.1
#: A new crystal among this lowest share of all so far counts as a success of its source.
GOOD = 0.25
#: Trials in which seeds and background proposer alternate, before their success decides.
EVEN = 12


class RandomSearch:
    """Relaxes one proposal after another; good ones are shaken and relaxed again.

    At first, seeds and the background proposer alternate; later each gets a share of the trials
    that follows from its success, so that poor seeds are used less and good ones more.

    Args:
        schedule: decides between seeds and background proposer at first.
        shakes: how often each new structure near the lowest is shaken and relaxed again.
        shake: the move that shakes; ``None`` for ``rattle``.
    """

    name = "random"

    def __init__(
        self, *, schedule: SeedSchedule, shakes: int = 0, shake: Move | None = None
    ) -> None:
        check("shakes", shakes, Natural)
        shake = Rattle() if shake is None else shake
        self.moves = {shake.name: shake}
        self.schedule = schedule
        self.shakes = shakes
        self.bandit = Bandit(schedule.possible)
        self._to_shake: deque[Atoms] = deque()
        self._fitness: list[float] = []

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        flat: dict[str, Scalar | Sequence[Scalar] | None] = {"shakes": self.shakes}
        if self.shakes:
            flat["moves"] = move_texts(list(self.moves.values()))
        return {**flat, "even_trials": EVEN}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if self._to_shake:
            return Trial(move=next(iter(self.moves)), parents=(self._to_shake.popleft(),))
        if number < EVEN or len(self.schedule.kinds) < 2:
            return Trial(move=self.schedule.next())
        return Trial(move=self.bandit.choose(rng=rng, among=self.schedule.kinds))

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:  # noqa: ARG002
        """See :class:`~gencsp.searches.trial.Strategy`."""
        if result.seeds_ended:
            self.schedule.end_seeds()
        low = self._fitness[int(GOOD * len(self._fitness))] if self._fitness else float("inf")
        success = result.new and result.fitness <= low
        self.bandit.reward(result.move, success=success, new=result.new)
        if not result.new or result.atoms is None:
            return
        insort(self._fitness, result.fitness)
        if result.fitness <= self._fitness[0] + WINDOW:
            self._to_shake.extend([result.atoms] * self.shakes)

    def move_stats(self) -> list[MoveStats]:
        """See :class:`~gencsp.searches.trial.Strategy`."""
        kinds = self.schedule.kinds
        return self.bandit.move_stats(among=kinds) if len(self.schedule.possible) > 1 else []


class RandomSearchOptions(ConfiguredStrategy):
    """Options of :class:`RandomSearch`."""

    name = "random"

    shakes: int = Field(default=0, ge=0, description="Shake good structures so often.")

    def build(self, context: StrategyContext) -> RandomSearch:
        """See :class:`~gencsp.searches.strategy.ConfiguredStrategy`.

        Structures are shaken by the first move that the user named, by ``rattle`` where none is.
        """
        moves = {one.name: one for one in context.usable_moves(["rattle"], most_parents=1)}
        shake = next(iter(moves.values())) if context.moves is not None else moves["rattle"]
        return RandomSearch(schedule=context.schedule, shakes=self.shakes, shake=shake)
