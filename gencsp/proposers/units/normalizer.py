"""Shifts of the origin that leave a space group as it is.

The translations of the Euclidean normalizer (International Tables A, section 3.5): those t for
which W t - t is a lattice vector for the rotation W of every operation. Two descriptions of a
crystal that differ by one of them are equally good, so that a unique one has to choose.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.wyckoff import Site, sites

Array = NDArray[np.float64]

#: Components of discrete shifts along primitive vectors are multiples of one twelfth: the
#: elementary divisors of W - 1 for crystallographic groups are 1, 2, 3 or 4.
TWELFTHS = 12
_TOLERANCE = 1e-6


def general_position(space_group: int) -> Site:
    """The Wyckoff position whose first point has no site symmetry."""
    return max(sites(space_group).values(), key=lambda one: one.multiplicity)


@lru_cache(maxsize=230)
def polar_projector(space_group: int) -> Array:
    """The part of a vector along which the origin can be shifted at will.

    Returns:
        Matrix that takes fractional coordinates of the conventional cell to that part, shape
        (3, 3): the mean of all rotations, 0 for groups that are not polar.
    """
    return np.asarray(general_position(space_group).rotations.mean(axis=0))


@lru_cache(maxsize=230)
def discrete_shifts(space_group: int) -> Array:
    """Shifts that are not of the polar kind, the zero shift first.

    Returns:
        Fractional coordinates of the conventional cell, shape (k, 3), one for each class of
        shifts that differ by a lattice vector and a polar one.
    """
    rotations = general_position(space_group).rotations
    basis = PRIMITIVE[centring(space_group)]
    steps = np.indices((TWELFTHS,) * 3).reshape(3, -1).T / TWELFTHS
    shifts = steps @ basis
    moved = (np.einsum("gij,kj->kgi", rotations - np.eye(3), shifts)) @ np.linalg.inv(basis)
    shifts = shifts[(np.abs(moved - np.round(moved)) < _TOLERANCE).all(axis=(1, 2))]
    across = np.eye(3) - polar_projector(space_group)
    vectors = (np.indices((5, 5, 5)).reshape(3, -1).T - 2) @ basis @ across.T
    kept: list[Array] = []
    for shift in shifts:
        apart = across @ (shift - np.array(kept)).T if kept else np.empty((3, 0))
        same = np.abs(apart.T[:, None] - vectors).max(axis=-1) < _TOLERANCE
        if not same.any():
            kept.append(shift)
    return np.array(kept)


@lru_cache(maxsize=230)
def centring_vectors(space_group: int) -> Array:
    """Lattice vectors within the conventional cell, fractional, shape (1, 2, 3 or 4, 3)."""
    basis = PRIMITIVE[centring(space_group)]
    vectors = (np.indices((7, 7, 7)).reshape(3, -1).T - 3) @ basis
    inside = vectors[((vectors > -_TOLERANCE) & (vectors < 1 - _TOLERANCE)).all(axis=1)]
    return np.asarray(inside[np.lexsort(np.round(inside, 6).T[::-1])])
