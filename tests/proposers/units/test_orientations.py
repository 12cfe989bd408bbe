"""Orientations on special positions: all of them, and nothing else; PyXtal's beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pymatgen.core import Molecule
from pyxtal.molecule import pyxtal_molecule
from pyxtal.symmetry import Group
from scipy.spatial.transform import Rotation

from gencsp.errors import UnitError
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.orientations import families, family_of
from gencsp.proposers.units.unit_sites import site_group
from gencsp.units.lookup import get_unit
from gencsp.units.point_group import keeps, point_group
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Chiral: H2C=C=CH2 with its ends at 30°, and one without any symmetry.
TWISTED = RigidUnit(
    "twisted",
    ("C", "C", "C", "H", "H", "H", "H"),
    np.array(
        [[0, 0, 0], [0, 0, 1.31], [0, 0, -1.31], [0.93, 0, 1.87], [-0.93, 0, 1.87]]
        + [[s * 0.93 * np.cos(np.pi / 6), s * 0.93 * np.sin(np.pi / 6), -1.87] for s in (1, -1)]
    ),
    ((0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)),
)
UNITS = [get_unit(n) for n in ("NH2", "CO2", "CN", "H3O", "SO4", "PF6", "C6H6", "C2O4")]
UNITS.append(TWISTED)
NAMES = [unit.name for unit in UNITS]

#: One site of each kind of site group, by its operations.
_EVERY: dict[bytes, tuple[int, str]] = {}
for _group in (1, 2, 3, 6, 10, 16, 25, 47, 75, 81, 83, 89, 99, 111, 115, 123, 143, 147, 149, 150,
               156, 157, 162, 164, 168, 174, 175, 177, 183, 187, 189, 191, 195, 200, 207, 215,
               221):  # fmt: skip
    for _letter in sites(_group):
        _key = np.round(np.sort(site_group(_group, _letter).reshape(-1, 9), axis=0), 6).tobytes()
        _EVERY.setdefault(_key, (_group, _letter))
SITES = list(_EVERY.values())


@pytest.mark.parametrize("unit", UNITS, ids=NAMES)
def test_every_orientation_keeps_the_site_group(unit: RigidUnit) -> None:
    rng = np.random.default_rng(0)
    group = point_group(unit)
    for space_group, letter in SITES:
        site = site_group(space_group, letter)
        found = families(unit, site)
        for k, family in enumerate(found):
            parameters = family.draw(rng)
            rotation = family.rotation_of(parameters)
            assert np.linalg.det(rotation) == pytest.approx(1)
            assert keeps(unit, rotation.T @ site @ rotation, tolerance=1e-6).all()
            assert_allclose(family.rotation_of(family.parameters_of(rotation)), rotation, atol=1e-9)
            if k > 2:
                continue
            # Any equal orientation is found again, in the same family, turned least.
            equal = rotation @ group.operations[rng.integers(len(group.operations))]
            if group.axis is not None:
                equal = equal @ Rotation.from_rotvec(rng.random() * group.axis).as_matrix()
            index, again = family_of(unit, site, equal)
            assert index == k
            there = found[index].rotation_of(again).T @ equal
            assert keeps(unit, there[None], tolerance=1e-6)[0]
            assert np.linalg.norm(again) <= np.linalg.norm(parameters) + 1e-6
        if not found:
            with pytest.raises(UnitError, match="does not have this orientation"):
                family_of(unit, site, np.eye(3))


@pytest.mark.parametrize("name", ["NH2", "H3O", "SO4", "C2O4"])
def test_as_many_as_pyxtal_finds(name: str) -> None:
    """PyXtal, except on hexagonal axes, where it misses some that keep the site group."""
    unit = get_unit(name)
    theirs = pyxtal_molecule(Molecule(unit.symbols, unit.positions), random_state=0)
    free = {0: 0, 1: 1, 2: 3}
    for number in (2, 25, 62, 70, 115, 205):
        for position in Group(number):
            ours = families(unit, site_group(number, position.letter))
            wanted = theirs.get_orientations_in_wp(position)
            found = sorted(one.n_free for one in ours)
            assert found == sorted(free[one.degrees] for one in wanted), (number, position.letter)


@pytest.mark.parametrize("name", ["NH2", "SO4"])
def test_no_orientation_is_missed(name: str) -> None:
    """The nearest of many random rotations that nearly keeps the site group is in a family.

    A search that knows nothing of axes: rotations are drawn evenly, those after which all
    operations send atoms near atoms are kept, and a family must come as near to each.
    """
    unit = get_unit(name)
    drawn = Rotation.random(400, rng=np.random.default_rng(5)).as_matrix()
    met = 0
    for space_group, letter in SITES[1::6]:
        site = site_group(space_group, letter)
        seen = np.einsum("nji,sjk,nkl->nsil", drawn, site, drawn)
        near = np.array([keeps(unit, one, tolerance=0.25 * unit.radius).all() for one in seen])
        met += int(near.sum())
        for rotation in drawn[near][:6]:
            assert _nearest(unit, site, rotation) < 0.5, (space_group, letter)
    assert met > 10, "too few of the rotations are near any"


def _nearest(unit: RigidUnit, site: Array, rotation: Array) -> float:
    """Smallest turn, radians, from a rotation to one of the families, modulo the unit's own."""
    best = np.inf
    group = point_group(unit)
    own = group.rotations
    if group.axis is not None:
        about = Rotation.from_rotvec(np.linspace(0, 2 * np.pi, 60)[:, None] * group.axis)
        own = (own[:, None] @ about.as_matrix()).reshape(-1, 3, 3)
    for family in families(unit, site):
        angles = np.linspace(-np.pi, np.pi, 90) if family.n_free == 1 else [0.0]
        for angle in angles:
            parameters = np.array([angle]) if family.n_free == 1 else family.parameters_of(rotation)
            there = family.rotation_of(parameters) @ own @ rotation.T
            cosine = (np.trace(there, axis1=1, axis2=2) - 1) / 2
            best = min(best, float(np.arccos(np.clip(cosine, -1, 1)).min()))
    return best


