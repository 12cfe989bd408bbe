"""The vector that describes a crystal of units: lattice, centres and orientations.

In the supplement on NaNH2 (*Dataset construction and feature encoding*) each unit of the asymmetric
unit has "three Cartesian translations and three Euler angles", and the vector z is these with the
six lattice parameters. That is the encoding ``plain``. Its coordinates and angles jump where they
begin anew, and its Euler angles are not unique where the second is 0 or 180° (gimbal lock).
Encoding ``periodic`` has the sine and cosine of fractional coordinates and of Euler angles instead,
``rotation`` the sine and cosine of coordinates and the first two columns of the rotation matrix,
which is continuous in it (Y. Zhou et al., CVPR 2019, 5738). ``wrapped`` has fractional coordinates
and Euler angles themselves and says which of them are periodic, for noise that goes round a circle
(:mod:`gencsp.diffusion.units.periodic`).

The discrete part of a crystal (:class:`~gencsp.proposers.units.arrangement.Arrangement`) travels
beside z. Decoding projects: on a special position only the free coordinates and the free rotation
count, and of the lattice only the free parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.errors import UnitError
from gencsp.proposers.units.arrangement import NO_LATTICE, Arrangement, fitting_cell, metric_of
from gencsp.proposers.units.canonical import described
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: How coordinates and orientations are written; see the module.
Encoding = Literal["plain", "periodic", "wrapped", "rotation"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
#: Numbers of a centre and of an orientation.
_SIZES: dict[Encoding, tuple[int, int]] = {
    "plain": (3, 3),
    "periodic": (6, 6),
    "wrapped": (3, 3),
    "rotation": (6, 6),
}
#: Of fractional coordinates and Euler angles (radians); the second angle, from 0 to π, has none.
_PERIODS = np.array([1.0, 1.0, 1.0, 2 * np.pi, 0.0, 2 * np.pi])
#: The sine of the second Euler angle below which the other two are not told apart.
_LOCKED = 1e-7
N_LATTICE = 6


@dataclass(frozen=True, slots=True)
class Descriptor:
    """z of crystals of some units: lattice parameters, then orbit by orbit centre and orientation.

    Attributes:
        units: those that the crystals consist of.
        encoding: how coordinates and orientations are written.
    """

    units: tuple[RigidUnit, ...]
    encoding: Encoding = "rotation"

    def size(self, unit: int) -> int:
        """Numbers for one orbit of a unit; an atom has no orientation."""
        centre, turn = _SIZES[self.encoding]
        return centre if self.units[unit].is_atom else centre + turn

    def periods(self, unit: int) -> Array:
        """Periods of the numbers for one orbit of a unit, 0 for those that have none, (size,)."""
        size = self.size(unit)
        return _PERIODS[:size] if self.encoding == "wrapped" else np.zeros(size)

    def length(self, arrangement: Arrangement) -> int:
        """Length of z."""
        return N_LATTICE + sum(self.size(orbit.unit) for orbit in arrangement.orbits)

    def encode(self, crystal: UnitCrystal) -> tuple[Arrangement, Array]:
        """Arrangement and z of a crystal, the same for all its descriptions.

        Lengths are in Å, angles in degrees (lattice) and radians (Euler angles).
        """
        orbits = described(crystal)
        parts = [crystal.cell.cellpar()]
        for one in orbits:
            parts.append(self._centre(one.centre, crystal.cell))
            if not self.units[one.orbit.unit].is_atom:
                proper = -one.rotation if one.orbit.mirrored else one.rotation
                parts.append(self._turn(proper))
        arrangement = Arrangement(crystal.space_group, tuple(one.orbit for one in orbits))
        return arrangement, np.concatenate(parts)

    def decode(self, arrangement: Arrangement, z: Array) -> UnitCrystal:
        """The crystal of an arrangement that is nearest to what a vector describes.

        Raises:
            UnitError: its lattice parameters are those of no lattice.
        """
        lattice, rest = z[:N_LATTICE], z[N_LATTICE:]
        if not np.isfinite(z).all() or (lattice[:3] <= 0).any():
            raise UnitError(NO_LATTICE)
        cell = fitting_cell(arrangement.space_group, metric_of(lattice))
        n_centre, _ = _SIZES[self.encoding]
        centres, rotations = [], []
        for orbit in arrangement.orbits:
            own, rest = rest[: self.size(orbit.unit)], rest[self.size(orbit.unit) :]
            centres.append(self._fractional(own[:n_centre], cell))
            atom = self.units[orbit.unit].is_atom
            rotations.append(np.eye(3) if atom else self._rotation(own[n_centre:]))
        return arrangement.crystal(self.units, cell, np.array(centres), np.array(rotations))

    def _centre(self, fractional: Array, cell: Cell) -> Array:
        if self.encoding == "plain":
            return np.asarray(fractional @ cell.array)
        if self.encoding == "wrapped":
            return np.asarray(fractional % 1.0)
        return _circle(2 * np.pi * fractional)

    def _fractional(self, numbers: Array, cell: Cell) -> Array:
        if self.encoding == "plain":
            return np.asarray(numbers @ np.linalg.inv(cell.array))
        if self.encoding == "wrapped":
            return numbers
        return _angle(numbers) / (2 * np.pi)

    def _turn(self, rotation: Array) -> Array:
        if self.encoding == "rotation":
            return rotation[:, :2].T.ravel()
        angles = euler_angles(rotation)
        return _circle(angles) if self.encoding == "periodic" else angles

    def _rotation(self, numbers: Array) -> Array:
        if self.encoding == "rotation":
            return orthogonalised(numbers)
        return rotation_of(_angle(numbers) if self.encoding == "periodic" else numbers)


def same_units(one: Sequence[RigidUnit], other: Sequence[RigidUnit]) -> bool:
    """Whether two lists of units are equal: names, symbols and positions."""
    return len(one) == len(other) and all(
        a.name == b.name and a.symbols == b.symbols and np.array_equal(a.positions, b.positions)
        for a, b in zip(one, other, strict=True)
    )


def euler_angles(rotation: Array) -> Array:
    """Angles α, β, γ with R = Rz(α) Ry(β) Rz(γ), radians, shape (3,); β in [0, π].

    Where β is 0 or π, only one combination of α and γ is defined: γ is 0 there.
    """
    beta = np.arctan2(np.hypot(rotation[0, 2], rotation[1, 2]), rotation[2, 2])
    if np.sin(beta) < _LOCKED:
        return np.array([_from_zero(-rotation[0, 1], rotation[1, 1]), beta, 0.0])
    alpha = _from_zero(rotation[1, 2], rotation[0, 2])
    gamma = _from_zero(rotation[2, 1], -rotation[2, 0])
    return np.array([alpha, beta, gamma])


def rotation_of(angles: Array) -> Array:
    """Rz(α) Ry(β) Rz(γ) of three angles in radians."""
    (ca, cb, cg), (sa, sb, sg) = np.cos(angles), np.sin(angles)
    first = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]])
    second = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    third = np.array([[cg, -sg, 0], [sg, cg, 0], [0, 0, 1]])
    return np.asarray(first @ second @ third)


def orthogonalised(columns: Array) -> Array:
    """The rotation whose first two columns are nearest to six numbers: Gram-Schmidt (Zhou, eq. 15).

    Where the numbers span no plane, a plane is chosen for them.
    """
    first = _unit_vector(columns[:3], np.array([1.0, 0.0, 0.0]))
    spare = np.eye(3)[np.abs(first).argmin()]
    across = columns[3:] - (columns[3:] @ first) * first
    second = _unit_vector(across, np.cross(first, spare))
    second = _unit_vector(second - (second @ first) * first, second)
    return np.column_stack((first, second, np.cross(first, second)))


def _unit_vector(vector: Array, instead: Array) -> Array:
    length = np.linalg.norm(vector)
    return np.asarray(vector / length if length > 1e-12 else instead / np.linalg.norm(instead))


def _from_zero(sine: float, cosine: float) -> float:
    """An angle in (-π, π]; rounding does not make -π of π."""
    angle = float(np.arctan2(sine, cosine))
    return angle + 2 * np.pi if angle < -np.pi + _LOCKED else angle


def _circle(angles: Array) -> Array:
    return np.concatenate((np.cos(angles), np.sin(angles)))


def _angle(numbers: Array) -> Array:
    half = len(numbers) // 2
    return np.arctan2(numbers[half:], numbers[:half])
