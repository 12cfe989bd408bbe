"""Which move to try next, learned while the search runs.

FUSE learns the probabilities of its moves during a run (Zamaraeva et al., Digital Discovery 2, 1831
(2023)). Here each move is an arm of a Bernoulli bandit, chosen by Thompson sampling (Biometrika 25,
285 (1933)): a success probability is drawn from the posterior of every arm, and the highest draw
wins. Old trials count less and less, since a move that found the first minima may not find the
last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from gencsp.searches.trial import MoveStats

#: Factor by which the weight of a trial falls with each later one.
MEMORY = 0.99
#: Draws from which the shares of :meth:`Bandit.move_stats` are computed.
DRAWS = 2000


@dataclass(slots=True)
class _Arm:
    successes: float = 0.0
    failures: float = 0.0
    tried: int = 0
    new: int = 0
    improved: int = 0


class Bandit:
    """Thompson sampling over named arms, each with the even prior Beta(1, 1).

    Args:
        names: of the arms.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._arms = {name: _Arm() for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the moves, in their order."""
        return tuple(self._arms)

    def choose(self, *, rng: np.random.Generator, among: Collection[str] | None = None) -> str:
        """An arm, chosen among all or some of them.

        Every arm draws a number, whether it may be chosen or not, so that the random numbers of the
        others do not depend on it.
        """
        drawn = {name: rng.beta(1 + a.successes, 1 + a.failures) for name, a in self._arms.items()}
        names = [name for name in self._arms if among is None or name in among]
        return max(names, key=lambda name: drawn[name])

    def reward(self, name: str, *, success: bool, new: bool) -> None:
        """Record whether a trial of an arm was a success; unknown arms are ignored."""
        if name not in self._arms:
            return
        for arm in self._arms.values():
            arm.successes *= MEMORY
            arm.failures *= MEMORY
        arm = self._arms[name]
        arm.tried += 1
        arm.new += new
        arm.improved += success
        if success:
            arm.successes += 1
        else:
            arm.failures += 1

    def move_stats(self, *, among: Collection[str] | None = None) -> list[MoveStats]:
        """Statistics of the arms that were tried or may be chosen, the largest share first.

        Args:
            among: those that may be chosen from now on; ``None`` for all.
        """
        rng = np.random.default_rng(0)
        draws = np.array(
            [rng.beta(1 + a.successes, 1 + a.failures, size=DRAWS) for a in self._arms.values()]
        )
        usable = np.array([among is None or name in among for name in self._arms])
        draws[~usable] = -1.0
        shares = np.bincount(draws.argmax(axis=0), minlength=len(self._arms)) / DRAWS
        lines = [
            MoveStats(move=name, tried=a.tried, new=a.new, improved=a.improved, share=float(share))
            for (name, a), share, may in zip(self._arms.items(), shares, usable, strict=True)
            if may or a.tried
        ]
        return sorted(lines, key=lambda line: -line.share)
