"""Nearest vectors in a growing set.

One array holds them all, and a query is one matrix product with it: |x − y|² = |x|² − 2 x·y + |y|².
Rounding makes that inexact for vectors that are nearly equal, so it only chooses the candidates,
which are then measured in full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Relative error of the squared distances in single precision, with room: candidates are looked for
#: so much further.
SLACK = 1e-5


class NearestVectors:
    """Vectors of one length, numbered in their order of addition; queries are exact."""

    def __init__(self) -> None:
        self._vectors = np.empty((0, 0), dtype=np.float32)
        self._squares = np.empty(0, dtype=np.float32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, vector: NDArray[np.floating]) -> int:
        """Keep a vector, shape (m,); returns its number."""
        if self._size == len(self._vectors):
            more = max(8, self._size)
            shape = (more, len(vector))
            old = self._vectors if self._size else np.empty((0, len(vector)), dtype=np.float32)
            self._vectors = np.concatenate([old, np.empty(shape, dtype=np.float32)])
            self._squares = np.concatenate([self._squares, np.empty(more, dtype=np.float32)])
        self._vectors[self._size] = vector
        self._squares[self._size] = self._vectors[self._size] @ self._vectors[self._size]
        self._size += 1
        return self._size - 1

    def nearest(
        self, vector: NDArray[np.floating], n: int, *, radius: float = np.inf
    ) -> tuple[IntArray, FloatArray]:
        """The ``n`` nearest within ``radius``: numbers and distances, nearest first.

        Among equally near ones those added first come first.
        """
        if not self._size:
            return np.empty(0, dtype=np.int64), np.empty(0)
        query = np.asarray(vector, dtype=np.float32)
        vectors, squares = self._vectors[: self._size], self._squares[: self._size]
        square = query @ query
        about = squares - 2 * (vectors @ query) + square
        furthest = radius**2
        if n < self._size:
            furthest = min(furthest, float(np.partition(about, n - 1)[n - 1]))
        # Twice: the n-th nearest may itself be nearer than it seems, and others further.
        slack = 2 * SLACK * float(square + squares.max())
        numbers = np.flatnonzero(about <= furthest + slack)
        difference = (vectors[numbers] - query).astype(np.float64)
        distances = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        order = np.lexsort((numbers, distances))
        order = order[distances[order] <= radius][:n]
        return numbers[order], distances[order]

    def within(self, vector: FloatArray, radius: float) -> tuple[IntArray, FloatArray]:
        """All within ``radius``: numbers and distances, nearest first."""
        return self.nearest(vector, max(1, self._size), radius=radius)
