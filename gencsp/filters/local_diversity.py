"""Filter D: diversity of local environments, M_LED.

Source: PIGEN, eqs. 4-6 and "Construction of the distributions":

    M_LED = H(S) + H(p),   H(S) = − Σ_x S(x) log S(x),   H(p) = − Σ_x' p(x') log p(x')

S is the distribution of coordination motifs over the atoms of the primitive cell (37 motifs, see
:mod:`gencsp.filters.motifs`); p is a sum of Gaussians on an axis on which the motifs come first,
then the elements by atomic number (to 85). Where the text is silent or unclear, the program that
the authors published (lrcfmd/pigen) decides, because the window of the paper, M_LED > 9, belongs to
it:

- logarithms are to base 2: bits;
- motifs lie two steps apart, elements one, on an axis of 2 · 37 + 85 = 159 steps;
- the Gaussians of p have a standard deviation of 10 steps, and each motif and element that occurs
  counts once, however often it occurs (so neighbours add no element that is not there already);
- S has no Gaussians (kernel width zero): the counts themselves, over all atoms.

So MgO, of one motif and two elements, has H(S) = 0 and M_LED = H(p), near the least that there is.
Unlike in that program no element is missing from the axis (there, tellurium is), and an atom beyond
atomic number 85 counts with its motif alone.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from gencsp.deck_base import Symprec
from gencsp.descriptors.tolerances import SYMPREC
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.filters.orbits import orbits

Array = NDArray[np.float64]

#: Elements on the axis, steps from motif to motif, standard deviation of a Gaussian in steps.
LAST_ELEMENT, MOTIF_STEP, KERNEL_WIDTH = 85, 2, 10.0
#: Å: two atoms so close are no crystal, and have no coordination.
ONE_PLACE = 0.01


class LocalDiversity(ConfiguredFilter):
    """D: passes a structure whose M_LED (bits) exceeds ``minimum``, the paper's 9.

    Motifs are found once for each orbit of the primitive cell (spglib at ``symprec``).
    """

    name: ClassVar[str] = "local_diversity"
    quantity: ClassVar[str] = "local diversity M_LED (bits)"

    minimum: float = Field(9.0, ge=0, description="Bits, to be exceeded.")
    symprec: Symprec = Field(SYMPREC, description="Å.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        window = (float(np.nextafter(self.minimum, np.inf)), np.inf)
        return self.verdict(local_diversity(atoms, symprec=self.symprec), window)


def local_diversity(atoms: Atoms, *, symprec: float = SYMPREC) -> float:
    """M_LED in bits; not a number for atoms at one place."""
    from gencsp.filters.distances import shortest_distance
    from gencsp.filters.motifs import motif_indices

    if shortest_distance(atoms) < ONE_PLACE:
        return float("nan")
    found = orbits(atoms, symprec=symprec)
    motifs = motif_indices(found.atoms, found.representatives)
    return entropy_of_motifs(motifs, found.multiplicities) + entropy_of_presence(
        motifs, found.atoms.numbers
    )


def entropy_of_motifs(motifs: list[int], counts: NDArray[np.int64]) -> float:
    """H(S), eq. 5, in bits.

    Args:
        motifs: motif index of each orbit.
        counts: atoms in each orbit.
    """
    return _entropy(np.bincount(motifs, weights=counts).astype(np.float64))


def entropy_of_presence(motifs: list[int], numbers: NDArray[np.int64]) -> float:
    """H(p), eq. 6, in bits.

    Args:
        motifs: indices of the motifs that occur.
        numbers: atomic numbers that occur.
    """
    from gencsp.filters.motifs import MOTIF_NAMES

    begin = MOTIF_STEP * len(MOTIF_NAMES)
    axis = np.arange(begin + LAST_ELEMENT)
    elements = {begin + int(z) - 1 for z in numbers if z <= LAST_ELEMENT}
    active = np.array(sorted({MOTIF_STEP * motif for motif in motifs} | elements))
    kernels = np.exp(-((axis - active[:, None]) ** 2) / (2 * KERNEL_WIDTH**2))
    return _entropy(kernels.sum(axis=0))


def _entropy(weights: Array) -> float:
    shares = weights[weights > 0] / weights.sum()
    return float(abs(np.sum(shares * np.log2(shares))))
