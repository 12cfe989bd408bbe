"""The symmetry-distinct supercells of a crystal, the most compact first.

Every supercell of m cells is one Hermite normal form of determinant m (G. L. W. Hart, R. W.
Forcade, Phys. Rev. B 77, 224115 (2008)); those that an operation of the point group turns into each
other are one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import spglib
from ase import Atoms
from ase.build import make_supercell
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

from gencsp.deck import CellAtoms, check
from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import SYMPREC

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def distinct_supercells(
    cell: FloatArray, rotations: NDArray[np.integer], multiple: int
) -> list[IntArray]:
    """One matrix P (3, 3) for each symmetry-distinct supercell, the most compact first.

    The rows of P @ cell are the vectors of the supercell, reduced (Minkowski) and right-handed.
    Compact is what has the least sum of squares of its edges.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3).
        rotations: of the space group, which act on fractional coordinates, shape (n, 3, 3).
        multiple: cells in a supercell.

    Raises:
        RequestError: the multiple is not above zero.
    """
    check("multiple", multiple, CellAtoms)
    turns = np.unique(np.asarray(rotations, dtype=np.int64), axis=0)
    seen: set[bytes] = set()
    found: list[tuple[float, IntArray]] = []
    for form in _hermite_forms(multiple):
        if form.tobytes() in seen:
            continue
        seen |= {_hermite_form(form @ turn.T).tobytes() for turn in turns}
        reduced, change = minkowski_reduce(form @ cell)
        matrix = np.asarray(change, dtype=np.int64) @ form
        if np.linalg.det(matrix @ cell) < 0:
            matrix = -matrix
        found.append((float((reduced**2).sum()), matrix))
    # Rounded, so that rounding errors do not decide between cells of equal edges.
    return [matrix for _, matrix in sorted(found, key=lambda one: round(one[0], 6))]


def supercell(atoms: Atoms, matrix: IntArray) -> Atoms:
    """The supercell of a matrix, atoms wrapped into it, with ``info`` and arrays of its own."""
    made: Atoms = make_supercell(atoms, matrix, order="atom-major")
    made.info = dict(atoms.info)
    made.wrap(eps=1e-6)
    return made


def rotations_of(atoms: Atoms, *, symprec: float = SYMPREC) -> NDArray[np.int64]:
    """Rotations of the space group in fractional coordinates, (n, 3, 3); the identity at least."""
    crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = answer(spglib.get_symmetry, crystal, symprec=symprec)
    rotations = np.eye(3)[None] if found is None else found["rotations"]
    return np.asarray(rotations, dtype=np.int64)


def primitive(atoms: Atoms, *, symprec: float = SYMPREC) -> Atoms:
    """The primitive cell where it is smaller than the one given, its lattice as it is.

    Raises nothing: where spglib finds no cell, the atoms come back as they are.
    """
    crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = answer(
        spglib.standardize_cell, crystal, to_primitive=True, no_idealize=True, symprec=symprec
    )
    if found is None or len(found[2]) >= len(atoms):
        return atoms.copy()
    cell, places, numbers = found
    return Atoms(numbers=numbers, scaled_positions=places, cell=cell, pbc=True)


def _hermite_forms(multiple: int) -> Iterator[IntArray]:
    """All row-style Hermite normal forms of a determinant, upper triangular."""
    for a in _divisors(multiple):
        for d in _divisors(multiple // a):
            f = multiple // a // d
            for b in range(d):
                for c in range(f):
                    for e in range(f):
                        yield np.array([[a, b, c], [0, d, e], [0, 0, f]], dtype=np.int64)


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]


def _hermite_form(matrix: IntArray) -> IntArray:
    """The Hermite normal form of a whole-number matrix: the same rows' lattice, one form."""
    rows = matrix.copy()
    for column in range(3):
        while True:
            below = np.flatnonzero(rows[column:, column]) + column
            least = below[np.abs(rows[below, column]).argmin()]
            rows[[column, least]] = rows[[least, column]]
            if len(below) == 1:
                break
            for other in range(column + 1, 3):
                rows[other] -= rows[other, column] // rows[column, column] * rows[column]
        if rows[column, column] < 0:
            rows[column] *= -1
        for above in range(column):
            rows[above] -= rows[above, column] // rows[column, column] * rows[column]
    return rows
