"""Which images of a point lie on the first point of a Wyckoff position.

A :class:`~gencsp.proposers.units.crystal.Placement` has its centre on the first point of the
orbit; several images of one centre may lie there, each a description of the same orbit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.normalizer import centring_vectors, general_position

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Fractions of an edge within which a point lies on a position.
ON_POSITION = 1e-5
#: Coordinates are compared in these steps, so that rounding does not decide.
STEP = 1e-6
#: Cells around one, that cell first.
_AROUND = np.array(sorted(product((0, -1, 1, -2, 2), repeat=3), key=np.linalg.norm), dtype=float)


@dataclass(frozen=True, slots=True, eq=False)
class FirstPoint:
    """The points of a position, ``basis @ u + origin`` with free coordinates u, shape (f,).

    Attributes:
        basis: fractional, shape (3, f).
        origin: fractional, shape (3,).
        free: matrix from a difference of points to free coordinates, shape (f, 3).
        across: matrix to what is left of a difference, shape (3, 3).
    """

    basis: Array
    origin: Array
    free: Array
    across: Array

    def coordinates(self, point: Array) -> Array:
        """Free coordinates of the nearest points of the position, of (…, 3) points."""
        return np.asarray((point - self.origin) @ self.free.T)

    def point(self, free: Array) -> Array:
        """The point with these free coordinates."""
        return np.asarray(free @ self.basis.T + self.origin)

    def nearest(self, point: Array) -> Array:
        """The point of the position that is nearest to some image of a point, shape (3,).

        Images differ by whole numbers. Of a point in a general position it is the point itself.
        """
        images = point + _AROUND
        off = np.linalg.norm((images - self.origin) @ self.across.T, axis=-1)
        # The point itself, the first, unless another image is clearly nearer.
        chosen = np.flatnonzero(off < off.min() + ON_POSITION)[0]
        return self.point(self.coordinates(images[chosen]))


@lru_cache(maxsize=2048)
def first_point(space_group: int, letter: str) -> FirstPoint:
    """The first point of a position, in free coordinates."""
    site = sites(space_group)[letter]
    basis = site.rotations[0][:, np.abs(site.rotations[0]).max(axis=0) > 0]
    free = np.linalg.pinv(basis) if basis.size else np.empty((0, 3))
    return FirstPoint(basis, site.translations[0], free, np.eye(3) - basis @ free)


def images_on(space_group: int, letter: str, point: Array) -> tuple[Ints, Array]:
    """The images of a point that lie on the first point of a position.

    Args:
        space_group: number.
        letter: of the position.
        point: fractional, shape (3,).

    Returns:
        Which operations of the general position, shape (k,), and free coordinates in [0, 1),
        shape (k, f); none where the point is not on the position.
    """
    general, first = general_position(space_group), first_point(space_group, letter)
    images = (general.rotations @ point + general.translations) % 1.0
    vectors = _vectors(space_group) if first.basis.shape[1] < 3 else _centrings(space_group)
    candidates = images[:, None] + vectors
    if first.basis.shape[1] == 3:
        candidates = (candidates + STEP / 2) % 1.0 - STEP / 2
    off = np.abs((candidates - first.origin) @ first.across.T).max(axis=-1)
    free = first.coordinates(candidates)
    kept = (off < ON_POSITION) & ((free > -STEP / 2) & (free < 1 - STEP / 2)).all(axis=-1)
    operation, vector = np.nonzero(kept)
    return operation, free[operation, vector]


@lru_cache(maxsize=230)
def _centrings(space_group: int) -> Array:
    return centring_vectors(space_group)


@lru_cache(maxsize=230)
def _vectors(space_group: int) -> Array:
    """Lattice vectors to all cells around, fractional, shape (v, 3)."""
    return np.asarray((_AROUND[:, None] + centring_vectors(space_group)).reshape(-1, 3))
