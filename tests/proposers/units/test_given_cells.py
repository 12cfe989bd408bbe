"""Crystals of units in cells that are given: axes of every kind, and exactly the cell again."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.cell import Cell
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from gencsp.descriptors.distances import pair_distances
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring, space_group_lattice
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import Placement, UnitCrystal
from gencsp.proposers.units.given_cells import (
    Setting,
    choices_of_axes,
    in_given_cell,
    setting_of,
)
from gencsp.symmetry.answers import answer
from gencsp.units.members import Members
from gencsp.units.unit import RigidUnit

#: Without symmetry, so that a crystal has the group of its placements and no more.
LOPSIDED = RigidUnit(
    "CHFCl",
    ("C", "H", "F", "Cl"),
    np.array([[0, 0, 0], [1.05, 0.1, 0], [-0.4, 1.2, 0.3], [-0.7, -0.8, 1.3]]),
    ((0, 1), (0, 2), (0, 3)),
)


def crystal_in(space_group: int, setting: Setting) -> UnitCrystal:
    """One orbit in general position, no two atoms of which are in one place."""
    rng = np.random.default_rng(space_group)
    letter = max(sites(space_group).values(), key=lambda one: one.multiplicity).letter
    while True:
        placement = Placement(0, letter, rng.random(3), Rotation.random(rng=rng).as_matrix())
        crystal = UnitCrystal(space_group, setting.conventional, (LOPSIDED,), (placement,))
        if pair_distances(crystal.atoms()).min() > 0.1:
            return crystal


def number_of(atoms: Atoms) -> int:
    found = answer(
        spglib.get_symmetry_dataset,
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers),
        symprec=0.01,
    )
    assert found is not None
    return int(found.number)


def order(space_group: int) -> int:
    return max(site.multiplicity for site in sites(space_group).values())


@pytest.mark.parametrize("first", range(1, 231, 10))
def test_every_group_in_its_conventional_and_primitive_cell_turned(first: int) -> None:
    for space_group in range(first, min(first + 10, 231)):
        rng = np.random.default_rng(space_group)
        own = space_group_lattice(space_group, volume=120.0 * order(space_group), rng=rng)
        turn = Rotation.random(rng=rng).as_matrix()
        letter = centring(space_group)
        nodes = round(1 / np.linalg.det(PRIMITIVE[letter]))
        for vectors, copies in ((own.array, nodes), (PRIMITIVE[letter] @ own.array, 1)):
            cell = Cell(vectors @ turn)
            axes = choices_of_axes(space_group, cell)
            setting = setting_of(space_group, cell, axes[rng.integers(len(axes))])
            assert setting.copies == copies
            atoms = in_given_cell(crystal_in(space_group, setting), setting)
            assert_allclose(atoms.cell.array, cell.array)
            assert len(atoms) == LOPSIDED.size * order(space_group) * copies
            assert number_of(atoms) == space_group
            lengths = np.linalg.norm(
                np.diff(atoms.positions[list(Members.of(atoms).atoms)], axis=1), axis=-1
            )
            wanted = np.linalg.norm(np.diff(LOPSIDED.positions, axis=0), axis=1)
            assert_allclose(lengths, np.tile(wanted, (len(lengths), 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "groups"),
    [
        ((8.95, 10.46, 8.07, 90, 90, 90), set(range(1, 75))),
        ((8, 9, 10, 90, 105, 90), set(range(1, 16))),
        ((8, 9, 10, 90, 90, 105), set(range(1, 16))),
        ((10, 8, 10, 90, 90, 90), set(range(1, 143))),
        ((9, 9, 9, 90, 90, 90), set(range(1, 143)) | set(range(195, 231))),
        ((8, 9, 10, 80, 95, 105), {1, 2}),
    ],
)
def test_groups_that_fit_a_cell(parameters: tuple[float, ...], groups: set[int]) -> None:
    """All groups of the system of the cell and of lower ones, centred ones too."""
    cell = Cell.fromcellpar(parameters)
    found = {group for group in range(1, 231) if len(choices_of_axes(group, cell))}
    hexagonal = set(range(143, 195))
    assert found - hexagonal == groups
    # The primitive vectors of a rhombohedral lattice may be at right angles.
    rhombohedral = {146, 148, 155, 160, 161, 166, 167} if parameters[:3] == (9, 9, 9) else set()
    assert found & hexagonal == rhombohedral


def test_the_axes_of_an_orthorhombic_cell_in_any_order() -> None:
    """P222_1 has one screw axis, which may lie along each of the three edges."""
    cell = Cell.fromcellpar([6, 7, 8, 90, 90, 90])
    axes = choices_of_axes(17, cell)
    assert {tuple(np.abs(one[2]).astype(int)) for one in axes} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert (np.linalg.det(axes) > 0).all()


@pytest.mark.parametrize("space_group", [70, 14, 43])
def test_a_left_handed_cell_is_kept(space_group: int) -> None:
    cell = Cell(np.diag([8.95, -10.46, 8.07]))
    axes = choices_of_axes(space_group, cell)
    setting = setting_of(space_group, cell, axes[0])
    atoms = in_given_cell(crystal_in(space_group, setting), setting)
    assert_allclose(atoms.cell.array, cell.array)
    assert number_of(atoms) == space_group


@given(stretch=st.floats(-0.006, 0.006), bend=st.floats(-0.4, 0.4))
@settings(max_examples=20, deadline=None)
def test_a_cell_that_nearly_fits_is_kept_and_so_are_the_units(stretch: float, bend: float) -> None:
    cell = Cell.fromcellpar([7, 7 * (1 + stretch), 9, 90, 90 + bend, 90])
    axes = choices_of_axes(92, cell)
    assert len(axes)
    setting = setting_of(92, cell, axes[0])
    atoms = in_given_cell(crystal_in(92, setting), setting)
    assert_allclose(atoms.cell.cellpar(), cell.cellpar())
    for of_unit in Members.of(atoms).atoms:
        at = atoms.positions[of_unit]
        lengths = [np.linalg.norm(at[i] - at[j]) for i, j in LOPSIDED.bonds]
        assert_allclose(lengths, LOPSIDED.bond_lengths, atol=1e-6)
    assert not len(choices_of_axes(92, Cell.fromcellpar([7, 7.2, 9, 90, 90, 90])))
