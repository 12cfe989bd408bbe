"""Distances between atoms in a periodic crystal."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

#: Å: atoms closer than this are on one place. Potentials give such a pair no force that parts it,
#: or leave it out altogether.
COINCIDENT = 0.01

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


def any_coincident(atoms: Atoms) -> bool:
    """Whether two atoms of a crystal are on one place: within ``COINCIDENT``, in any image.

    Much faster than :func:`pair_distances`. An atom and its own image are no pair here: the lattice
    vectors say how close they are.
    """
    inverse = np.linalg.inv(atoms.cell.array)
    # A short vector has small fractional coordinates: at most its length times this norm.
    reach = COINCIDENT * float(np.linalg.norm(inverse, 2))
    scaled = atoms.positions @ inverse % 1.0 % 1.0  # twice: -1e-17 % 1.0 is 1.0
    pairs = cKDTree(scaled, boxsize=1.0).query_pairs(reach, output_type="ndarray")
    delta = scaled[pairs[:, 0]] - scaled[pairs[:, 1]]
    delta -= np.round(delta)
    return bool((np.linalg.norm(delta @ atoms.cell.array, axis=1) < COINCIDENT).any())


def min_height(cell: Array) -> float:
    """Least distance between opposite faces of a cell, Å.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3).
    """
    a, b, c = cell
    areas = [np.linalg.norm(np.cross(u, v)) for u, v in ((b, c), (c, a), (a, b))]
    return float(abs(np.linalg.det(cell)) / max(areas))
