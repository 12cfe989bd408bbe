"""Crystals of units in a cell that is given, such as that of an indexed powder pattern.

A space group fits a given cell if some choice of axes of its lattice makes a conventional cell of
the group, in the standard setting: the vectors themselves in another order or added to each other,
or, for a centred group, those of which the given vectors are primitive. A conventional cell holds
several primitive ones, so that a given cell of Z formula units has Z/2, Z/3 or Z/4 of them in the
primitive cell of a centred group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.proposers.crystals.lattice import PRIMITIVE, bravais, centring
from gencsp.proposers.units.crystal import UnitCrystal, atoms_of_units
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Relative difference of edges, and of angles in radians, up to which they count as equal.
TOLERANCE = 0.01
#: Choices of axes whose deviations differ by less are equally good.
SAME_FIT = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A conventional cell of a space group in a given cell.

    Attributes:
        cell: as it is given.
        conventional: in the standard setting and orientation, with the exact symmetry of the
            crystal system.
        axes: the conventional vectors in terms of the given ones, rows, shape (3, 3).
        copies: primitive cells of the space group in the given cell.
    """

    cell: Cell
    conventional: Cell
    axes: Array
    copies: int


def choices_of_axes(space_group: int, cell: Cell, *, tolerance: float = TOLERANCE) -> Array:
    """All choices of axes with which a space group fits a cell.

    Args:
        space_group: number.
        cell: given, in any orientation.
        tolerance: see ``TOLERANCE``.

    Returns:
        Conventional vectors in terms of those of the cell, rows, shape (n, 3, 3); none where the
        cell cannot have the group.
    """
    kind = bravais(space_group)[0]
    return _choices(kind, centring(space_group), cell.array.tobytes(), tolerance)


def setting_of(space_group: int, cell: Cell, axes: Array) -> Setting:
    """The conventional cell of a choice of axes, its metric made exact."""
    lengths_angles = Cell(axes @ cell.array).cellpar()
    exact = _exact(bravais(space_group)[0], lengths_angles)
    copies = int(copies_of(space_group, axes[None])[0])
    return Setting(cell, Cell.fromcellpar(exact), axes, copies)


def copies_of(space_group: int, axes: Array) -> NDArray[np.int64]:
    """Primitive cells of a group in a given cell for each choice of axes, shape (n,)."""
    volumes = np.abs(np.linalg.det(PRIMITIVE[centring(space_group)] @ axes))
    return np.asarray(np.rint(1 / volumes).astype(np.int64))


def in_given_cell(crystal: UnitCrystal, setting: Setting) -> Atoms:
    """A crystal in the cell that was asked for, unit by unit, as ``UnitCrystal.atoms`` makes it.

    Units keep their shape. Where the given cell deviates from the symmetry of the group, their
    centres move with it.
    """
    conventional, given = setting.conventional.array, setting.cell.array
    to_given = np.linalg.inv(conventional) @ setting.axes
    left, _, right = np.linalg.svd(to_given @ given)
    turn = (left @ right).T
    steps = _lattice_points(crystal.space_group, setting)
    centres, rotations = [], []
    units: list[RigidUnit] = []
    for placement in crystal.placements:
        for centre, rotation in zip(*crystal.images(placement), strict=True):
            for step in steps:
                centres.append((centre @ to_given + step) % 1.0 @ given)
                rotations.append(turn @ rotation)
                units.append(crystal.units[placement.unit])
    return atoms_of_units(units, centres, rotations, setting.cell)


def _lattice_points(space_group: int, setting: Setting) -> Array:
    """Points of the lattice of a group in a given cell, fractional there, shape (copies, 3)."""
    primitive = PRIMITIVE[centring(space_group)] @ setting.axes
    points = np.array(list(product((-1, 0, 1), repeat=3))) @ primitive
    points = np.round(points - np.floor(points + 1e-9), 9)
    found = np.unique(points, axis=0)
    assert len(found) == setting.copies, "neighbouring lattice points reach every one in the cell"
    return np.asarray(found)


@lru_cache(maxsize=256)
def _choices(kind: str, letter: str, packed: bytes, tolerance: float) -> Array:
    given = np.frombuffer(packed).reshape(3, 3)
    hand = np.sign(np.linalg.det(given))
    if kind == "a":
        return np.asarray(hand * np.eye(3)[None])
    found = [hand * _changes()]
    if letter != "P":
        # The given cell is a primitive one: its shortest vectors lead to the conventional cell.
        shortest = np.rint(Cell(given).minkowski_reduce()[1])
        shortest *= hand * np.sign(np.linalg.det(shortest))
        found.append(np.linalg.inv(PRIMITIVE[letter]) @ _changes() @ shortest)
    axes = np.concatenate(found)
    misfits = _misfits(kind, axes @ given)
    # Edges that are nearly equal by chance do not make a worse choice of axes as good as the best.
    return np.asarray(axes[misfits <= min(tolerance, misfits.min() + SAME_FIT)])


@cache
def _changes() -> Array:
    """Matrices of -1, 0 and 1 with determinant 1: changes to other vectors of one lattice."""
    every = np.array(list(product((-1.0, 0.0, 1.0), repeat=9))).reshape(-1, 3, 3)
    return np.asarray(every[np.abs(np.linalg.det(every) - 1) < 1e-6])


def _misfits(kind: str, cells: Array) -> Array:
    """How far cells are from the metric of a crystal system: see ``TOLERANCE``."""
    edges = np.linalg.norm(cells, axis=2)
    pairs = ((1, 2), (0, 2), (0, 1))
    cosines = [
        np.einsum("nx,nx->n", cells[:, i], cells[:, j]) / (edges[:, i] * edges[:, j])
        for i, j in pairs
    ]
    angles = np.arccos(np.clip(np.stack(cosines, axis=1), -1, 1))
    wanted = np.full(3, np.pi / 2)
    if kind == "h":
        wanted[2] = np.pi * 2 / 3
    off = np.abs(angles - wanted)
    if kind == "m":
        off[:, 1] = 0
    misfits = off.max(axis=1)
    for other in {"t": [1], "h": [1], "c": [1, 2]}.get(kind, []):
        misfits = np.maximum(misfits, np.abs(edges[:, 0] / edges[:, other] - 1))
    return np.asarray(misfits)


def _exact(kind: str, parameters: Array) -> Array:
    """Lengths and angles that have the metric of a crystal system exactly."""
    exact = np.array(parameters, dtype=float)
    if kind == "a":
        return exact
    beta = exact[4]
    exact[3:] = 90.0
    if kind == "m":
        exact[4] = beta
    if kind == "h":
        exact[5] = 120.0
    if kind in "th":
        exact[:2] = exact[:2].mean()
    if kind == "c":
        exact[:3] = exact[:3].mean()
    return exact