@given(seed=st.integers(0, 10**6), where=st.integers(0, len(SITES) - 1), which=st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_a_turned_site_has_the_same_orientations_turned(seed: int, where: int, which: int) -> None:
    """Nothing depends on how the axes of the site lie in space."""
    unit, (space_group, letter) = UNITS[which], SITES[where]
    rng = np.random.default_rng(seed)
    turn = Rotation.random(rng=rng).as_matrix()
    site = site_group(space_group, letter)
    turned = turn @ site @ turn.T
    ours, theirs = families(unit, site), families(unit, turned)
    assert sorted(one.n_free for one in ours) == sorted(one.n_free for one in theirs)
    met = {family_of(unit, turned, turn @ one.rotation_of(one.draw(rng)))[0] for one in ours}
    assert met == set(range(len(theirs)))


def test_known_cases() -> None:
    water, line = get_unit("NH2"), get_unit("CO2")
    # Fddd: an amide ion on a twofold axis points up or down it, at any angle about it.
    axis = site_group(70, "g")
    assert [one.n_free for one in families(water, axis)] == [1, 1]
    # A centre of inversion takes CO2 in any direction, and no amide ion.
    centre = site_group(2, "a")
    assert [one.n_free for one in families(line, centre)] == [3]
    assert families(water, centre) == ()
    # Pa-3, the structure of CO2: along the one threefold axis.
    assert [one.n_free for one in families(line, site_group(205, "a"))] == [0]
    atom = RigidUnit.atom("Na")
    assert [one.n_free for one in families(atom, site_group(221, "a"))] == [0]
    # A chiral unit has no orientation on a mirror, and none of the other hand.
    assert families(TWISTED, site_group(6, "a")) == ()
    with pytest.raises(UnitError):
        family_of(TWISTED, site_group(1, "a"), -np.eye(3))
