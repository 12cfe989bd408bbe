"""Random crystals of units: their space group, shapes and distances, in every group."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.cell import Cell
from numpy.testing import assert_allclose

from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import UnitError
from gencsp.proposers.crystals.lattice import bravais
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import UNIT, UnitCrystal
from gencsp.proposers.units.random_units import UnitRecipe, draw_unit_crystals
from gencsp.proposers.units.separations import least_between, require_room
from gencsp.proposers.units.unit_sites import (
    can_hold_units,
    draw_letters,
    options,
    site_group,
    unit_site,
)
from gencsp.symmetry.answers import answer
from gencsp.units.formulas import atom
from gencsp.units.lookup import get_unit
from gencsp.units.members import Members
from gencsp.units.point_group import keeps
from gencsp.units.unit import RigidUnit

ELEMENTS = ("Na", "N", "H", "C", "O", "S")
LEAST = least_between(ELEMENTS)
#: Taken in turn for the groups, so that all kinds of point groups meet all groups' kinds.
MOLECULES = ("NH2", "SO4", "CO2", "H3O", "C2O4")


def order(space_group: int) -> int:
    """Operations of a space group in its primitive cell."""
    return max(site.multiplicity for site in sites(space_group).values())


def recipe(
    space_group: int, units: tuple[RigidUnit, ...], counts: tuple[int, ...], seed: int = 0
) -> UnitRecipe:
    n_atoms = sum(unit.size * n for unit, n in zip(units, counts, strict=True))
    return UnitRecipe(
        space_group=space_group,
        units=units,
        counts=counts,
        elements=ELEMENTS,
        least=LEAST,
        rng=np.random.default_rng([space_group, seed]),
        volume=25.0 * n_atoms,
    )


def smallest_margin(atoms: Atoms) -> float:
    """By how much atoms of different units are further apart than they must be, Å, at least.

    All pairs in 125 cells, one by one: slow and simple.
    """
    kinds = np.array([ELEMENTS.index(symbol) for symbol in atoms.symbols])
    least = LEAST[kinds[:, None], kinds]
    unit = atoms.get_array(UNIT)
    worst = np.inf
    for step in product(range(-2, 3), repeat=3):
        apart = np.linalg.norm(
            atoms.positions[:, None] - atoms.positions - np.array(step) @ atoms.cell.array, axis=-1
        )
        own = (unit[:, None] == unit) & (step == (0, 0, 0))
        worst = min(worst, float(np.where(own, np.inf, apart - least).min()))
    return worst


def operations(atoms: Atoms) -> int:
    found = answer(
        spglib.get_symmetry,
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers),
        symprec=0.01,
    )
    assert found is not None
    return len(found["rotations"])


def assert_sound(crystal: UnitCrystal) -> None:
    """Units whole and undistorted, on sites that they can have, with the whole space group."""
    atoms = crystal.atoms()
    unit_of = atoms.info["unit_names"].split(";")
    by_name = {unit.name: unit for unit in crystal.units}
    for number, of_unit in enumerate(Members.of(atoms).atoms):
        unit = by_name[unit_of[number]]
        at = atoms.positions[of_unit]
        bonds = np.array(unit.bonds, dtype=int).reshape(-1, 2)
        lengths = np.linalg.norm(at[bonds[:, 0]] - at[bonds[:, 1]], axis=1)
        assert_allclose(lengths, unit.bond_lengths, atol=1e-6)
    for placement in crystal.placements:
        group = site_group(crystal.space_group, placement.letter)
        seen = placement.rotation.T @ group @ placement.rotation
        assert keeps(crystal.units[placement.unit], seen, tolerance=1e-5).all()
    assert operations(atoms) >= order(crystal.space_group)
    assert operations(atoms) % order(crystal.space_group) == 0


@pytest.mark.parametrize("first", range(1, 231, 10))
def test_every_space_group_on_general_and_special_positions(first: int) -> None:
    made = 0
    for space_group in range(first, min(first + 10, 231)):
        unit = get_unit(MOLECULES[space_group % len(MOLECULES)])
        general = order(space_group)
        for n in (general, general // 2 or 1):
            wanted = recipe(space_group, (unit,), (n,))
            if not can_hold_units(space_group, (unit,), (n,)):
                assert draw_unit_crystals([wanted]) == [None]
                continue
            (crystal,) = draw_unit_crystals([wanted])
            if crystal is None:
                continue
            made += 1
            assert _counts(crystal) == [n]
            assert_sound(crystal)
            if space_group % 5 == 0:
                assert smallest_margin(crystal.atoms()) > -1e-9
    assert made >= 6


def test_several_kinds_of_units_and_atoms_keep_their_distances() -> None:
    units = (get_unit("NH2"), atom("Na"))
    for space_group, n in ((1, 4), (14, 4), (43, 2), (70, 4), (62, 4), (122, 4), (2, 6)):
        (crystal,) = draw_unit_crystals([recipe(space_group, units, (n, n))])
        assert crystal is not None, space_group
        assert _counts(crystal) == [n, n]
        assert_sound(crystal)
        assert smallest_margin(crystal.atoms()) > -1e-9


def test_a_crystal_does_not_depend_on_those_drawn_with_it() -> None:
    units = (get_unit("SO4"), atom("Na"))
    groups = (14, 62, 122)
    alone = [draw_unit_crystals([recipe(g, units, (2, 4), seed=1)])[0] for g in groups]
    together = draw_unit_crystals([recipe(g, units, (2, 4), seed=1) for g in groups])
    other = draw_unit_crystals([recipe(g, units, (2, 4), seed=2) for g in groups])
    for one, two, three in zip(alone, together, other, strict=True):
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            assert_allclose(one.atoms().positions, two.atoms().positions)
            assert (
                three is None
                or not np.allclose(one.cell.cellpar(), three.cell.cellpar(), atol=1e-3)
                or bravais(one.space_group)[0] == "c"
            )


def test_a_fixed_cell_is_kept() -> None:
    cell = Cell.fromcellpar([8.95, 10.46, 8.07, 90, 90, 90])
    units = (get_unit("NH2"), atom("Na"))
    fixed = UnitRecipe(
        space_group=70,
        units=units,
        counts=(4, 4),
        elements=ELEMENTS,
        least=LEAST,
        rng=np.random.default_rng(0),
        cell=cell,
    )
    (crystal,) = draw_unit_crystals([fixed])
    assert crystal is not None
    assert_allclose(crystal.cell.array, cell.array)
    assert_sound(crystal)


def test_no_room_is_none_and_not_an_error() -> None:
    units = (get_unit("NH2"), atom("Na"))
    tight = UnitRecipe(
        space_group=2,
        units=units,
        counts=(4, 4),
        elements=ELEMENTS,
        least=LEAST,
        rng=np.random.default_rng(0),
        volume=30.0,
    )
    assert draw_unit_crystals([tight], attempts=3) == [None]


def test_positions_that_hold_a_unit() -> None:
    """Pm-3m: a sulfate ion has no centre, and can have the cubic site of no position there."""
    sulfate, octahedron = get_unit("SO4"), get_unit("PF6")
    letters = {letter for letter, _, _ in options(221, sulfate)}
    assert not letters & {"a", "b", "c", "d"}
    assert {"a", "b", "c", "d"} <= {letter for letter, _, _ in options(221, octahedron)}
    # One orbit each on the two cubic sites, and no third unit.
    assert can_hold_units(221, (octahedron,), (2,))
    assert not can_hold_units(221, (octahedron, octahedron, octahedron), (1, 1, 1))
    assert not can_hold_units(221, (sulfate,), (1,))
    with pytest.raises(UnitError, match="no positions"):
        draw_letters(221, (sulfate,), (1,), np.random.default_rng(0))
    assert unit_site(221, "a", sulfate).families == ()


def test_letters_make_the_numbers_asked_for() -> None:
    rng = np.random.default_rng(0)
    units = (get_unit("PF6"), atom("Na"))
    for _ in range(20):
        drawn = draw_letters(225, units, (1, 3), rng)
        totals = [0, 0]
        for k, letter in drawn:
            totals[k] += sites(225)[letter].multiplicity
        assert totals == [1, 3]
        # A position without free coordinates is taken once.
        rigid = [letter for _, letter in drawn if sites(225)[letter].n_free == 0]
        assert len(rigid) == len(set(rigid))


def test_least_distances_of_metals_and_nonmetals() -> None:
    given = LeastDistances.parse("H-O=1.5")
    least = least_between(("Na", "O", "H"), separation=0.8, unbonded=1.3, given=given)
    assert_allclose(least[0], [0.8 * 3.32, 0.8 * 2.32, 0.8 * 1.97])
    assert_allclose(least[1, 1:], [1.3 * 1.32, 1.5])
    assert_allclose(least, least.T)


def test_cells_that_cannot_hold_the_units() -> None:
    benzene = get_unit("C6H6")
    with pytest.raises(UnitError, match="cannot hold 4 C6H6, which take at least"):
        require_room(Cell.new([3.5, 3.5, 3.5]), (benzene,), (4,), ELEMENTS, LEAST)
    with pytest.raises(UnitError, match="'C6H6' is too large for the cell"):
        require_room(Cell.new([2.5, 3.5, 30]), (benzene,), (1,), ELEMENTS, LEAST)
    # Rings can be stacked, as far apart as their thickness is.
    require_room(Cell.new([2.5, 8, 8]), (benzene,), (1,), ELEMENTS, LEAST)
    with pytest.raises(UnitError, match=r"repeats after 2\.00 Å"):
        require_room(Cell.new([2, 40, 40]), (atom("Na"),), (1,), ELEMENTS, LEAST)
    require_room(Cell.new([7.4, 9.4, 6.8]), (benzene,), (4,), ELEMENTS, LEAST)


def test_the_volume_of_units_is_that_of_their_overlapping_spheres() -> None:
    """Two spheres of radius r at a distance d < 2r share a lens."""
    unit = get_unit("CN")
    least = np.full((2, 2), 2.4)
    r, d = 1.2, 1.177
    lens = np.pi * (4 * r + d) * (2 * r - d) ** 2 / 12
    volume = 8 / 3 * np.pi * r**3 - lens
    for share, fits in ((1.03, True), (0.97, False)):
        cell = Cell.new([(2 * volume * share) ** (1 / 3)] * 3)
        if fits:
            require_room(cell, (unit,), (2,), ("C", "N"), least)
        else:
            with pytest.raises(UnitError, match="cannot hold"):
                require_room(cell, (unit,), (2,), ("C", "N"), least)


def _counts(crystal: UnitCrystal) -> list[int]:
    """Units of each kind in the primitive cell."""
    names = crystal.atoms().info["unit_names"].split(";")
    return [names.count(unit.name) for unit in crystal.units]
