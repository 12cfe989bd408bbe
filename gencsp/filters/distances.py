"""Distances that no crystal goes below.

The usual test of generated structures (PIGEN, Extended Data Table 1, column A') asks whether all
distances exceed 0.5 Å; MatterGen's evaluator asks the same, and a volume of at least 0.1 Å³.
:class:`PairSeparations` asks more: a least distance for each pair of elements.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from gencsp.descriptors.flaws import PROPOSED_SHARE, Flaw, Limits, cell_flaws
from gencsp.descriptors.least_distances import CLOSEST, LeastDistances, LeastDistancesField
from gencsp.descriptors.neighbours import _SEARCH, pairs_within, shortest_distance
from gencsp.filters.base import ConfiguredFilter, Verdict

#: MatterGen's evaluator asks for this volume of a cell, Å³, whatever is in it.
MATTERGEN = Limits(least_volume=0.1)


class Distances(ConfiguredFilter):
    """A': the shortest distance (Å, periodic images included) is above ``minimum``.

    The cell must have at least 0.1 Å³, too.
    """

    name: ClassVar[str] = "distances"
    quantity: ClassVar[str] = "shortest distance (Å)"

    minimum: float = Field(CLOSEST, ge=0, description="Å, to be exceeded.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        window = (float(np.nextafter(self.minimum, np.inf)), np.inf)
        if Flaw.NO_VOLUME in cell_flaws(atoms.cell.array, MATTERGEN):
            return self.verdict(0.0, window, "the cell has next to no volume")
        return self.verdict(shortest_distance(atoms), window)


class PairSeparations(ConfiguredFilter):
    """Passes a structure in which every pair keeps its least distance.

    That is the one given for its elements, or else ``fraction`` times the sum of their covalent
    radii (ASE's: Cordero et al., Dalton Trans. 2008, 2832). The value is the smallest ratio of a
    distance to its least one, so it passes from 1 on.
    """

    name: ClassVar[str] = "pair_separations"
    quantity: ClassVar[str] = "shortest distance / least distance"

    fraction: float = Field(PROPOSED_SHARE, gt=0, description="Of the sum of the covalent radii.")
    separations: LeastDistancesField = Field(
        default_factory=LeastDistances, description="Å, for pairs of elements such as Li-O."
    )

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        window = (1.0, np.inf)
        least = self._least(atoms.get_chemical_symbols())
        for reach in (float(least.max()), *_SEARCH):
            ratio = _smallest_ratio(atoms, least, reach)
            if np.isfinite(ratio):
                # A pair further apart may still be nearer to its own, greater, least distance.
                further = ratio * float(least.max())
                if further > reach:
                    ratio = _smallest_ratio(atoms, least, further)
                return self.verdict(ratio, window)
        return self.verdict(np.inf, window)

    def _least(self, symbols: list[str]) -> NDArray[np.float64]:
        """Least distance of each pair of atoms, Å, shape (n, n)."""
        elements = sorted(set(symbols))
        least = self.separations.least(elements, separation=self.fraction, closest=0.0)
        kind = np.array([elements.index(symbol) for symbol in symbols])
        return np.asarray(least[kind[:, None], kind])


def _smallest_ratio(atoms: Atoms, least: NDArray[np.float64], reach: float) -> float:
    pairs = pairs_within(atoms, reach)
    ratios = pairs.distances / least[pairs.first, pairs.second]
    return float(ratios.min(initial=np.inf))
