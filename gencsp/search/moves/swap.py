"""Swap: atoms of different species change places; with many swaps, a permutation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp.deck_base import Fraction, check_fields
from gencsp.search.moves.base import Tools, bare


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap, and another with probability ``more`` each time."""

    more: Fraction = 0.4
    name: str = "swap"
    n_parents: int = 1
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Where there are two species."""
        return len(set(parents[0].numbers.tolist())) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        child = bare(parents[0])
        while True:
            i = int(rng.integers(len(child)))
            others = np.flatnonzero(child.numbers != child.numbers[i])
            j = int(rng.choice(others))
            child.numbers[[i, j]] = child.numbers[[j, i]]
            if rng.random() >= self.more:
                break
        return None if (child.numbers == parents[0].numbers).all() else child


@dataclass(frozen=True, slots=True)
class Permute:
    """All species dealt out again over all sites, which stay."""

    name: str = "permute"
    n_parents: int = 1
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = False

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Where more than a swap is possible: two species, four atoms."""
        return len(parents[0]) > 3 and len(set(parents[0].numbers.tolist())) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        child = bare(parents[0])
        child.numbers = rng.permutation(child.numbers)
        return None if (child.numbers == parents[0].numbers).all() else child
