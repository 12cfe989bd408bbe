"""How far the atoms of one crystal are from those of another."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from gencsp.similarity.matching import Tolerances, as_structure, structure_matcher

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

#: Cells that differ by more have no atoms to compare; atoms may be anywhere.
WIDE = Tolerances(ltol=0.5, stol=3.0, angle_tol=20.0)


def mean_displacement(crystal: Atoms, moved: Atoms) -> float:
    """Mean distance of the atoms of a crystal from where they are in another, Å.

    Cells, origins and atoms of a species are matched by pymatgen's ``StructureMatcher``, so that
    the root mean square is the least that it finds; distances are taken in the cell of the first
    crystal, about their mean. What strains the cell, without moving atoms in it, does not count.

    Args:
        crystal: periodic in three directions.
        moved: of the same atoms, in a cell of similar shape, whatever its orientation and volume.

    Returns:
        Not a number where no cell of the second is like that of the first.
    """
    one = as_structure(crystal)
    other = _matcher().get_s2_like_s1(one, as_structure(moved))
    if other is None:
        return float("nan")
    off = np.asarray(other.frac_coords - one.frac_coords)
    off -= np.round(off)
    off -= off.mean(axis=0)
    return float(np.linalg.norm(off @ crystal.cell.array, axis=1).mean())


@cache
def _matcher() -> StructureMatcher:
    return structure_matcher(WIDE, primitive_cell=False)
