"""How a structure says which crystal of units it began as, through relaxation, stores and files.

``info["unit_crystal"]`` is JSON in URL-safe base64, which every file format keeps as it is: space
group, conventional cell, units and placements, and in a given cell how the conventional cell lies
in it. From it and the relaxed atoms :func:`crystal_of` makes the crystal of rigid units that a
model learns from.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.geometry import find_mic
from numpy.typing import NDArray

from gencsp.errors import UnitError
from gencsp.proposers.units.crystal import Placement, UnitCrystal
from gencsp.proposers.units.given_cells import Setting, in_given_cell
from gencsp.proposers.units.relaxed import RigidFit, rigid_fit
from gencsp.records import UNIT_CRYSTAL
from gencsp.units.members import Members
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]


def write_crystal(atoms: Atoms, crystal: UnitCrystal, setting: Setting | None = None) -> Atoms:
    """Say in ``info`` which crystal of units a structure is (returns ``atoms``).

    Args:
        atoms: changed in place: ``crystal.atoms()``, or the crystal in a given cell.
        crystal: of rigid units.
        setting: how it lies in that cell; ``None`` for its own primitive cell.
    """
    content = {
        "space_group": crystal.space_group,
        "cell": crystal.cell.array.tolist(),
        "units": [
            {
                "name": unit.name,
                "symbols": unit.symbols,
                "positions": unit.positions.tolist(),
                "bonds": unit.bonds,
                "charge": unit.charge,
            }
            for unit in crystal.units
        ],
        "placements": [
            [one.unit, one.letter, one.centre.tolist(), one.rotation.tolist()]
            for one in crystal.placements
        ],
        "setting": None
        if setting is None
        else [setting.cell.array.tolist(), setting.axes.tolist(), setting.copies],
    }
    text = json.dumps(content, separators=(",", ":"))
    atoms.info[UNIT_CRYSTAL] = urlsafe_b64encode(text.encode()).decode()
    return atoms


def read_crystal(atoms: Atoms) -> tuple[UnitCrystal, Setting | None]:
    """The crystal of units that a structure began as, and how it lay in a given cell.

    Raises:
        UnitError: the structure does not say it, or its text is damaged.
    """
    if UNIT_CRYSTAL not in atoms.info:
        raise UnitError(
            "the structure does not say which crystal of units it began as: propose it by "
            "units-random or units."
        )
    try:
        content = json.loads(urlsafe_b64decode(str(atoms.info[UNIT_CRYSTAL])))
        return _crystal(content), _setting(content)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UnitError(
            f"'{UNIT_CRYSTAL}' of a structure is damaged ({error}): propose it anew."
        ) from error


def crystal_of(relaxed: Atoms) -> RigidFit:
    """The crystal of rigid units nearest to a relaxed structure that began as one.

    In a given cell with several primitive ones, the mean of these is taken; what they differ by
    counts as distance from the fit.

    Raises:
        UnitError: the structure does not say what it began as, or its atoms are others.
    """
    crystal, setting = read_crystal(relaxed)
    if setting is None:
        return rigid_fit(crystal, relaxed)
    return rigid_fit(crystal, _in_primitive_cell(crystal, setting, relaxed))


def _in_primitive_cell(crystal: UnitCrystal, setting: Setting, relaxed: Atoms) -> Atoms:
    """The primitive cell of a crystal with the mean displacements of its copies in a given cell."""
    given, own = in_given_cell(crystal, setting), crystal.atoms()
    if len(relaxed) != len(given) or (relaxed.numbers != given.numbers).any():
        raise UnitError("the atoms of the relaxed crystal are not those that it began with.")
    # Centres move with the cell, and what remains is the units' own displacement.
    deformation = np.linalg.solve(given.cell.array, relaxed.cell.array)
    before, now = Members.of(given), Members.of(relaxed)
    moved = before.centres @ deformation
    steps, _ = find_mic(now.centres - moved, relaxed.cell, pbc=True)
    # In the frame of the crystal: a rotation turns each unit's arms from there to here.
    turn = _turn(setting)
    shift = (steps @ turn).reshape(-1, setting.copies, 3).mean(axis=1)
    arms = [
        np.mean([now.arms[rows] @ turn for rows in before.atoms[k : k + setting.copies]], axis=0)
        for k in range(0, len(before.atoms), setting.copies)
    ]
    members = Members.of(own)
    own_deformation = turn.T @ deformation @ turn
    centres = members.centres @ own_deformation + shift
    every = np.zeros_like(own.positions)
    for rows, of_unit in zip(members.atoms, arms, strict=True):
        every[rows] = of_unit
    cell = own.cell.array @ own_deformation
    return members.placed(own, centres=centres, arms=every, cell=cell)


def _turn(setting: Setting) -> Array:
    """Rotation from the crystal's frame to that of the given cell, as ``x @ turn.T``, (3, 3)."""
    to_given = np.linalg.inv(setting.conventional.array) @ setting.axes
    left, _, right = np.linalg.svd(to_given @ setting.cell.array)
    return np.asarray((left @ right).T)


def _crystal(content: dict[str, Any]) -> UnitCrystal:
    units = tuple(
        RigidUnit(
            one["name"],
            tuple(one["symbols"]),
            np.array(one["positions"]),
            tuple((int(i), int(j)) for i, j in one["bonds"]),
            charge=one["charge"],
        )
        for one in content["units"]
    )
    placements = tuple(
        Placement(int(unit), str(letter), np.array(centre), np.array(rotation))
        for unit, letter, centre, rotation in content["placements"]
    )
    return UnitCrystal(int(content["space_group"]), Cell(content["cell"]), units, placements)


def _setting(content: dict[str, Any]) -> Setting | None:
    if content["setting"] is None:
        return None
    cell, axes, copies = content["setting"]
    return Setting(Cell(cell), Cell(content["cell"]), np.array(axes), int(copies))
