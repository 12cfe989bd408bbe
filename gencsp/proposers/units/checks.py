"""Whether a crystal of units keeps its distances and has the space group that it was made in.

The two filters of the supplement on NaNH2 (*Post-processing and validation*): distances of all
atoms in any periodic image against thresholds of their elements, and spglib at 0.01 Å.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import spglib
from ase import Atoms
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from gencsp.proposers.units.crystal import UNIT
from gencsp.symmetry.answers import answer

Array = NDArray[np.float64]

#: Å: tolerance of spglib (supplement, *Post-processing and validation*).
SYMPREC = 0.01
_IMAGES = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3, indexing="ij")).reshape(3, -1).T
_NEAR = np.array([image for image in _IMAGES if np.abs(image).max() < 2])


class Fault(StrEnum):
    """Why a generated crystal is dropped."""

    NO_LATTICE = "lattice parameters of no lattice"
    TOO_CLOSE = "units too close"
    OTHER_GROUP = "another space group"


def fault_of(
    atoms: Atoms,
    space_group: int,
    *,
    elements: Sequence[str],
    least: Array,
    symprec: float = SYMPREC,
) -> Fault | None:
    """The first fault of a crystal of units; ``None`` for a sound one.

    Args:
        atoms: with the array ``unit``, units whole.
        space_group: the number that it was made in.
        elements: of the rows of ``least``.
        least: least distances of atoms of different units, Å, shape (s, s).
        symprec: tolerance of spglib, Å.
    """
    if not keeps_units_apart(atoms, elements, least):
        return Fault.TOO_CLOSE
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = answer(spglib.get_symmetry_dataset, cell, symprec=symprec)
    return None if found is not None and found.number == space_group else Fault.OTHER_GROUP


def keeps_units_apart(atoms: Atoms, elements: Sequence[str], least: Array) -> bool:
    """Whether atoms of different units, images of the same among them, keep their distances.

    Args:
        atoms: with the array ``unit``, units whole.
        elements: of the rows of ``least``.
        least: Å, shape (s, s).
    """
    kind = np.array([elements.index(symbol) for symbol in atoms.get_chemical_symbols()])
    cell, _ = minkowski_reduce(atoms.cell.array)
    fractional = atoms.positions @ np.linalg.inv(cell)
    unit = atoms.get_array(UNIT)
    first, second = np.triu_indices(len(atoms))
    delta = fractional[first] - fractional[second]
    same = unit[first] == unit[second]
    limits = least[kind[first], kind[second]]
    across = delta[~same]
    across -= np.round(across)
    if (_nearest(across, _NEAR, cell) < limits[~same]).any():
        return False
    # Of one unit only its other images count: all but the one in which it is whole.
    others = _IMAGES[np.abs(_IMAGES).max(axis=1) > 0]
    return not (_nearest(delta[same], others, cell) < limits[same]).any()


def _nearest(delta: Array, images: Array, cell: Array) -> Array:
    vectors = (delta[:, None] + images) @ cell
    return np.asarray(np.sqrt(np.einsum("pix,pix->pi", vectors, vectors).min(axis=1)))
