"""Vectors of crystals of units: round trips, and one description for all equal ones."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from crystals_of_units import BH4, CO2, NA, NH2, UNITS, apart, random_unit_crystal, redescribed
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from gencsp.errors import UnitError
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.arrangement import Arrangement, laid_upon
from gencsp.proposers.units.canonical import canonical, described, orbits_of
from gencsp.proposers.units.crystal import Placement, UnitCrystal, cartesian
from gencsp.proposers.units.descriptor import (
    ENCODINGS,
    N_LATTICE,
    Descriptor,
    Encoding,
    euler_angles,
    orthogonalised,
    rotation_of,
)
from gencsp.proposers.units.first_points import first_point, images_on
from gencsp.proposers.units.normalizer import (
    discrete_shifts,
    general_position,
    polar_projector,
)
from gencsp.proposers.units.relaxed import rigid_fit
from gencsp.units.unit import RigidUnit

GROUPS = range(1, 231)


def some_crystal(group: int, seed: int = 0) -> UnitCrystal:
    """An atom and a molecule on positions drawn from all that the group has."""
    rng = np.random.default_rng([group, seed])
    while True:
        letters = "".join(rng.choice(list(sites(group)), size=2))
        kinds = (0, int(rng.integers(1, len(UNITS))))
        crystal = random_unit_crystal(group, rng=rng, letters=letters, kinds=kinds)
        if len(crystal.placements) == 2:  # else the site does not suit the molecule
            return crystal


@pytest.mark.parametrize("group", GROUPS)
def test_crystals_come_back_from_their_vectors(group: int) -> None:
    """Decoded vectors give the crystal, with other descriptions of it giving the same vector."""
    crystal = some_crystal(group)
    rng = np.random.default_rng(group)
    preferred = canonical(crystal)
    other = redescribed(crystal, rng)
    assert apart(crystal.atoms(), other.atoms()) < 1e-6
    for encoding in ENCODINGS:
        descriptor = Descriptor(UNITS, encoding)
        arrangement, z = descriptor.encode(crystal)
        assert len(z) == descriptor.length(arrangement)
        assert apart(descriptor.decode(arrangement, z).atoms(), preferred.atoms()) < 1e-6
    again, same = descriptor.encode(other)
    assert again == arrangement
    assert_allclose(same, z, atol=1e-5)


@pytest.mark.parametrize("group", range(1, 231, 6))
def test_a_shift_of_the_origin_changes_no_vector(group: int) -> None:
    crystal = some_crystal(group, seed=1)
    rng = np.random.default_rng(group)
    shifts = discrete_shifts(group)
    shift = shifts[rng.integers(len(shifts))] + polar_projector(group) @ rng.random(3)
    shifted = _with_origin(crystal, shift)
    # They are one crystal, before it matters how it is described.
    moved = crystal.atoms()
    moved.positions += shift @ crystal.cell.array
    assert apart(shifted.atoms(), moved) < 1e-6
    descriptor = Descriptor(UNITS)
    arrangement, z = descriptor.encode(crystal)
    again, same = descriptor.encode(shifted)
    assert again == arrangement
    assert_allclose(same, z, atol=1e-5)


@pytest.mark.parametrize("group", range(1, 231, 6))
def test_equal_crystals_have_equal_wrapped_numbers_but_for_whole_periods(group: int) -> None:
    crystal = some_crystal(group)
    descriptor = Descriptor(UNITS, "wrapped")
    arrangement, z = descriptor.encode(crystal)
    again, other = descriptor.encode(redescribed(crystal, np.random.default_rng(group)))
    assert again == arrangement
    periods = [np.zeros(N_LATTICE), *(descriptor.periods(o.unit) for o in arrangement.orbits)]
    period = np.concatenate(periods)
    assert len(period) == len(z)
    around = period > 0
    turns = (other - z)[around] / period[around]
    assert_allclose(turns, np.round(turns), atol=1e-5)
    assert_allclose(other[~around], z[~around], atol=1e-5)
    # What has a period may have any number of it added.
    turned = z + period * np.random.default_rng(group).integers(-3, 4, len(z))
    found = descriptor.decode(arrangement, turned)
    assert apart(found.atoms(), canonical(crystal).atoms()) < 1e-6


def test_only_wrapped_numbers_have_periods() -> None:
    """Of coordinates and of the first and third Euler angle."""
    for encoding in ENCODINGS:
        descriptor = Descriptor(UNITS, encoding)
        for unit in range(len(UNITS)):
            periods = descriptor.periods(unit)
            assert len(periods) == descriptor.size(unit)
            full = [1, 1, 1, 2 * np.pi, 0, 2 * np.pi] if encoding == "wrapped" else [0] * 12
            assert_allclose(periods, full[: len(periods)])


def _with_origin(crystal: UnitCrystal, shift: np.ndarray) -> UnitCrystal:
    """The crystal described from another origin: letters can change, such as a and b of P-1."""
    group = crystal.space_group
    turns = cartesian(general_position(group).rotations, crystal.cell)
    placements = []
    for one in crystal.placements:
        own = sites(group)[one.letter]
        for letter, site in sites(group).items():
            if (site.multiplicity, site.n_free) == (own.multiplicity, own.n_free):
                operation, free = images_on(group, letter, one.centre + shift)
                if len(operation):
                    centre = first_point(group, letter).point(free[-1])
                    turn = turns[operation[-1]] @ one.rotation
                    placements.append(Placement(one.unit, letter, centre, turn))
                    break
    return UnitCrystal(group, crystal.cell, crystal.units, tuple(placements))


@pytest.mark.parametrize("group", range(1, 231, 3))
def test_shifts_of_the_origin_keep_every_operation(group: int) -> None:
    """Each operation, moved with the origin, is one of the group; the identity shift is first."""
    general = general_position(group)
    basis = np.linalg.inv(PRIMITIVE[centring(group)])
    shifts = discrete_shifts(group)
    assert not shifts[0].any()
    along = polar_projector(group) @ np.array([0.123, 0.377, 0.291])
    for shift in (*shifts, along):
        moved = (shift - general.rotations @ shift) @ basis
        assert_allclose(moved, np.round(moved), atol=1e-9)


@pytest.mark.parametrize(
    ("group", "n"),
    # International Tables A, table 3.5.2.3: lattices of the normalizers P(2a,2b,2c), of Pnnn for
    # Fddd, of 1/3 along the diagonal for P3, of half of c for P6_3/mmc and F-centred cubic ones.
    [(2, 8), (4, 4), (19, 8), (47, 8), (70, 2), (143, 3), (194, 2), (225, 2), (227, 2)],
)
def test_there_are_as_many_shifts_as_in_the_tables(group: int, n: int) -> None:
    assert len(discrete_shifts(group)) == n


def test_polar_groups_have_their_origin_at_the_first_unit() -> None:
    crystal = random_unit_crystal(4, rng=np.random.default_rng(0), kinds=(0, 0, 1))
    first = canonical(crystal).placements[0]
    assert first.unit == 0
    assert abs(first.centre[1]) < 1e-9


def test_a_symmetric_unit_is_never_mirrored_and_a_chiral_one_where_it_must() -> None:
    rng = np.random.default_rng(1)
    crystal = random_unit_crystal(19, rng=rng, kinds=(1, 4))
    mirrored = tuple(
        Placement(one.unit, one.letter, one.centre, -one.rotation) for one in crystal.placements
    )
    other = UnitCrystal(19, crystal.cell, crystal.units, mirrored)
    assert [one.mirrored for one in Arrangement.of(other).orbits] == [False, True]
    in_centric = UnitCrystal(14, crystal.cell, crystal.units, other.placements[1:])
    letter = general_position(14).letter
    in_centric = UnitCrystal(
        14,
        crystal.cell,
        crystal.units,
        tuple(Placement(p.unit, letter, p.centre, p.rotation) for p in in_centric.placements),
    )
    assert not Arrangement.of(in_centric).orbits[0].mirrored


@pytest.mark.parametrize("group", [6, 27, 42, 99, 160, 189, 216, 229])
def test_what_the_preferred_description_says_of_orbits_is_so(group: int) -> None:
    crystal = some_crystal(group, seed=2)
    assert orbits_of(canonical(crystal)) == tuple(one.orbit for one in described(crystal))


angle = st.floats(-np.pi, np.pi)


@given(alpha=angle, beta=st.sampled_from([0.0, np.pi, 1e-9, 1.0]) | angle, gamma=angle)
@settings(max_examples=60, deadline=None)
def test_rotations_come_back_from_angles_and_columns(
    alpha: float, beta: float, gamma: float
) -> None:
    """Gimbal lock included, against scipy's Euler angles."""
    wanted = Rotation.from_euler("ZYZ", [alpha, beta, gamma]).as_matrix()
    assert_allclose(rotation_of(np.array([alpha, beta, gamma])), wanted, atol=1e-12)
    found = euler_angles(wanted)
    assert 0 <= found[1] <= np.pi
    assert_allclose(rotation_of(found), wanted, atol=2e-7)
    assert_allclose(orthogonalised(wanted[:, :2].T.ravel()), wanted, atol=1e-12)


