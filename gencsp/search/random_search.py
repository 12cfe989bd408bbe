"""Random search, as AIRSS does it (Pickard and Needs, JPCM 23, 053201 (2011)), seeded or not."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms

from gencsp.search.sources import Turns
from gencsp.search.trial import Learned, Result, Trial
from gencsp.store.base import Scalar

#: eV/atom above the lowest: structures within this are worth shaking.
WINDOW = 0.1


class RandomSearch:
    """Relaxes one proposal after another; good ones are shaken and relaxed again.

    Args:
        turns: seed or background proposer, in turn.
        shakes: how often each new structure near the lowest is shaken and relaxed again.
    """

    name = "random"

    def __init__(self, *, turns: Turns, shakes: int = 0) -> None:
        self.turns = turns
        self.shakes = shakes
        self._to_shake: deque[Atoms] = deque()
        self._lowest = float("inf")

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        return {"shakes": self.shakes}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:  # noqa: ARG002
        if self._to_shake:
            return Trial(move="rattle", parents=(self._to_shake.popleft(),))
        return Trial(move=self.turns.next())

    def tell(self, result: Result, *, rng: np.random.Generator) -> None:  # noqa: ARG002
        self._lowest = min(self._lowest, result.fitness)
        if result.new and result.atoms is not None and result.fitness <= self._lowest + WINDOW:
            self._to_shake.extend([result.atoms] * self.shakes)

    def learned(self) -> list[Learned]:
        return []
