"""Random crystals of units for tests: every group, general and special positions."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring, space_group_lattice
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import Placement, UnitCrystal, cartesian, site_operations
from gencsp.proposers.units.first_points import first_point
from gencsp.proposers.units.normalizer import general_position
from gencsp.proposers.units.orientations import families
from gencsp.units.point_group import point_group
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]


def bent(name: str, centre: str, ends: str, length: float, angle: float) -> RigidUnit:
    """A bent molecule of three atoms."""
    half = np.radians(angle / 2)
    end = length * np.array([np.sin(half), 0.0, np.cos(half)])
    at = np.array([np.zeros(3), end, end * [-1, 1, 1]])
    return RigidUnit(name, (centre, ends, ends), at, ((0, 1), (0, 2)))


NA = RigidUnit.atom("Na")
NH2 = bent("NH2", "N", "H", 1.03, 104.0)
CO2 = RigidUnit(
    "CO2", ("C", "O", "O"), np.array([[0, 0, 0], [0, 0.6, 1], [0, -0.6, -1]]), ((0, 1), (0, 2))
)
_CORNERS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.7
BH4 = RigidUnit(
    "BH4", ("B", *"HHHH"), np.vstack((np.zeros(3), _CORNERS)), tuple((0, k) for k in range(1, 5))
)
#: Chiral: no operation takes it to its mirror image.
CHFClBr = RigidUnit(
    "CHFClBr",
    ("C", "H", "F", "Cl", "Br"),
    np.vstack((np.zeros(3), _CORNERS * np.array([[0.9], [1.1], [1.4], [1.6]]))),
    tuple((0, k) for k in range(1, 5)),
)
UNITS = (NA, NH2, CO2, BH4, CHFClBr)


def site_rotation(unit: RigidUnit, site: Array, rng: np.random.Generator) -> Array | None:
    """Some orientation of a unit with the symmetry of a site; ``None`` if it has none."""
    found = families(unit, site)
    if not found:
        return None
    family = found[rng.integers(len(found))]
    operations = point_group(unit).operations
    return np.asarray(
        family.rotation_of(family.draw(rng)) @ operations[rng.integers(len(operations))]
    )


def random_unit_crystal(
    group: int,
    *,
    rng: np.random.Generator,
    letters: str | None = None,
    units: tuple[RigidUnit, ...] = UNITS,
    kinds: tuple[int, ...] = (0, 1),
) -> UnitCrystal:
    """A crystal of some units on some positions; a unit that has not the symmetry is left out."""
    table = sites(group)
    cell = space_group_lattice(group, volume=400.0, rng=rng)
    placements = []
    for k, kind in enumerate(kinds):
        letter = letters[k] if letters else general_position(group).letter
        first = first_point(group, letter)
        centre = first.point(rng.random((1, first.basis.shape[1]))[0])
        site = cartesian(site_operations(group, letter)[0], cell)
        rotation = np.eye(3) if units[kind].is_atom else site_rotation(units[kind], site, rng)
        if rotation is not None:
            placements.append(Placement(kind, table[letter].letter, centre, rotation))
    return UnitCrystal(group, cell, units, tuple(placements))


def redescribed(crystal: UnitCrystal, rng: np.random.Generator) -> UnitCrystal:
    """The same crystal from other images, with units turned onto themselves, in another order."""
    general = general_position(crystal.space_group)
    basis = PRIMITIVE[centring(crystal.space_group)]
    placements = []
    for k in rng.permutation(len(crystal.placements)):
        one = crystal.placements[k]
        first = first_point(crystal.space_group, one.letter)
        turns = cartesian(general.rotations, crystal.cell)
        choices = []
        for rotation, translation, turn in zip(
            general.rotations, general.translations, turns, strict=True
        ):
            image = rotation @ one.centre + translation
            for step in rng.integers(-1, 2, (6, 3)):
                moved = image + step @ basis
                if np.abs((moved - first.origin) @ first.across.T).max() < 1e-9:
                    choices.append((moved, turn))
        operations = point_group(crystal.units[one.unit]).operations
        turn_self = operations[rng.integers(len(operations))]
        centre, turn = choices[rng.integers(len(choices))] if choices else (one.centre, np.eye(3))
        placements.append(Placement(one.unit, one.letter, centre, turn @ one.rotation @ turn_self))
    return UnitCrystal(crystal.space_group, crystal.cell, crystal.units, tuple(placements))


def apart(one: Atoms, other: Atoms) -> float:
    """How far each atom of a crystal is from an atom of its element in another, at most, Å."""
    assert len(one) == len(other)
    to_one = np.linalg.inv(one.cell.array)
    basis = other.cell.array @ to_one
    np.testing.assert_allclose(basis, np.round(basis), atol=1e-7)
    assert abs(abs(np.linalg.det(basis)) - 1) < 1e-6
    largest = 0.0
    for number in set(one.numbers.tolist()):
        points = [
            atoms.positions[atoms.numbers == number] @ to_one % 1 % 1 for atoms in (one, other)
        ]
        trees = [cKDTree(p, boxsize=1.0) for p in points]
        for tree, queries in ((trees[0], points[1]), (trees[1], points[0])):
            _, nearest = tree.query(queries)
            steps = queries - tree.data[nearest]
            steps = (steps - np.round(steps)) @ one.cell.array
            largest = max(largest, float(np.linalg.norm(steps, axis=1).max()))
    return largest
