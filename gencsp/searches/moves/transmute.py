"""Transmute: in a chemical system an atom is substituted, removed or added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from gencsp.searches.moves.base import ConfiguredMove, Tools, bare
from gencsp.searches.moves.void import hole


class Transmute(ConfiguredMove):
    """Substitutes, removes or adds one atom, each in a third of the cases."""

    name = "transmute"
    keeps_counts = False

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two atoms or more."""
        return len(parents[0]) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        kind = int(rng.integers(3))
        if kind == 0:
            chosen = int(rng.integers(len(child)))
            others = [symbol for symbol in tools.elements if symbol != child.symbols[chosen]]
            child.symbols[chosen] = others[int(rng.integers(len(others)))]
        elif kind == 1:
            del child[int(rng.integers(len(child)))]
        else:
            symbol = tools.elements[int(rng.integers(len(tools.elements)))]
            child += Atoms(symbol, positions=[hole(child, rng=rng)])
        return child
