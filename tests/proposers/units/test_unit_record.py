"""A structure says which crystal of units it began as, and becomes one again once relaxed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from ase.io import read, write
from crystals_of_units import NA, NH2, apart
from scipy.spatial.transform import Rotation

from gencsp.composition import Composition
from gencsp.errors import UnitError
from gencsp.proposers.base import Request
from gencsp.proposers.units.crystal import Placement, UnitCrystal
from gencsp.proposers.units.given_cells import in_given_cell
from gencsp.proposers.units.record import crystal_of, read_crystal, write_crystal
from gencsp.proposers.units_random import RandomUnitsProposer
from gencsp.store.base import portable

#: That of sodium amide.
INDEXED = Cell.fromcellpar([8.95, 10.46, 8.07, 90, 90, 90])
#: Space groups: P2_1/c, C222_1, Cmc2_1, Fddd (four primitive cells), Pna2_1.
GROUPS = (14, 20, 36, 70, 33)


def structure(group: int, cell: Cell | None) -> Atoms:
    proposer = RandomUnitsProposer([NH2])
    request = Request(
        composition=Composition.parse("NaNH2"),
        n=1,
        units=(16,) if cell is not None else (2, 4, 8),
        cell=cell,
        space_groups=(group,),
    )
    return next(proposer.propose(request, rng=np.random.default_rng(group)))


@pytest.mark.parametrize("cell", [None, INDEXED], ids=["free", "given"])
@pytest.mark.parametrize("group", GROUPS)
def test_what_did_not_move_is_the_crystal_that_it_was(group: int, cell: Cell | None) -> None:
    atoms = structure(group, cell)
    crystal, setting = read_crystal(atoms)
    assert crystal.space_group == group
    assert (setting is None) is (cell is None)
    again = crystal.atoms() if setting is None else in_given_cell(crystal, setting)
    np.testing.assert_allclose(again.positions, atoms.positions, atol=1e-9)
    wrapped = atoms.copy()
    wrapped.wrap()
    for one in (atoms, wrapped):
        fit = crystal_of(one)
        assert fit.largest < 1e-6
        assert apart(fit.crystal.atoms(), crystal.atoms()) < 1e-5


@pytest.mark.parametrize("cell", [None, INDEXED], ids=["free", "given"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_crystal_that_moved_within_its_arrangement_is_found(
    group: int, cell: Cell | None
) -> None:
    atoms = structure(group, cell)
    before, setting = read_crystal(atoms)
    turn = Rotation.from_rotvec([0.05, -0.1, 0.08]).as_matrix()
    placements = []
    for one in before.placements:
        general = len(before.images(one)[0]) == max(
            len(before.images(other)[0]) for other in before.placements
        ) and group in (14, 33)
        moved = one.centre + 0.01 * general
        rotation = turn @ one.rotation if general else one.rotation
        placements.append(Placement(one.unit, one.letter, moved, rotation))
    after = UnitCrystal(group, before.cell, before.units, tuple(placements))
    relaxed = after.atoms() if setting is None else in_given_cell(after, setting)
    relaxed.info["unit_crystal"] = atoms.info["unit_crystal"]
    fit = crystal_of(relaxed)
    assert fit.largest < 1e-3
    assert apart(fit.crystal.atoms(), after.atoms()) < 1e-3


def test_the_record_survives_files(tmp_path: Path) -> None:
    atoms = structure(70, INDEXED)
    write(tmp_path / "a.extxyz", portable(atoms))
    for one in (read(tmp_path / "a.extxyz"), portable(atoms)):
        crystal, setting = read_crystal(one)
        own, _ = read_crystal(atoms)
        assert setting is not None
        assert setting.copies == 4
        assert [unit.name for unit in crystal.units] == [unit.name for unit in own.units]
        np.testing.assert_array_equal(crystal.cell.array, own.cell.array)
        for found, wanted in zip(crystal.placements, own.placements, strict=True):
            np.testing.assert_array_equal(found.centre, wanted.centre)
            np.testing.assert_array_equal(found.rotation, wanted.rotation)


def test_what_says_nothing_or_is_damaged_is_refused() -> None:
    with pytest.raises(UnitError, match="propose it by units-random"):
        read_crystal(Atoms("Na"))
    atoms = structure(14, None)
    atoms.info["unit_crystal"] = atoms.info["unit_crystal"][:-9]
    with pytest.raises(UnitError, match="damaged"):
        crystal_of(atoms)
    crystal = UnitCrystal(1, INDEXED, (NA,), (Placement(0, "a", np.zeros(3), np.eye(3)),))
    other = write_crystal(structure(14, None), crystal)
    with pytest.raises(UnitError, match=r"which atom belongs|not those that it began with"):
        crystal_of(other)
