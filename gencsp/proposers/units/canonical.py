"""One description of a crystal of units among all that mean the same.

A crystal of units can be written in many ways: from any image of a unit that lies on the first
point of its position, with a symmetric unit turned onto itself, with its orbits in any order, and
from any origin that the space group allows. :func:`canonical` chooses one of them, so that equal
crystals have equal descriptors. The supplement on NaNH2 asks for "a consistent and unique encoding"
and takes "the group containing sodium atoms with the lowest site index"; the rules here are those
of :func:`canonical`.

Not chosen among are other settings of the cell (other axes of a monoclinic or triclinic lattice, or
axes in another order where the group allows it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import Placement, UnitCrystal, cartesian, site_operations
from gencsp.proposers.units.first_points import STEP, first_point, images_on
from gencsp.proposers.units.normalizer import (
    centring_vectors,
    discrete_shifts,
    general_position,
    polar_projector,
)
from gencsp.units.point_group import point_group
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

#: How the operations of a site group permute the atoms of a unit: one row for each operation.
Permutations = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Orbit:
    """What is discrete about one orbit of units.

    Attributes:
        unit: which of the units.
        letter: of the Wyckoff position of its centre.
        mirrored: whether the mirror image of the unit is placed; never where the unit, or the
            space group, has an operation that undoes it.
        permutations: for each operation of the site group, in the order of
            :func:`~gencsp.proposers.units.crystal.site_operations`, which atom it takes each atom
            to. It is what sets families of orientations apart: within one a unit can turn without
            leaving its site symmetry. Only the identity in a general position.
    """

    unit: int
    letter: str
    mirrored: bool
    permutations: Permutations


@dataclass(frozen=True, slots=True)
class Described:
    """One orbit in one description, with what it is compared by."""

    orbit: Orbit
    numbers: tuple[int, ...]
    centre: Array
    rotation: Array

    @property
    def rank(self) -> tuple[Any, ...]:
        """Smaller is preferred; the discrete part first."""
        one = self.orbit
        return (one.unit, one.letter, one.mirrored, one.permutations, self.numbers)


def canonical(crystal: UnitCrystal) -> UnitCrystal:
    """The preferred description of a crystal; placements and origin change, nothing else.

    Of the descriptions of an orbit it is the one with the least permutations of atoms, then least
    free coordinates of the centre, each in [0, 1), then the rotation nearest to none; mirror
    images are avoided. Orbits are in order of unit, letter and these numbers. Of all origins, a
    polar one at some orbit of the first unit, it is the one with the least list of these.
    """
    return UnitCrystal(
        crystal.space_group,
        crystal.cell,
        crystal.units,
        tuple(
            Placement(one.orbit.unit, one.orbit.letter, one.centre, one.rotation)
            for one in described(crystal)
        ),
    )


def described(crystal: UnitCrystal) -> tuple[Described, ...]:
    """The orbits of the preferred description, in order; see :func:`canonical`."""
    turned = [_Turned(crystal, placement) for placement in crystal.placements]
    best: list[Described] = []
    best_rank: tuple[Any, ...] | None = None
    for shift in _origins(crystal):
        orbits = sorted((one.at(shift) for one in turned), key=lambda one: one.rank)
        ranks = [one.rank for one in orbits]
        rank = ([r[:-1] for r in ranks], [r[-1] for r in ranks])
        if best_rank is None or rank < best_rank:
            best, best_rank = orbits, rank
    return tuple(best)


def orbits_of(crystal: UnitCrystal) -> tuple[Orbit, ...]:
    """What is discrete about the orbits of a crystal, as it is described."""
    found = []
    for one in crystal.placements:
        unit = crystal.units[one.unit]
        turns = cartesian(site_operations(crystal.space_group, one.letter)[0], crystal.cell)
        rows = _permutations(unit, turns, one.rotation[None])[0]
        mirrored = not unit.is_atom and bool(np.linalg.det(one.rotation) < 0)
        found.append(Orbit(one.unit, one.letter, mirrored, _as_tuple(rows)))
    return tuple(found)


def _origins(crystal: UnitCrystal) -> Array:
    """Shifts of the origin to choose from, fractional, shape (k, 3)."""
    group = crystal.space_group
    shifts, polar = discrete_shifts(group), polar_projector(group)
    if not polar.any():
        return shifts
    first = min(one.unit for one in crystal.placements)
    general = general_position(group)
    along = []
    for one in crystal.placements:
        if one.unit == first:
            images = general.rotations @ one.centre + general.translations
            centred = images[:, None] + centring_vectors(group)
            along.append(centred.reshape(-1, 3) @ polar.T)
    anchors = _distinct(np.concatenate(along))
    origins = shifts[:, None] - anchors - (shifts @ polar.T)[:, None]
    return np.asarray(origins.reshape(-1, 3))


def _distinct(points: Array) -> Array:
    """Points that differ by more than whole numbers."""
    rounded = np.rint(points / STEP).astype(np.int64) % round(1 / STEP)
    _, chosen = np.unique(rounded, axis=0, return_index=True)
    return points[np.sort(chosen)]


class _Turned:
    """One orbit with all orientations that its images and its symmetric unit can be given in."""

    def __init__(self, crystal: UnitCrystal, placement: Placement) -> None:
        self.group, self.cell, self.placement = crystal.space_group, crystal.cell, placement
        self.unit = crystal.units[placement.unit]
        site = sites(self.group)[placement.letter]
        self.letters = [
            letter
            for letter, other in sites(self.group).items()
            if (other.multiplicity, other.n_free) == (site.multiplicity, site.n_free)
        ]
        self.general = site.n_free == 3
        self.rotations = self._all_rotations()
        self.numbers = _turn_numbers(self.rotations)
        if self.general or self.unit.is_atom:
            # Of the maps of the unit onto itself, the preferred one for each operation.
            best = [np.lexsort(rows.T[::-1])[0] for rows in self.numbers]
            every = np.arange(len(best))
            self.rotations = self.rotations[every, best][:, None]
            self.numbers = self.numbers[every, best][:, None]

    def _all_rotations(self) -> Array:
        """By operation of the group and map of the unit onto itself, shape (m, t, 3, 3)."""
        operations = general_position(self.group).rotations
        if self.unit.is_atom:
            return np.tile(np.eye(3), (len(operations), 1, 1, 1))
        group = point_group(self.unit)
        turns = cartesian(operations, self.cell) @ self.placement.rotation
        found = turns[:, None] @ group.operations
        return found if group.axis is None else _least_turned(found, group.axis)

    def at(self, shift: Array) -> Described:
        """The preferred description of the orbit with the origin shifted."""
        point = self.placement.centre + shift
        for letter in self.letters:
            operation, free = images_on(self.group, letter, point)
            if len(operation):
                break
        else:
            raise AssertionError("a shift of the normalizer leads to a position of its kind")
        return self._preferred(letter, operation, free)

    def _preferred(self, letter: str, operation: Ints, free: Array) -> Described:
        """Of the images of the unit on the first point, with all its maps, the preferred one."""
        rotations, numbers = self.rotations[operation], self.numbers[operation]
        n_points, n_maps = rotations.shape[:2]
        site, _ = site_operations(self.group, letter)
        if self.general or self.unit.is_atom:
            every = np.arange(self.unit.size)
            rows = np.tile(every, (n_points, n_maps, len(site), 1))
        else:
            turns = cartesian(site, self.cell)
            rows = _permutations(self.unit, turns, rotations.reshape(-1, 3, 3))
            rows = rows.reshape(n_points, n_maps, len(site), -1)
        whole = np.rint(free / STEP).astype(np.int64)
        key = np.concatenate(
            (
                numbers[..., :1],
                rows.reshape(n_points, n_maps, -1),
                np.broadcast_to(whole[:, None], (n_points, n_maps, whole.shape[1])),
                numbers[..., 1:],
            ),
            axis=-1,
        ).reshape(n_points * n_maps, -1)
        k, turn = divmod(int(np.lexsort(key.T[::-1])[0]), n_maps)
        orbit = Orbit(
            self.placement.unit, letter, bool(numbers[k, turn, 0]), _as_tuple(rows[k, turn])
        )
        return Described(
            orbit,
            (*whole[k].tolist(), *numbers[k, turn, 1:].tolist()),
            first_point(self.group, letter).point(free[k]),
            rotations[k, turn],
        )


def _turn_numbers(rotations: Array) -> Ints:
    """What rotations are compared by: whether they mirror, how far they turn, their elements.

    Args:
        rotations: shape (…, 3, 3).

    Returns:
        Whole steps, shape (…, 11).
    """
    mirrors = np.linalg.det(rotations) < 0
    proper = np.where(mirrors[..., None, None], -rotations, rotations)
    turned = -np.trace(proper, axis1=-2, axis2=-1)
    elements = proper.reshape(*mirrors.shape, 9)
    steps = np.rint(np.concatenate((turned[..., None], elements), axis=-1) / STEP)
    return np.concatenate((mirrors[..., None], steps), axis=-1).astype(np.int64)


def _permutations(unit: RigidUnit, site: Array, rotations: Array) -> Ints:
    """How the site group permutes the atoms of a unit in some orientations.

    Args:
        unit: the unit.
        site: rotations of the site group, Cartesian, shape (s, 3, 3).
        rotations: orientations, shape (t, 3, 3).

    Returns:
        Which atom lies where each atom is taken to, shape (t, s, n).
    """
    at = unit.positions @ np.swapaxes(rotations, -1, -2)
    moved = np.einsum("sij,tnj->tsni", site, at)
    apart = np.linalg.norm(moved[:, :, :, None] - at[:, None, None], axis=-1)
    return np.asarray(apart.argmin(axis=-1))


def _as_tuple(rows: Ints) -> Permutations:
    return tuple(tuple(row) for row in rows.tolist())


def _least_turned(rotations: Array, axis: Array) -> Array:
    """Rotations of a linear unit, turned about its axis so that they are nearest to none.

    R Rot(axis, φ) has its largest trace at tan φ = Σ R·K / (tr R - a·R a), K the matrix of the
    cross product with the axis.
    """
    k = np.cross(np.eye(3), axis)
    proper = rotations * np.sign(np.linalg.det(rotations))[..., None, None]
    sine = np.einsum("...ij,ji->...", proper, k)
    cosine = np.trace(proper, axis1=-2, axis2=-1) - np.einsum("i,...ij,j->...", axis, proper, axis)
    phi = np.arctan2(sine, cosine)[..., None, None]
    about = np.eye(3) + np.sin(phi) * k + (1 - np.cos(phi)) * (k @ k)
    return np.asarray(rotations @ about)
