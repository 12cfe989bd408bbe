"""Relaxed crystals of units as crystals of rigid units again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.descriptors.flaws import NO_VOLUME
from gencsp.errors import UnitError
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.units.arrangement import Arrangement, fitting_cell, laid_upon
from gencsp.proposers.units.crystal import (
    UNIT,
    UNIT_ATOM,
    Placement,
    UnitCrystal,
    coset_operations,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RigidFit:
    """The crystal of rigid units nearest to a relaxed one.

    Attributes:
        crystal: of the same arrangement as before.
        rms: root of the mean square distance of an atom from where the crystal has it, Å.
        largest: the largest such distance, Å.
    """

    crystal: UnitCrystal
    rms: float
    largest: float


def rigid_fit(before: UnitCrystal, relaxed: Atoms) -> RigidFit:
    """Lay rigid units upon a relaxed crystal that began as crystal of rigid units.

    Cell, centres and orientations are averaged over the operations of the space group, so that the
    arrangement stays; what relaxation changed beyond it is in the distances of the fit.

    Args:
        before: the crystal that was relaxed.
        relaxed: ``before.atoms()`` with other positions and cell; its arrays say which atom is
            which, in any order.

    Raises:
        UnitError: the atoms are not those of the crystal, or their cell is none.
    """
    start = before.atoms()
    positions = _in_order(start, relaxed)
    old, new = start.cell.array, relaxed.cell.array
    conventional = before.cell.array @ np.linalg.inv(old) @ new
    cell = fitting_cell(before.space_group, conventional @ conventional.T)
    # The frame may have turned, and the cell lost a little of its shape: coordinates count.
    turn = np.linalg.inv(conventional) @ cell.array
    positions = positions @ turn
    placements = []
    first = 0
    for placement in before.placements:
        unit = before.units[placement.unit]
        n_images = len(coset_operations(before.space_group, placement.letter)[0])
        stop = first + n_images * unit.size
        groups = positions[first:stop].reshape(n_images, unit.size, 3)
        placements.append(_fit_orbit(before, placement, cell, groups))
        first = stop
    arrangement = Arrangement.as_given(before)
    mirrored = np.array([-1.0 if one.mirrored else 1.0 for one in arrangement.orbits])
    crystal = arrangement.crystal(
        before.units,
        cell,
        np.array([one.centre for one in placements]),
        mirrored[:, None, None] * np.array([one.rotation for one in placements]),
    )
    off = _distances(crystal.atoms(), positions, start)
    return RigidFit(crystal, float(np.sqrt((off**2).mean())), float(off.max()))


def _in_order(start: Atoms, relaxed: Atoms) -> Array:
    """Positions of the relaxed atoms in the order of the crystal's own, shape (n, 3)."""
    if not (relaxed.has(UNIT) and relaxed.has(UNIT_ATOM)) or len(relaxed) != len(start):
        raise UnitError(
            f"the relaxed crystal does not say which atom belongs to which unit: keep the arrays "
            f"'{UNIT}' and '{UNIT_ATOM}' of the crystal, and all its {len(start)} atoms."
        )
    order = np.lexsort((relaxed.get_array(UNIT_ATOM), relaxed.get_array(UNIT)))
    if not (relaxed.numbers[order] == start.numbers).all():
        raise UnitError("the atoms of the relaxed crystal are not those that it began with.")
    if not np.isfinite(relaxed.positions).all() or not relaxed.cell.volume > NO_VOLUME:
        raise UnitError("the relaxed crystal has no cell, or positions that are no numbers.")
    # Atoms may have been wrapped one by one: each is taken near to where it began.
    began = start.get_scaled_positions(wrap=False)
    steps = relaxed.positions[order] @ np.linalg.inv(relaxed.cell.array) - began
    return np.asarray((began + steps - np.round(steps)) @ relaxed.cell.array)


def _fit_orbit(before: UnitCrystal, placement: Placement, cell: Cell, groups: Array) -> Placement:
    """Mean centre and orientation of the units of an orbit, brought back to the first of them."""
    unit = before.units[placement.unit]
    axes = cell.array
    rotations, translations = coset_operations(before.space_group, placement.letter)
    turns = np.asarray(axes.T @ rotations @ np.linalg.inv(axes.T))
    lattice = PRIMITIVE[centring(before.space_group)]
    centres, mean = [], np.zeros((3, 3))
    for atoms, rotation, translation, turn in zip(
        groups, rotations, translations, turns, strict=True
    ):
        middle = atoms.mean(axis=0)
        fractional = middle @ np.linalg.inv(axes)
        back = np.linalg.solve(rotation, fractional - translation) - placement.centre
        steps = back @ np.linalg.inv(lattice)
        centres.append((steps - np.round(steps)) @ lattice)
        own = turn @ placement.rotation
        mean += turn.T @ laid_upon(unit.positions, atoms - middle, own)
    u, _, vt = np.linalg.svd(mean)
    return Placement(
        placement.unit, placement.letter, placement.centre + np.mean(centres, axis=0), u @ vt
    )


def _distances(found: Atoms, positions: Array, start: Atoms) -> Array:
    """Distances of atoms from their places, Å, whichever images of the units are given."""
    steps = (positions - found.positions) @ np.linalg.inv(found.cell.array)
    unit = start.get_array(UNIT)
    for number in np.unique(unit):
        of_unit = unit == number
        steps[of_unit] -= np.round(steps[of_unit].mean(axis=0))
    return np.asarray(np.linalg.norm(steps @ found.cell.array, axis=1))
