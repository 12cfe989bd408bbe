"""The primitive cell of a crystal and which of its atoms symmetry makes equal (spglib)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.flaws import RELAXABLE, Flaw, cell_flaws
from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC


@dataclass(frozen=True, slots=True)
class Orbits:
    """A primitive cell.

    Attributes:
        atoms: the cell.
        kinds: a number for each atom, equal for symmetry-equivalent ones, shape (atoms,).
        space_group: international number; 0 where spglib finds no symmetry at all.
    """

    atoms: Atoms
    kinds: NDArray[np.int64]
    space_group: int

    @property
    def representatives(self) -> NDArray[np.int64]:
        """Index of the first atom of each orbit."""
        return np.unique(self.kinds, return_index=True)[1]

    @property
    def multiplicities(self) -> NDArray[np.int64]:
        """Atoms in each orbit, in the order of :attr:`representatives`."""
        return np.unique(self.kinds, return_counts=True)[1]


def orbits(
    atoms: Atoms, *, symprec: float = SYMPREC, angle_tolerance: float = ANGLE_TOLERANCE
) -> Orbits:
    """The primitive cell and its orbits.

    Each atom is an orbit of its own where spglib fails (it does with atoms closer than
    ``symprec``) and in a cell too small for its atoms, for which spglib is not called.

    Args:
        atoms: a fully periodic crystal.
        symprec: Å.
        angle_tolerance: degrees.
    """
    # spglib crashes on cells of the size of its tolerance.
    flaws = cell_flaws(atoms.cell.array, RELAXABLE, n_atoms=len(atoms))
    if Flaw.NO_VOLUME in flaws or Flaw.TOO_DENSE in flaws:
        return Orbits(atoms, np.arange(len(atoms)), 0)
    cell = (atoms.cell.array, atoms.get_scaled_positions(wrap=True), atoms.numbers)
    found = answer(spglib.find_primitive, cell, symprec=symprec, angle_tolerance=angle_tolerance)
    if found is None:
        return Orbits(atoms, np.arange(len(atoms)), 0)
    data = answer(
        spglib.get_symmetry_dataset, found, symprec=symprec, angle_tolerance=angle_tolerance
    )
    lattice, fractional, numbers = found
    small = Atoms(numbers, scaled_positions=fractional, cell=lattice, pbc=True)
    if data is None:
        return Orbits(small, np.arange(len(small)), 0)
    return Orbits(small, np.asarray(data.crystallographic_orbits), int(data.number))
