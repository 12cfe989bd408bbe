"""Diversity of local environments, M_LED (PIGEN, eqs. 4-6)."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.orbits import orbits
from gencsp.symmetry.tolerances import SYMPREC

Array = NDArray[np.float64]
#: Elements on the axis, steps from motif to motif, standard deviation of a Gaussian in steps.
LAST_ELEMENT, MOTIF_STEP, KERNEL_WIDTH = 85, 2, 10.0
#: Å: two atoms so close are no crystal, and have no coordination.
ONE_PLACE = 0.01


def local_diversity(atoms: Atoms, *, symprec: float = SYMPREC) -> float:
    """M_LED in bits; not a number for atoms at one place."""
    from gencsp.descriptors.motifs import motif_indices
    from gencsp.descriptors.neighbours import shortest_distance

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
    from gencsp.descriptors.motifs import MOTIF_NAMES

    begin = MOTIF_STEP * len(MOTIF_NAMES)
    axis = np.arange(begin + LAST_ELEMENT)
    elements = {begin + int(z) - 1 for z in numbers if z <= LAST_ELEMENT}
    active = np.array(sorted({MOTIF_STEP * motif for motif in motifs} | elements))
    kernels = np.exp(-((axis - active[:, None]) ** 2) / (2 * KERNEL_WIDTH**2))
    return _entropy(kernels.sum(axis=0))


def _entropy(weights: Array) -> float:
    shares = weights[weights > 0] / weights.sum()
    return float(abs(np.sum(shares * np.log2(shares))))
