"""Swap: atoms of different species change places; with many swaps, a permutation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Fraction
from gencsp.searches.moves.base import ConfiguredMove, Tools, bare


class Swap(ConfiguredMove):
    """One swap, and another with probability ``more`` each time."""

    name = "swap"

    more: Fraction = Field(default=0.4, description="Probability of another swap, each time.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two species or more."""
        return len(set(parents[0].numbers.tolist())) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        while True:
            i = int(rng.integers(len(child)))
            others = np.flatnonzero(child.numbers != child.numbers[i])
            j = int(rng.choice(others))
            child.numbers[[i, j]] = child.numbers[[j, i]]
            if rng.random() >= self.more:
                break
        return None if (child.numbers == parents[0].numbers).all() else child


class Permute(ConfiguredMove):
    """A random permutation of the species over all sites."""

    name = "permute"

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two species and four atoms or more: less allows only swaps."""
        return len(parents[0]) > 3 and len(set(parents[0].numbers.tolist())) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        child.numbers = rng.permutation(child.numbers)
        return None if (child.numbers == parents[0].numbers).all() else child
