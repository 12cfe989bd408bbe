"""Cells as compact as they can be."""

from __future__ import annotations

import numpy as np
import spglib
from numpy.typing import NDArray

from gencsp.symmetry.answers import answer

#: Cosines of angles that are as far from 90° as one another, up to the rounding of structure files.
EQUAL_COSINES = 1e-4


def compact(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Niggli-reduced cell of the same lattice, not rotated; the cell itself where spglib fails.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3).
    """
    reduced = answer(spglib.niggli_reduce, cell)
    return cell if reduced is None else np.asarray(reduced, dtype=np.float64)


def acute(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same three lattice vectors with signs that leave at most one angle above 90°.

    The angle nearest to 90° is the one that may be. So a small strain hardly changes the angles,
    where a Niggli-reduced cell, whose angles are all acute or none of them, turns one of 60° into
    one of 120° as soon as another passes 90°.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3); its handedness is kept.
    """
    unit = cell / np.linalg.norm(cell, axis=1)[:, None]
    cosines = np.array([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]])
    # Of angles that are equally near, the first: rounding must not choose.
    free = int(np.flatnonzero(np.abs(cosines) <= np.abs(cosines).min() + EQUAL_COSINES)[0])
    signs = np.ones(3)
    for k in range(3):
        # A vector that changes its sign changes the two angles that it takes part in; the one
        # between the vectors k and free is that of the third.
        third = 3 - k - free
        if k != free and cosines[third] < 0:
            signs[k] = -1.0
    return np.asarray(cell * (signs * signs.prod())[:, None])
