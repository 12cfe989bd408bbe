"""Random search, as AIRSS does it (Pickard and Needs, JPCM 23, 053201 (2011)), seeded or not."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms

from gencsp.deck_base import Natural, check
from gencsp.search.bandit import Bandit
from gencsp.search.sources import Turns
from gencsp.search.trial import Learned, Result, Trial
from gencsp.store.base import Scalar

#: eV/atom above the lowest: structures within this are worth shaking.
WINDOW = 0.1
#: A crystal of this share of the lowest so far counts as a success of what it came from.
GOOD = 0.25
#: Trials that take seeds and others in turn, before their success decides.
EVEN = 12


class RandomSearch:
    """Relaxes one proposal after another; good ones are shaken and relaxed again.

    Seeds and the background proposer take turns at first; then they share the trials by what came
    of them, so that poor seeds lose their share and good ones gain.

    Args:
        turns: seed or background proposer, in turn.
        shakes: how often each new structure near the lowest is shaken and relaxed again.
    """

    name = "random"

    def __init__(self, *, turns: Turns, shakes: int = 0) -> None:
        check("shakes", shakes, Natural)
        self.turns = turns
        self.shakes = shakes
        self.bandit = Bandit(turns.kinds)
        self._to_shake: deque[Atoms] = deque()
        self._fitness: list[float] = []

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        return {"shakes": self.shakes, "even_trials": EVEN}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        if self._to_shake:
            return Trial(move="rattle", parents=(self._to_shake.popleft(),))
        if number < EVEN or len(self.turns.kinds) < 2:
            return Trial(move=self.turns.next())
        return Trial(move=self.bandit.choose(rng=rng))

    def tell(self, result: Result, *, rng: np.random.Generator) -> None:  # noqa: ARG002
        low = self._fitness[int(GOOD * len(self._fitness))] if self._fitness else float("inf")
        success = result.new and result.fitness <= low
        self.bandit.reward(result.move, success=success, new=result.new)
        if not result.new or result.atoms is None:
            return
        insort(self._fitness, result.fitness)
        if result.fitness <= self._fitness[0] + WINDOW:
            self._to_shake.extend([result.atoms] * self.shakes)

    def learned(self) -> list[Learned]:
        return self.bandit.learned() if len(self.turns.kinds) > 1 else []
