"""Nearest vectors among many that arrive one by one.

Vectors gather in a buffer; a full buffer becomes a k-d tree, and two trees of one size become one
(the logarithmic method of Bentley and Saxe, J. Algorithms 1, 301 (1980)), so that n additions cost
n log² n and a query asks log n trees. A tree holds its vectors on their leading principal axes
only: distances there are never longer than the true ones, so that nothing near is missed, and what
a tree returns is measured in full (Faloutsos et al., SIGMOD 1994, "lower bounding").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Vectors that are compared one by one before they become a tree.
BUFFER = 512
#: Principal axes of a tree: beyond about ten a k-d tree is no faster than comparing with all.
AXES = 8
#: Vectors from which the axes of a tree are found.
SAMPLE = 2048
#: The vectors are kept in single precision: so much further is looked for in a tree.
SLACK = 1e-5


@dataclass(frozen=True, slots=True)
class _Tree:
    """Vectors ``start`` to ``stop`` on some orthonormal axes (m, d)."""

    start: int
    stop: int
    axes: NDArray[np.float32]
    tree: cKDTree


class NeighbourTrees:
    """Vectors of one length, numbered in their order of addition; queries are exact."""

    def __init__(self) -> None:
        self._vectors = np.empty((0, 0), dtype=np.float32)
        self._size = 0
        self._trees: list[_Tree] = []

    def __len__(self) -> int:
        return self._size

    def add(self, vector: FloatArray) -> int:
        """Keep a vector, shape (m,); returns its number."""
        if self._size == len(self._vectors):
            grown = np.empty((max(8, 2 * self._size), len(vector)), dtype=np.float32)
            if self._size:
                grown[: self._size] = self._vectors
            self._vectors = grown
        self._vectors[self._size] = vector
        self._size += 1
        if self._size - self._treed() == BUFFER:
            self._plant()
        return self._size - 1

    def nearest(
        self, vector: FloatArray, n: int, *, radius: float = np.inf
    ) -> tuple[IntArray, FloatArray]:
        """The ``n`` nearest within ``radius``: numbers and distances, nearest first.

        Among equally near ones those added first come first.
        """
        query = np.asarray(vector, dtype=np.float32)
        buffer = np.arange(self._treed(), self._size)
        numbers, distances = self._sorted(buffer, query, n, radius)
        for tree in self._trees:
            # The n nearest on the axes bound how far the n nearest in full can be.
            projected = (query @ tree.axes).astype(np.float64)
            count = min(n, tree.stop - tree.start)
            bound = radius if len(numbers) < n else float(distances[-1])
            _, near = tree.tree.query(projected, k=count, distance_upper_bound=bound + SLACK)
            near = np.atleast_1d(near)
            near = near[near < tree.stop - tree.start] + tree.start
            if not len(near):
                continue
            if len(near) == n:
                bound = min(bound, float(self._distances(near, query).max()))
            found = tree.tree.query_ball_point(projected, bound + SLACK)
            some = np.concatenate([numbers, np.asarray(found, dtype=np.int64) + tree.start])
            numbers, distances = self._sorted(some, query, n, radius)
        return numbers, distances

    def within(self, vector: FloatArray, radius: float) -> tuple[IntArray, FloatArray]:
        """All within ``radius``: numbers and distances, nearest first."""
        query = np.asarray(vector, dtype=np.float32)
        parts = [np.arange(self._treed(), self._size)]
        for tree in self._trees:
            projected = (query @ tree.axes).astype(np.float64)
            found = tree.tree.query_ball_point(projected, radius + SLACK)
            parts.append(np.asarray(found, dtype=np.int64) + tree.start)
        return self._sorted(np.concatenate(parts), query, self._size, radius)

    def _treed(self) -> int:
        return self._trees[-1].stop if self._trees else 0

    def _plant(self) -> None:
        """Turn the buffer into a tree, together with the trees that are no larger."""
        start = self._treed()
        while self._trees and self._trees[-1].stop - self._trees[-1].start <= self._size - start:
            start = self._trees.pop().start
        vectors = self._vectors[start : self._size]
        axes = _principal_axes(vectors[:: max(1, len(vectors) // SAMPLE)])
        tree = cKDTree((vectors @ axes).astype(np.float64))
        self._trees.append(_Tree(start, self._size, axes, tree))

    def _distances(self, numbers: IntArray, query: NDArray[np.float32]) -> FloatArray:
        # Single precision would lose what is left of nearly equal vectors in their sum of squares.
        difference = (self._vectors[numbers] - query).astype(np.float64)
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", difference, difference)))

    def _sorted(
        self, numbers: IntArray, query: NDArray[np.float32], n: int, radius: float
    ) -> tuple[IntArray, FloatArray]:
        if not len(numbers):
            return np.empty(0, dtype=np.int64), np.empty(0)
        distances = self._distances(numbers, query)
        order = np.lexsort((numbers, distances))
        order = order[distances[order] <= radius][:n]
        return numbers[order], distances[order]


def _principal_axes(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The directions, as columns (m, d), in which the vectors vary most."""
    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(axes[:, -AXES:], dtype=np.float32)
