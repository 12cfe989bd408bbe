"""Distances between the atoms of a crystal and its periodic images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

#: Å: what is closer is one atom and itself.
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Pairs:
    """Ordered pairs of atoms: each pair twice, an atom with its own images among them.

    Attributes:
        first, second: atom indices, shape (pairs,).
        distances: Å, shape (pairs,).
        vectors: from first to second, Å, shape (pairs, 3).
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distances: NDArray[np.float64]
    vectors: NDArray[np.float64]


def pairs_within(atoms: Atoms, cutoff: float) -> Pairs:
    """All pairs up to ``cutoff`` (Å) apart, periodic images included (pymatgen's cell lists).

    Two different atoms at one place count as a pair at distance zero.
    """
    # Half of the time that importing this module would take goes into this one.
    from pymatgen.optimization.neighbors import find_points_in_spheres

    cell = np.ascontiguousarray(atoms.cell.array, dtype=np.float64)
    inside = np.ascontiguousarray(atoms.get_scaled_positions(wrap=True) @ cell)
    first, second, offsets, distances = find_points_in_spheres(
        inside, inside, float(cutoff), np.array([1, 1, 1], dtype=np.int64), cell, SAME
    )
    kept = (distances > SAME) | (first != second)
    first, second, offsets = first[kept], second[kept], offsets[kept]
    vectors = inside[second] + offsets @ cell - inside[first]
    return Pairs(first, second, distances[kept], vectors)


#: Å: how far beyond the threshold distances are searched, so that a value can be given.
_SEARCH = (1.0, 2.0, 4.0, 8.0, 16.0)


def shortest_distance(atoms: Atoms) -> float:
    """Å, between two atoms or an atom and its image; infinite beyond 16 Å."""
    for reach in _SEARCH:
        distances = pairs_within(atoms, reach).distances
        if len(distances):
            return float(distances.min())
    return float("inf")
