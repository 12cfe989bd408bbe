"""Whether a structure that was read is a crystal that gencsp can work on."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from gencsp.descriptors.distances import min_height
from gencsp.descriptors.flaws import Flaw, find_flaws
from gencsp.errors import StructureFileError
from gencsp.io.content import check_size

#: Å: no crystal has a longer lattice vector; searches for neighbours count in 32 bits.
LONGEST = 10_000.0
#: Å: lattice planes of a thinner cell would have thousands of images within any cutoff.
THINNEST = 0.1
#: Å: coordinates further away keep no digits of a position in the cell.
FURTHEST = 1e7


def check_crystal(atoms: Atoms, where: str) -> None:
    """Raise ``StructureFileError`` unless ``atoms`` is a fully periodic, ordered crystal."""
    flaws = find_flaws(atoms)
    check_size(len(atoms), where)
    if Flaw.NO_ATOMS in flaws:
        raise StructureFileError(f"{where} holds no atoms.")
    if Flaw.NOT_FINITE in flaws:
        raise StructureFileError(f"{where} has positions or a cell that are not numbers.")
    if Flaw.NOT_PERIODIC in flaws or Flaw.NO_VOLUME in flaws:
        raise StructureFileError(
            f"{where} is not a crystal: it needs three lattice vectors and periodicity along each."
        )
    if Flaw.PARTLY_OCCUPIED in flaws:
        raise StructureFileError(f"{where} has partly occupied sites: give an ordered crystal.")
    if not ((atoms.numbers >= 1) & (atoms.numbers < len(chemical_symbols))).all():
        raise StructureFileError(f"{where} holds a dummy atom X, or another that is no element.")
    # Scaled, so that the squares of the largest numbers are numbers too.
    scale = np.abs(atoms.cell.array).max()
    longest = scale * np.linalg.norm(atoms.cell.array / scale, axis=1).max()
    if not longest < LONGEST or not np.abs(atoms.positions).max() < FURTHEST:
        raise StructureFileError(
            f"{where} has a lattice vector of {longest:.3g} Å, or atoms far away from its cell."
        )
    if min_height(atoms.cell.array) < THINNEST:
        raise StructureFileError(f"{where} is not a crystal: its cell is thinner than an atom.")
