"""Orientations that a rigid unit can have on a site of given symmetry.

A unit sits on a special position where each operation S of the site group, Cartesian, is one of its
own: R^T S R is in its point group, R being the rotation from its frame to the crystal's. The
solutions come in families: single orientations where the site group has several axes, all turns
about the one axis that it has, or all rotations where it has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.errors import UnitError
from gencsp.units.point_group import SAME, axes_of, keeps, misfits, point_group
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OrientationFamily:
    """Rotations of a unit that one site group allows.

    Attributes:
        rotation: one of them, from the frame of the unit to the crystal's, shape (3, 3).
        axis: Cartesian unit vector about which the unit may turn, shape (3,), where ``n_free`` is
            1; else ``None``.
        n_free: 0, 1 or 3 free angles. A unit on a line that may have any direction has 3, although
            turns about itself do not change it.
    """

    rotation: Array
    axis: Array | None
    n_free: int

    def rotation_of(self, parameters: Array) -> Array:
        """The rotation of given parameters, shape (3, 3).

        Args:
            parameters: the angle about ``axis``, or the rotation vector (axis times angle) by
                which the unit is turned after ``rotation``; radians, shape (n_free,).
        """
        if self.n_free == 0:
            return self.rotation
        vector = np.asarray(parameters, dtype=float)
        if self.axis is not None:
            vector = vector[0] * self.axis
        return np.asarray(Rotation.from_rotvec(vector).as_matrix() @ self.rotation)

    def parameters_of(self, rotation: Array) -> Array:
        """The parameters of a rotation of this family, shape (n_free,); see :meth:`rotation_of`."""
        if self.n_free == 0:
            return np.zeros(0)
        vector = Rotation.from_matrix(rotation @ self.rotation.T).as_rotvec()
        return np.asarray(vector) if self.axis is None else np.array([vector @ self.axis])

    def draw(self, rng: np.random.Generator) -> Array:
        """Parameters of a rotation drawn evenly from the family, shape (n_free,)."""
        if self.n_free == 1:
            return rng.uniform(-np.pi, np.pi, size=1)
        if self.n_free == 0:
            return np.zeros(0)
        return self.parameters_of(Rotation.random(rng=rng).as_matrix())


def families(unit: RigidUnit, site_group: Array) -> tuple[OrientationFamily, ...]:
    """All orientations of a unit that a site group allows.

    A chiral unit keeps its hand: rotations have determinant 1. Of the orientations that an
    operation of the unit's point group exchanges there is one.

    Args:
        unit: a molecule, or a single atom, which has one orientation.
        site_group: orthogonal matrices, Cartesian, shape (s, 3, 3), such as
            :func:`~gencsp.proposers.units.crystal.site_operations` gives through
            :func:`~gencsp.proposers.units.crystal.cartesian`.

    Returns:
        The families; none where the unit cannot have this site group.
    """
    group = np.round(np.asarray(site_group, dtype=float), 9) + 0.0
    return _families(unit, group.tobytes())


def family_of(
    unit: RigidUnit, site_group: Array, rotation: Array, *, tolerance: float = 1e-3
) -> tuple[int, Array]:
    """The family of an orientation and its parameters in there.

    Args:
        unit: a molecule or a single atom.
        site_group: as for :func:`families`.
        rotation: orthogonal matrix from the unit's frame to the crystal's, shape (3, 3). It is
            taken modulo the unit's own symmetry; of equal ones the smallest turn counts.
        tolerance: Å, by which atoms may be away from where a family has them.

    Raises:
        UnitError: the unit cannot have this orientation on this site.
    """
    group = point_group(unit)
    equal = np.asarray(rotation) @ group.operations
    equal = equal[np.linalg.det(equal) > 0]
    for index, family in enumerate(families(unit, site_group)):
        ways = [family.parameters_of(one) for one in _alike(family, equal, group.axis)]
        if not ways:
            continue
        there = np.array([family.rotation_of(way) for way in ways])
        off = misfits(unit, np.swapaxes(equal[:1], 1, 2) @ there)
        if off.min() < tolerance:
            # Of those that fit as well as the best does, not of all within the tolerance.
            fitting = [way for way, one in zip(ways, off, strict=True) if one < off.min() + SAME]
            return index, min(fitting, key=lambda way: float(np.linalg.norm(way)))
    raise UnitError(
        f"the unit '{unit.name}' ({group.symbol}) does not have this orientation on a site of "
        f"{len(site_group)} operations: take one of those that 'families' gives."
    )


@lru_cache(maxsize=8192)
def _families(unit: RigidUnit, packed: bytes) -> tuple[OrientationFamily, ...]:
    site_group = np.frombuffer(packed).reshape(-1, 3, 3)
    if unit.is_atom:
        return (OrientationFamily(np.eye(3), None, 0),)
    axes = axes_of(site_group)
    line = point_group(unit).axis
    if not len(axes):
        found = [OrientationFamily(np.eye(3), None, 3)]
    elif line is not None:
        found = _of_line(axes, line)
    elif len(axes) == 1:
        found = _about(unit, axes[0])
    else:
        found = _fixed(unit, axes)
    return tuple(_distinct(unit, [one for one in found if _fits(unit, one.rotation, site_group)]))


def _of_line(axes: Array, line: Array) -> list[OrientationFamily]:
    """A unit on a line is along an axis of the site group, or across the only one."""
    found = [
        OrientationFamily(rotation_between(line, sign * axis), None, 0)
        for axis in axes
        for sign in (1, -1)
    ]
    if len(axes) == 1:
        across = np.linalg.svd(axes)[2][1]
        found.append(OrientationFamily(rotation_between(line, across), axes[0], 1))
    return found


def _about(unit: RigidUnit, axis: Array) -> list[OrientationFamily]:
    """Axes of the unit along the only one of the site group."""
    found = []
    seen: list[Array] = []
    group = point_group(unit)
    for direction in _both_ways(axes_of(group.operations)):
        if any((np.abs(group.rotations @ direction - one) < 1e-3).all(1).any() for one in seen):
            continue
        seen.append(direction)
        found.append(OrientationFamily(rotation_between(direction, axis), axis, 1))
    return found


def _fixed(unit: RigidUnit, axes: Array) -> list[OrientationFamily]:
    """Two axes of the unit along two of the site group."""
    # The two nearest to a right angle make the most exact frame.
    cosines = np.abs(axes[0] @ axes.T)
    there = _frame(axes[0], axes[int(np.argmin(cosines))])
    angle = axes[0] @ axes[int(np.argmin(cosines))]
    directions = _both_ways(axes_of(point_group(unit).operations))
    found = []
    for first in directions:
        for second in directions:
            if abs(first @ second - angle) < 1e-4:
                rotation = there @ _frame(first, second).T
                found.append(OrientationFamily(rotation, None, 0))
    return found


def _fits(unit: RigidUnit, rotation: Array, site_group: Array) -> bool:
    return bool(keeps(unit, rotation.T @ site_group @ rotation).all())


def _distinct(unit: RigidUnit, found: list[OrientationFamily]) -> list[OrientationFamily]:
    """Without those that place every atom as an earlier one does."""
    kept: list[OrientationFamily] = []
    for one in found:
        fixed = [other.rotation for other in kept if other.n_free == 0]
        if one.n_free or not fixed or not keeps(unit, one.rotation.T @ np.array(fixed)).any():
            kept.append(one)
    return kept


def _alike(family: OrientationFamily, equal: Array, line: Array | None) -> Array:
    """Rotations that place a unit as the given ones do.

    A unit on a line can be turned about itself: the smallest turns from the rotation of the family
    are taken.

    Args:
        family: that the rotations may belong to.
        equal: rotations, shape (m, 3, 3).
        line: of the atoms of a unit, about which it may be turned at will; ``None`` for others.
    """
    if line is None or family.n_free == 0:
        return equal
    at = family.rotation @ line
    turned = []
    for there in equal @ line:
        if family.axis is None:
            turned.append(rotation_between(at, there) @ family.rotation)
        elif abs(there @ family.axis) < 0.5:
            angle = np.arctan2(np.cross(at, there) @ family.axis, at @ there)
            turned.append(Rotation.from_rotvec(angle * family.axis).as_matrix() @ family.rotation)
    return np.array(turned).reshape(-1, 3, 3)


def rotation_between(one: Array, other: Array) -> Array:
    """The smallest rotation that takes one unit vector to another, shape (3, 3)."""
    cosine = float(one @ other)
    if cosine < -1 + SAME:
        across = np.linalg.svd(one[None])[2][1]
        return np.asarray(2 * np.outer(across, across) - np.eye(3))
    cross = np.cross(one, other)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def _both_ways(axes: Array) -> Array:
    return np.concatenate([axes, -axes])


def _frame(first: Array, second: Array) -> Array:
    """Right-handed orthogonal vectors, columns, the first along one and the third across both."""
    third = np.cross(first, second)
    third = third / np.linalg.norm(third)
    return np.column_stack([first, np.cross(third, first), third])