@pytest.mark.parametrize("columns", [np.zeros(6), np.array([1.0, 2, 3, 2, 4, 6]), np.eye(6)[0]])
def test_any_six_numbers_make_a_rotation(columns: np.ndarray) -> None:
    found = orthogonalised(columns)
    assert_allclose(found @ found.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found) > 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("group", [36, 62, 70, 131, 166, 217])
def test_noisy_vectors_give_crystals_of_the_arrangement(group: int, encoding: Encoding) -> None:
    """Special positions and site symmetries hold exactly whatever the numbers are."""
    crystal = some_crystal(group, seed=3)
    descriptor = Descriptor(UNITS, encoding)
    arrangement, z = descriptor.encode(crystal)
    noisy = z + 0.05 * np.random.default_rng(0).standard_normal(z.shape)
    found = descriptor.decode(arrangement, noisy)
    atoms = found.atoms()
    assert len(atoms) == len(crystal.atoms())
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    operations = spglib.get_symmetry(cell, symprec=1e-5)["rotations"]
    # A subgroup would have fewer; more there may be by chance of the position alone.
    order = general_position(group).multiplicity
    assert len(operations) % order == 0


@pytest.mark.parametrize(("first", "second"), [(0.0, 90.0), (5.0, 300.0)])
def test_impossible_lattices_are_refused(first: float, second: float) -> None:
    crystal = some_crystal(1)
    descriptor = Descriptor(UNITS)
    arrangement, z = descriptor.encode(crystal)
    z[0], z[3], z[4] = first, second, 10.0
    with pytest.raises(UnitError, match="no lattice"):
        descriptor.decode(arrangement, z)


