"""What every proposed structure must pass: the exact composition, and atoms that keep apart."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from gencsp.composition import Composition

Array = NDArray[np.float64]

#: Å: no two nuclei of a crystal come closer (the bond of H₂ has 0.74 Å).
CLOSEST = 0.5
_IMAGES = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T


def pair_distances(atoms: Atoms) -> Array:
    """Shortest distance of each pair of atoms among all periodic images, Å, shape (n, n).

    The diagonal holds the distance of an atom to its own nearest image. In a Minkowski-reduced cell
    the nearest image of a point is among the 27 cells around it.
    """
    cell, _ = minkowski_reduce(atoms.cell.array)
    frac = atoms.positions @ np.linalg.inv(cell)
    delta = frac[:, None] - frac[None]
    delta -= np.round(delta)
    vectors = (delta[:, :, None] + _IMAGES) @ cell
    squares = np.einsum("ijkx,ijkx->ijk", vectors, vectors)
    own = np.arange(len(atoms))
    squares[own, own, len(_IMAGES) // 2] = np.inf
    return np.asarray(np.sqrt(squares.min(axis=-1)))


def keeps_apart(atoms: Atoms, *, separation: float) -> bool:
    """Whether all pairs are at least ``separation`` times the sum of their covalent radii apart.

    The covalent radii are ASE's (Cordero et al., Dalton Trans. 2008, 2832). No pair may be closer
    than 0.5 Å, whatever ``separation`` is. Not finite positions never pass.
    """
    if not (np.isfinite(atoms.positions).all() and atoms.cell.volume > 0):
        return False
    radii = covalent_radii[atoms.numbers]
    least = np.maximum(separation * (radii[:, None] + radii[None]), CLOSEST)
    return bool((pair_distances(atoms) >= least).all())


def has_composition(atoms: Atoms, composition: Composition, units: tuple[int, ...]) -> bool:
    """Whether a structure is an allowed whole number of formula units, atom by atom."""
    return len(atoms) in {composition.size * u for u in units} and composition.matches(atoms)
