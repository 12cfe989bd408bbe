"""Rotations and reflections of a unit after which it looks the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Å within which an atom must come to lie on another of its element: a unit that is symmetric to
#: fewer digits counts as one without symmetry, so that atoms never move by the choice of a map.
TOLERANCE = 1e-6
#: Å: a unit thinner than this is planar, or linear.
THIN = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class SelfMaps:
    """The point group of a unit in its own frame.

    Of a linear unit, which every rotation about its axis keeps, they are representatives, and
    :attr:`axis` is that axis. A single atom has the identity alone.

    Attributes:
        matrices: orthogonal, shape (t, 3, 3), the identity first.
        axis: unit vector of a linear unit, shape (3,); ``None`` for all others.
    """

    matrices: Array
    axis: Array | None


@lru_cache(maxsize=256)
def self_maps(unit: RigidUnit) -> SelfMaps:
    """The symmetry of a unit, by trying where three of its atoms can go."""
    at = unit.positions
    if unit.is_atom:
        return SelfMaps(np.eye(3)[None], None)
    rank = int((np.linalg.svd(at, compute_uv=False) > THIN).sum())
    frame = _frame(at, rank)
    axis = frame[0] / np.linalg.norm(frame[0]) if rank == 1 else None
    corners = _corners(at, rank)
    found: list[Array] = [np.eye(3)]
    for images in permutations(range(unit.size), len(corners)):
        if any(unit.symbols[i] != unit.symbols[j] for i, j in zip(corners, images, strict=True)):
            continue
        for matrix in _orthogonal(at[list(corners)], at[list(images)]):
            if _keeps(unit, matrix) and not any(np.allclose(matrix, m, atol=1e-6) for m in found):
                found.append(matrix)
    return SelfMaps(np.array(found), axis)


def _corners(at: Array, rank: int) -> tuple[int, ...]:
    """Atoms whose vectors from the centre span the unit."""
    chosen: list[int] = []
    for i in np.argsort(-np.linalg.norm(at, axis=1), kind="stable"):
        if int((np.linalg.svd(at[[*chosen, i]], compute_uv=False) > THIN).sum()) > len(chosen):
            chosen.append(int(i))
        if len(chosen) == rank:
            break
    return tuple(chosen)


def _frame(at: Array, rank: int) -> Array:
    return np.asarray(np.linalg.svd(at)[2][:rank])


def _orthogonal(corners: Array, images: Array) -> list[Array]:
    """Orthogonal matrices that take one set of vectors to the other; none where there is none.

    Vectors in a plane or on a line leave reflections open: both are given.
    """
    if not np.allclose(corners @ corners.T, images @ images.T, atol=10 * TOLERANCE):
        return []
    u, _, vt = np.linalg.svd(images.T @ corners)
    free = len(corners) < 3
    return [u @ np.diag([1.0, 1.0, sign]) @ vt for sign in ((1.0, -1.0) if free else (1.0,))]


def _keeps(unit: RigidUnit, matrix: Array) -> bool:
    apart = np.linalg.norm((unit.positions @ matrix.T)[:, None] - unit.positions, axis=-1)
    nearest = apart.argmin(axis=1)
    return bool(
        (apart.min(axis=1) < TOLERANCE).all()
        and len(set(nearest.tolist())) == unit.size
        and all(unit.symbols[i] == unit.symbols[j] for i, j in enumerate(nearest))
    )
