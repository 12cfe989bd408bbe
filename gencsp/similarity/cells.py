"""Cells as compact as they can be."""

from __future__ import annotations

import numpy as np
import spglib
from numpy.typing import NDArray

from gencsp.symmetry.answers import answer


def compact(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Niggli-reduced cell of the same lattice, not rotated; the cell itself where spglib fails.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3).
    """
    reduced = answer(spglib.niggli_reduce, cell)
    return cell if reduced is None else np.asarray(reduced, dtype=np.float64)
