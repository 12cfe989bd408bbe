"""Structural complexity of a crystal."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from gencsp.descriptors.orbits import orbits
from gencsp.symmetry.tolerances import SYMPREC


def complexity(atoms: Atoms, *, symprec: float = SYMPREC) -> float:
    """K in bits per atom; ``symprec`` in Å."""
    counts = orbits(atoms, symprec=symprec).multiplicities
    shares = counts / counts.sum()
    return float(abs(np.sum(shares * np.log2(shares))))