@pytest.mark.parametrize("group", range(3, 231, 7))
def test_rigid_units_are_laid_upon_relaxed_ones(group: int) -> None:
    """A relaxation that keeps the group is followed: cell, centres, turns, in another frame."""
    crystal = some_crystal(group, seed=4)
    rng = np.random.default_rng(group)
    descriptor = Descriptor(UNITS, "rotation")
    arrangement = Arrangement.as_given(crystal)
    cell = crystal.cell
    moved = arrangement.crystal(
        UNITS,
        type(cell)(cell.array * 1.01),
        np.array([p.centre for p in crystal.placements]) + rng.normal(0, 0.003, (1, 3)),
        np.array(
            [
                Rotation.from_rotvec(rng.normal(0, 0.02, 3)).as_matrix()
                @ (p.rotation * np.sign(np.linalg.det(p.rotation)))
                for p in crystal.placements
            ]
        ),
    )
    before = crystal.atoms()
    # The relaxed crystal in the basis of the cell that was relaxed, in a turned frame, wrapped.
    relaxed = before.copy()
    relaxed.set_cell(before.cell.array * 1.01)
    relaxed.positions = _near(moved.atoms(), before)
    turn = Rotation.random(rng=rng).as_matrix()
    relaxed.set_cell(relaxed.cell.array @ turn.T)
    relaxed.positions = relaxed.positions @ turn.T
    relaxed.wrap()
    fit = rigid_fit(crystal, relaxed)
    assert fit.largest < 1e-6
    assert apart(fit.crystal.atoms(), moved.atoms()) < 1e-6
    assert descriptor.encode(fit.crystal)[0] == descriptor.encode(moved)[0]


def _near(found: Atoms, before: Atoms) -> np.ndarray:
    """Positions of a crystal's atoms next to where a slightly different one has them."""
    inverse = np.linalg.inv(found.cell.array)
    steps = found.positions @ inverse - before.positions * 1.01 @ inverse
    near = before.positions * 1.01 + (steps - np.round(steps)) @ found.cell.array
    return np.asarray(near)


def test_the_misfit_of_a_distorted_unit_is_told() -> None:
    crystal = random_unit_crystal(19, rng=np.random.default_rng(3), units=(NA, NH2))
    relaxed = crystal.atoms()
    hydrogen = int(np.flatnonzero(relaxed.numbers == 1)[0])
    relaxed.positions[hydrogen] += [0.3, 0, 0]
    fit = rigid_fit(crystal, relaxed)
    assert 0.1 < fit.largest < 0.3
    assert 0 < fit.rms < fit.largest
    bonds = np.linalg.norm(np.diff(fit.crystal.units[1].positions[:2], axis=0))
    assert_allclose(bonds, 1.03)


def test_relaxed_atoms_must_say_their_units() -> None:
    crystal = random_unit_crystal(19, rng=np.random.default_rng(3), units=(NA, NH2))
    bare = crystal.atoms()
    del bare.arrays["unit"]
    with pytest.raises(UnitError, match="unit_atom"):
        rigid_fit(crystal, bare)
    other = crystal.atoms()
    other.numbers[0] = 3
    with pytest.raises(UnitError, match="not those"):
        rigid_fit(crystal, other)
    flat = crystal.atoms()
    flat.set_cell([[1, 0, 0], [2, 0, 0], [0, 0, 1.0]])
    with pytest.raises(UnitError, match="no cell"):
        rigid_fit(crystal, flat)


@pytest.mark.parametrize("unit", [NH2, CO2, BH4])
@pytest.mark.parametrize("mirrors", [False, True])
def test_units_are_laid_upon_points(unit: RigidUnit, mirrors: bool) -> None:
    rng = np.random.default_rng(0)
    turn = Rotation.random(rng=rng).as_matrix() * (-1 if mirrors else 1)
    start = Rotation.from_rotvec([0.1, -0.2, 0.1]).as_matrix() @ turn
    target = unit.positions @ turn.T
    found = laid_upon(unit.positions, target, start)
    assert_allclose(unit.positions @ found.T, target, atol=1e-7)
    assert np.sign(np.linalg.det(found)) == np.sign(np.linalg.det(turn))
