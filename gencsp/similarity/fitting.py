"""The decision of pymatgen's ``StructureMatcher`` on two reduced cells, from its own parts.

``StructureMatcher.fit`` copies structures and compares species site by site, which takes more than
half of its time. Here are its steps (``_strict_match``, for cells of as many atoms and no
supercells) on arrays: the same mappings of lattices, the same tests of coordinates, the same
assignment of atoms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core import Lattice

    from gencsp.similarity.matching import Reduced, Tolerances

Array = NDArray[np.float64]


def fits(first: Reduced, second: Reduced, tolerances: Tolerances) -> bool:
    """Whether pymatgen's matcher fits the second cell onto the first, species by species.

    Args:
        first: a Niggli-reduced cell.
        second: likewise.
        tolerances: how much may differ.
    """
    # Slow to import.
    from pymatgen.core import Lattice
    from pymatgen.util.coord_cython import is_coord_subset_pbc

    if not np.array_equal(np.sort(first.numbers), np.sort(second.numbers)):
        return False
    ratio = (_volume(second.cell) / _volume(first.cell)) ** (1 / 6) if tolerances.scale else 1.0
    one, other = Lattice(first.cell * ratio), Lattice(second.cell / ratio)
    # 1 where an atom of the second may not stand on an atom of the first.
    barred = np.array(second.numbers[:, None] != first.numbers, dtype=np.int64)
    # An atom of the rarest species comes to stand on each of its kind in turn.
    anchor = int(barred.sum(axis=1).argmax())
    places = np.flatnonzero(barred[anchor] == 0)
    positions = first.fractional @ one.matrix
    for aligned, _, mapping in one.find_all_mappings(
        other, ltol=tolerances.ltol, atol=tolerances.angle_tol, skip_rotation_matrix=True
    ):
        if not math.isclose(abs(np.linalg.det(mapping)), 1, abs_tol=0.5, rel_tol=0):
            continue
        fractional = aligned.get_fractional_coords(positions)
        fractional -= np.floor(fractional)
        mean = Lattice.from_parameters(
            *(np.array(aligned.parameters) + np.array(other.parameters)) / 2
        )
        size = (len(fractional) / _volume(mean.matrix)) ** (1 / 3)
        reach = _reach(mean, tolerances.stol, size)
        for place in places:
            moved = second.fractional + (fractional[place] - second.fractional[anchor])
            if is_coord_subset_pbc(moved, fractional, reach, barred) and (
                _largest_distance(fractional, moved, mean, barred, tolerances.stol, size)
                < tolerances.stol
            ):
                return True
    return False


def _volume(cell: Array) -> float:
    # A lattice's own, by numpy's cross product, is slower.
    return abs(float(np.linalg.det(cell)))


def _reach(lattice: Lattice, stol: float, size: float) -> Array:
    """Tolerance of fractional coordinates, shape (3,); ``size`` is (N/V)^(1/3)."""
    return np.array(lattice.reciprocal_lattice.abc) * stol / (np.pi * size)


def _largest_distance(
    first: Array,
    second: Array,
    lattice: Lattice,
    barred: NDArray[np.int64],
    stol: float,
    size: float,
) -> float:
    """Largest distance of paired atoms, in units of (V/N)^(1/3), their mean shift taken out."""
    from pymatgen.util.coord_cython import pbc_shortest_vectors
    from scipy.optimize import linear_sum_assignment

    reach = _reach(lattice.get_lll_reduced_lattice(), stol, size)
    vectors, squares = pbc_shortest_vectors(
        lattice, second, first, barred, return_d2=True, lll_frac_tol=reach
    )
    shortest = vectors[np.arange(len(second)), linear_sum_assignment(squares)[1]]
    apart = ((shortest - shortest.mean(axis=0)) ** 2).sum(axis=1)
    return float(np.sqrt(apart.max()) * size)
