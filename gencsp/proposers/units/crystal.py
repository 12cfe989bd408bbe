"""A crystal of rigid units: space group, conventional cell, and one placement for each orbit.

The direct-space asymmetric unit of the supplement on NaNH2 (*Dataset construction* and *Structure
decoding*): a unit of the asymmetric unit has a centre and an orientation, and the operations of the
space group make the others from it. Settings are those of
:mod:`gencsp.proposers.crystals.wyckoff`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp import records
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring, primitive_cell
from gencsp.proposers.crystals.wyckoff import Site, sites
from gencsp.units import members
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Arrays of a crystal's ``Atoms``: the number of the unit that an atom belongs to, counted over
#: the cell, and the atom's index within its unit.
UNIT, UNIT_ATOM = members.UNIT, members.UNIT_ATOM
#: ``Atoms.info``: names of the units, in the order of their numbers, joined by ``;``.
UNIT_NAMES = records.UNIT_NAMES
#: Fractions of a cell edge within which two points are the same.
SAME_POINT = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """One orbit of units.

    Attributes:
        unit: which of the crystal's units.
        letter: of the Wyckoff position of its centre.
        centre: fractional coordinates of one centre in the conventional cell, shape (3,). It lies
            on the first point of the position's orbit, ``rotations[0] @ u + translations[0]``.
        rotation: orthogonal matrix from the frame of that unit to the crystal's, shape (3, 3).
    """

    unit: int
    letter: str
    centre: Array
    rotation: Array


@dataclass(frozen=True, slots=True, eq=False)
class UnitCrystal:
    """Rigid units in a space group.

    Attributes:
        space_group: number.
        cell: conventional, in the standard setting; its first vector along x, its second in the
            xy plane (``Cell.fromcellpar``).
        units: those that occur.
        placements: one for each orbit.
    """

    space_group: int
    cell: Cell
    units: tuple[RigidUnit, ...]
    placements: tuple[Placement, ...]

    def atoms(self) -> Atoms:
        """Its reduced primitive cell, unit by unit.

        Arrays ``unit`` and ``unit_atom`` say which atom is which atom of which unit, and
        ``info["unit_names"]`` what the units are. Molecules are whole: atoms may lie outside of
        the cell.
        """
        cell = primitive_cell(self.cell, centring(self.space_group))
        to_primitive = np.linalg.inv(cell.array)
        units: list[RigidUnit] = []
        centres: list[Array] = []
        rotations: list[Array] = []
        for placement in self.placements:
            for centre, rotation in zip(*self.images(placement), strict=True):
                units.append(self.units[placement.unit])
                centres.append((centre @ to_primitive) % 1.0 @ cell.array)
                rotations.append(rotation)
        return atoms_of_units(units, centres, rotations, cell)

    def images(self, placement: Placement) -> tuple[Array, Array]:
        """The units of one orbit in the primitive cell.

        Returns:
            Cartesian centres, Å, shape (m, 3), and rotations, shape (m, 3, 3), m being the
            multiplicity of the position in the primitive cell.
        """
        rotations, translations = coset_operations(self.space_group, placement.letter)
        axes = self.cell.array.T
        turns = axes @ rotations @ np.linalg.inv(axes)
        centres = rotations @ placement.centre + translations
        return centres @ self.cell.array, turns @ placement.rotation


def atoms_of_units(
    units: Sequence[RigidUnit], centres: Sequence[Array], rotations: Sequence[Array], cell: Cell
) -> Atoms:
    """A crystal of units that are placed one by one, with the arrays of :class:`UnitCrystal`.

    Args:
        units: m of them, some the same.
        centres: of each, Cartesian, Å, shape (3,).
        rotations: of each, from its frame to the crystal's, shape (3, 3).
        cell: of the crystal.
    """
    placed = [unit.placed(c, r) for unit, c, r in zip(units, centres, rotations, strict=True)]
    symbols = [symbol for unit in units for symbol in unit.symbols]
    atoms = Atoms(symbols, positions=np.concatenate(placed), cell=cell, pbc=True)
    sizes = [unit.size for unit in units]
    atoms.set_array(UNIT, np.repeat(np.arange(len(sizes)), sizes))
    atoms.set_array(UNIT_ATOM, np.concatenate([np.arange(n) for n in sizes]))
    atoms.info[UNIT_NAMES] = ";".join(unit.name for unit in units)
    return atoms


def site(space_group: int, letter: str) -> Site:
    """A Wyckoff position by its letter."""
    return sites(space_group)[letter]


@lru_cache(maxsize=2048)
def coset_operations(space_group: int, letter: str) -> tuple[Array, Array]:
    """Operations that make a whole orbit of a Wyckoff position from its first point.

    Returns:
        Rotations (m, 3, 3) and translations (m, 3) in fractional coordinates of the conventional
        cell, the first of which keeps the point; m is the multiplicity in the primitive cell.
    """
    general = _general(space_group)
    point = _generic_point(site(space_group, letter))
    images = general.rotations @ point + general.translations
    same = _same_points(images[:, None], images, space_group)
    chosen = same.argmax(axis=1) == np.arange(len(images))
    return general.rotations[chosen], general.translations[chosen]


@lru_cache(maxsize=2048)
def site_operations(space_group: int, letter: str) -> tuple[Array, Array]:
    """The site group of a Wyckoff position: operations that keep its first point.

    Returns:
        Rotations (s, 3, 3) and translations (s, 3) in fractional coordinates of the conventional
        cell, such that ``rotations @ p + translations`` is p itself, without a lattice vector, for
        each point p of the position.
    """
    general = _general(space_group)
    point = _generic_point(site(space_group, letter))
    images = general.rotations @ point + general.translations
    kept = _same_points(images, point, space_group)
    # A vector of the lattice brings the image back; halves and thirds need no more digits.
    shifts = general.translations[kept] + np.round(12 * (point - images[kept])) / 12
    return general.rotations[kept], shifts


def cartesian(operations: Array, cell: Cell) -> Array:
    """Rotations of fractional coordinates as orthogonal matrices, shape (m, 3, 3)."""
    axes = cell.array.T
    return np.asarray(axes @ operations @ np.linalg.inv(axes))


def _general(space_group: int) -> Site:
    return max(sites(space_group).values(), key=lambda one: one.multiplicity)


def _generic_point(of: Site) -> Array:
    """A point of a position that lies on no position of higher symmetry."""
    point = np.array([0.1234567, 0.2718281, 0.3819660])
    return np.asarray(of.rotations[0] @ point + of.translations[0])


def _same_points(some: Array, others: Array, space_group: int) -> NDArray[np.bool_]:
    """Whether points, shapes (..., 3), differ by vectors of the lattice."""
    steps = (some - others) @ np.linalg.inv(PRIMITIVE[centring(space_group)])
    return np.asarray((np.abs(steps - np.round(steps)) < SAME_POINT).all(axis=-1))
