"""Crystals of rigid units: what the space group makes of one placement."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring, space_group_lattice
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import (
    Placement,
    UnitCrystal,
    coset_operations,
    site_operations,
)
from gencsp.units.members import Members
from gencsp.units.unit import RigidUnit

#: A unit without any symmetry, so that only the space group makes one of a crystal.
LOPSIDED = RigidUnit(
    "COSH",
    ("C", "O", "S", "H"),
    np.array([[0.0, 0, 0], [1.2, 0, 0], [-0.7, 1.5, 0], [-0.3, -0.5, 0.9]]),
    ((0, 1), (0, 2), (0, 3)),
)


def in_general_position(group: int, *, seed: int = 0) -> UnitCrystal:
    rng = np.random.default_rng([group, seed])
    letter = max(sites(group).values(), key=lambda one: one.multiplicity).letter
    order = sites(group)[letter].multiplicity
    cell = space_group_lattice(group, volume=150.0 * order, rng=rng)
    turn = Rotation.random(rng=rng).as_matrix()
    return UnitCrystal(group, cell, (LOPSIDED,), (Placement(0, letter, rng.random(3), turn),))


@pytest.mark.parametrize("group", range(1, 231, 4))
def test_a_unit_without_symmetry_shows_exactly_the_space_group(group: int) -> None:
    crystal = in_general_position(group)
    atoms = crystal.atoms()
    found = spglib.get_spacegroup((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers))
    assert found.endswith(f"({group})")
    assert len(atoms) == 4 * len(crystal.images(crystal.placements[0])[0])


@pytest.mark.parametrize("group", [4, 19, 70, 148, 227])
def test_units_are_whole_and_keep_their_shape(group: int) -> None:
    atoms = in_general_position(group).atoms()
    wanted = np.linalg.norm(LOPSIDED.positions[:, None] - LOPSIDED.positions, axis=-1)
    for of_unit in Members.of(atoms).atoms:
        assert atoms[of_unit].get_chemical_symbols() == list(LOPSIDED.symbols)
        at = atoms.positions[of_unit]
        assert_allclose(np.linalg.norm(at[:, None] - at, axis=-1), wanted, atol=1e-9)


@pytest.mark.parametrize("group", range(1, 231, 7))
def test_site_groups_keep_their_points_and_cosets_make_the_orbits(group: int) -> None:
    rng = np.random.default_rng(group)
    order = max(one.multiplicity for one in sites(group).values())
    for letter, site in sites(group).items():
        point = site.rotations[0] @ rng.random(3) + site.translations[0]
        rotations, translations = site_operations(group, letter)
        assert_allclose(rotations @ point + translations, np.tile(point, (len(rotations), 1)))
        assert len(rotations) * site.multiplicity == order
        turns, shifts = coset_operations(group, letter)
        images = turns @ point + shifts
        wanted = site.orbit(np.linalg.lstsq(site.rotations[0], point - site.translations[0])[0])
        assert len(images) == len(wanted)
        # Each point of the table is one of these, but for a vector of the lattice.
        apart = (images[:, None] - wanted) @ np.linalg.inv(PRIMITIVE[centring(group)])
        same = (np.abs(apart - np.round(apart)) < 1e-6).all(axis=-1)
        assert same.any(axis=0).all()
        assert same.any(axis=1).all()
