"""Arrangements: what is discrete about crystals of units, and the crystals that fit them.

A crystal of units is an arrangement (its space group and, for each orbit of units, the Wyckoff
position and which symmetry of the unit the site uses) with continuous numbers: cell, centres,
orientations. The generated numbers fit no arrangement exactly; here they are projected onto the
nearest that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.errors import UnitError
from gencsp.proposers.units.canonical import Orbit, described, orbits_of
from gencsp.proposers.units.crystal import Placement, UnitCrystal, cartesian, site_operations
from gencsp.proposers.units.first_points import first_point
from gencsp.proposers.units.normalizer import general_position
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

NO_LATTICE = "no lattice has these lattice parameters: drop the vector they come from."
#: Of the squares of the outermost atoms' distances, Å²: how much an orientation counts that the
#: atoms leave open, such as that of a linear unit about its axis.
_PRIOR = 1e-9


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A space group and the orbits of units in it.

    Attributes:
        space_group: number.
        orbits: in the order of the preferred description.
    """

    space_group: int
    orbits: tuple[Orbit, ...]

    @classmethod
    def of(cls, crystal: UnitCrystal) -> Arrangement:
        """Of a crystal in its preferred description, whatever the one that is given."""
        return cls(crystal.space_group, tuple(one.orbit for one in described(crystal)))

    @classmethod
    def as_given(cls, crystal: UnitCrystal) -> Arrangement:
        """Of a crystal in the description that is given."""
        return cls(crystal.space_group, orbits_of(crystal))

    def crystal(
        self,
        units: Sequence[RigidUnit],
        cell: Cell,
        centres: Array,
        rotations: Array,
    ) -> UnitCrystal:
        """The crystal of this arrangement that is nearest to some numbers.

        Args:
            units: those that the orbits name.
            cell: conventional; it has the shape that the space group needs.
            centres: fractional, shape (n, 3), one for each orbit; whole numbers do not count.
            rotations: shape (n, 3, 3), of determinant 1; mirrored units are mirrored here.
        """
        placements = []
        for orbit, centre, rotation in zip(self.orbits, centres, rotations, strict=True):
            first = first_point(self.space_group, orbit.letter)
            turn = -rotation if orbit.mirrored else rotation
            placements.append(
                Placement(
                    orbit.unit,
                    orbit.letter,
                    first.nearest(centre),
                    self.nearest_rotation(orbit, units[orbit.unit], cell, turn),
                )
            )
        return UnitCrystal(self.space_group, cell, tuple(units), tuple(placements))

    def nearest_rotation(self, orbit: Orbit, unit: RigidUnit, cell: Cell, rotation: Array) -> Array:
        """The orientation nearest to one that has the site symmetry of an orbit.

        The atoms of the unit are moved to the mean of what the site group makes of them, and the
        unit is laid upon these.
        """
        if unit.is_atom or len(orbit.permutations) == 1:
            return rotation
        turns = cartesian(site_operations(self.space_group, orbit.letter)[0], cell)
        at = unit.positions @ rotation.T
        mean = np.zeros_like(at)
        for turn, permutation in zip(turns, orbit.permutations, strict=True):
            mean[list(permutation)] += at @ turn.T
        return laid_upon(unit.positions, mean / len(turns), rotation)


def laid_upon(positions: Array, target: Array, start: Array) -> Array:
    """The orthogonal matrix that brings a unit nearest to some positions (Kabsch).

    W. Kabsch, Acta Cryst. A 32, 922 (1976).

    Args:
        positions: of the unit about its centre, shape (n, 3).
        target: about theirs, shape (n, 3).
        start: an orthogonal matrix with the determinant wanted; where positions leave a rotation
            open, as in linear units, the nearest to it is taken. Shape (3, 3).
    """
    prior = _PRIOR * max(1.0, float((positions**2).sum()))
    # A reflection is told apart by a proper rotation of the mirrored unit.
    sign = 1.0 if np.linalg.det(start) > 0 else -1.0
    u, _, vt = np.linalg.svd(target.T @ positions * sign + prior * sign * start)
    proper = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return np.asarray(sign * proper)


def fitting_cell(space_group: int, metric: Array) -> Cell:
    """The conventional cell of a space group nearest to a metric tensor.

    The metric is averaged over the rotations of the group.

    Args:
        space_group: number.
        metric: scalar products of the lattice vectors, Å², shape (3, 3).

    Returns:
        The cell as ``Cell.fromcellpar`` makes it.

    Raises:
        UnitError: the averaged metric is that of no lattice.
    """
    rotations = general_position(space_group).rotations
    mean = np.mean(np.swapaxes(rotations, 1, 2) @ metric @ rotations, axis=0)
    if np.linalg.eigvalsh(mean).min() <= 0:
        raise UnitError(NO_LATTICE)
    lengths = np.sqrt(np.diag(mean))
    cosines = (mean / lengths / lengths[:, None])[[1, 0, 0], [2, 2, 1]]
    # Rounding would leave angles such as 90.00000000000001.
    angles = np.round(np.degrees(np.arccos(cosines)), 12)
    return Cell.fromcellpar([*lengths, *angles])


def metric_of(parameters: Array) -> Array:
    """Scalar products of lattice vectors from lengths (Å) and angles (degrees), Å², (3, 3)."""
    lengths, cosines = parameters[:3], np.cos(np.radians(parameters[3:]))
    shape = np.eye(3)
    for (i, j), cosine in zip(((1, 2), (0, 2), (0, 1)), cosines, strict=True):
        shape[i, j] = shape[j, i] = cosine
    return np.asarray(shape * lengths * lengths[:, None])
