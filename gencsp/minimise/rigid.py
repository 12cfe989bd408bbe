"""Crystals of rigid units as a minimiser sees them: centres, rotations, and the cell.

A unit of several atoms has six coordinates: the centre of its atoms in the undeformed cell, and a
rotation about that centre. A step turns the unit by the exponential of a rotation vector from where
it is, so there is no singular orientation and no bond changes its length but by rounding. Rotations
count in Å: an angle times the root mean square distance of the unit's atoms from its centre. A
single atom has three coordinates.

A deforming cell moves the centres and leaves the units as they are. So the derivative by the strain
is that of all atoms less what the units' own extents contribute, as in the molecular virial
(Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.4). The cell is deformed
symmetrically, because to turn the crystal as a whole changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.errors import ConstraintError
from gencsp.minimise.cell import deformation
from gencsp.minimise.coordinates import sound_cell_forces
from gencsp.minimise.crystals import Crystals, FloatArray, IntArray
from gencsp.minimise.restraints import Restraints
from gencsp.units.members import Members


@dataclass(frozen=True, slots=True)
class RigidBodies:
    """The coordinates of one crystal.

    Attributes:
        numbers: atomic numbers, shape (n,).
        unit: which unit an atom belongs to, shape (n,).
        centres: of the units in the undeformed cell, Å, shape (u, 3).
        arms: from the centre of its unit to each atom, Å, shape (n, 3).
        turned: units of several atoms, shape (v,).
        radii: of those, root mean square distances of the atoms from the centre, Å, shape (v,).
        reference: the undeformed cell, shape (3, 3).
        logarithm: L of the deformation exp(L), symmetric, shape (3, 3).
    """

    numbers: IntArray
    unit: IntArray
    centres: FloatArray
    arms: FloatArray
    turned: IntArray
    radii: FloatArray
    reference: FloatArray
    logarithm: FloatArray

    @classmethod
    def of(cls, atoms: Atoms) -> RigidBodies:
        """Those of a structure, undeformed.

        Raises:
            UnitError: it names no units.
        """
        members = Members.of(atoms)
        turned = members.molecules
        squares = np.bincount(members.unit, (members.arms**2).sum(axis=1))
        return cls(
            atoms.numbers.astype(np.int64),
            members.unit,
            members.centres,
            members.arms,
            turned,
            np.sqrt(squares / members.sizes)[turned],
            np.array(atoms.cell.array),
            np.zeros((3, 3)),
        )

    @property
    def rows(self) -> int:
        """Rows of three coordinates: centres, then rotations."""
        return len(self.centres) + len(self.turned)

    def moved(self, move: FloatArray) -> RigidBodies:
        """Displaced by (rows + 3, 3): centres, rotations, and the rows of so many times L."""
        u = len(self.centres)
        angles = np.zeros_like(self.centres)
        angles[self.turned] = move[u : self.rows] / self.radii[:, None]
        by_cell = move[self.rows :] / self.rows
        return replace(
            self,
            centres=self.centres + move[:u],
            arms=Rotation.from_rotvec(angles[self.unit]).apply(self.arms),
            logarithm=self.logarithm + (by_cell + by_cell.T) / 2,
        )

    def positions(self, deformed: FloatArray) -> FloatArray:
        """Of all atoms, Å, shape (n, 3), for a deformation (3, 3)."""
        return np.asarray((self.centres @ deformed.T)[self.unit] + self.arms)


@dataclass(frozen=True, slots=True)
class RigidCoordinates:
    """Generalised coordinates of a batch of crystals of rigid units.

    It takes the place of :class:`~gencsp.minimise.coordinates.Coordinates`.
    """

    bodies: tuple[RigidBodies, ...]

    @classmethod
    def of(cls, structures: Sequence[Atoms]) -> RigidCoordinates:
        """Coordinates of structures, undeformed.

        Raises:
            UnitError: one names no units.
        """
        return cls(tuple(map(RigidBodies.of, structures)))

    @property
    def references(self) -> FloatArray:
        """The undeformed cells, shape (b, 3, 3)."""
        return np.stack([one.reference for one in self.bodies])

    @property
    def rows(self) -> IntArray:
        """Rows of three coordinates of each structure beside those of its cell, shape (b,)."""
        return np.array([one.rows for one in self.bodies], dtype=np.int64)

    def join(self, other: RigidCoordinates) -> RigidCoordinates:
        """These structures and then the others."""
        return RigidCoordinates(self.bodies + other.bodies)

    def take(self, chosen: NDArray[np.bool_]) -> RigidCoordinates:
        """The structures that are chosen, shape (b,)."""
        return RigidCoordinates(
            tuple(one for one, stays in zip(self.bodies, chosen, strict=True) if stays)
        )

    def moved(self, move: FloatArray) -> RigidCoordinates:
        """Displaced by (r, 3), structure by structure; see :meth:`RigidBodies.moved`."""
        parts = np.split(move, np.cumsum(self.rows + 3)[:-1])
        return RigidCoordinates(
            tuple(one.moved(part) for one, part in zip(self.bodies, parts, strict=True))
        )

    def crystals(self) -> tuple[Crystals, FloatArray]:
        """Where atoms and cells are, and the deformations (b, 3, 3)."""
        deformations = deformation(np.stack([one.logarithm for one in self.bodies]))
        positions = [
            one.positions(deformed) for one, deformed in zip(self.bodies, deformations, strict=True)
        ]
        crystals = Crystals(
            np.concatenate([one.numbers for one in self.bodies]),
            np.concatenate(positions),
            self.references @ deformations.transpose(0, 2, 1),
            np.array([len(one.numbers) for one in self.bodies], dtype=np.int64),
        )
        return crystals, deformations

    def forces(
        self,
        crystals: Crystals,
        deformations: FloatArray,
        forces: FloatArray,
        stresses: FloatArray,
        *,
        pressure: float,
        fixed_cell: bool,
    ) -> FloatArray:
        """See :class:`~gencsp.minimise.coordinates.Motion`; centres, rotations, then the cell."""
        each = np.split(forces, np.cumsum(crystals.sizes)[:-1])
        pulled = [
            _sum_by(f, one.unit, len(one.centres)) for one, f in zip(self.bodies, each, strict=True)
        ]
        torques = [
            _sum_by(np.cross(one.arms, f), one.unit, len(one.centres))[one.turned]
            / one.radii[:, None]
            for one, f in zip(self.bodies, each, strict=True)
        ]
        if fixed_cell:
            cells = np.zeros((len(self.bodies), 3, 3))
        else:
            pulled = [f @ deformed for f, deformed in zip(pulled, deformations, strict=True)]
            inner = np.stack([f.T @ one.arms for one, f in zip(self.bodies, each, strict=True)])
            volumes = np.abs(np.linalg.det(crystals.cells))[:, None, None]
            by_cell = sound_cell_forces(
                np.stack([one.logarithm for one in self.bodies]),
                deformations,
                crystals.cells,
                stresses + inner / volumes,
                pressure,
            )
            cells = (by_cell + by_cell.transpose(0, 2, 1)) / 2 / self.rows[:, None, None]
        parts = zip(pulled, torques, cells, strict=True)
        return np.concatenate([rows for part in parts for rows in part])


def require_holdable(atoms: Atoms, restraints: Restraints, *, fixed_cell: bool) -> None:
    """Find out whether the constraints of a structure can be held while its units are rigid.

    Raises:
        ConstraintError: a constraint fixes some atoms or directions of a unit, or atoms while the
            cell relaxes.
        UnitError: the structure names no units.
    """
    members = Members.of(atoms)
    if restraints.directions is not None:
        raise ConstraintError(
            "constraints on directions cannot be held while units are rigid: remove them, or "
            "relax without rigid units."
        )
    if not len(restraints.fixed):
        return
    if not fixed_cell:
        raise ConstraintError(
            "FixAtoms cannot be held while units are rigid and the cell relaxes: fix the cell, "
            "remove it, or relax without rigid units."
        )
    fixed = np.zeros(len(atoms), dtype=np.bool_)
    fixed[restraints.fixed] = True
    for rows in members.atoms:
        if fixed[rows].any() and not fixed[rows].all():
            raise ConstraintError(
                f"FixAtoms holds some atoms of a rigid unit and leaves others free (atoms "
                f"{rows.tolist()}): fix whole units, or relax without rigid units."
            )


def _sum_by(rows: FloatArray, unit: IntArray, n: int) -> FloatArray:
    """Sums of the rows (n, 3) of each of n units, shape (n, 3)."""
    total = np.zeros((n, 3))
    np.add.at(total, unit, rows)
    return total
