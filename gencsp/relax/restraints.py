"""Fixed atoms and kept symmetry, as projections of forces and stress.

ASE applies ``FixSymmetry`` and ``FixAtoms`` to forces, stress, and again to every step. Here steps
are linear in the projected forces, so projecting those is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixSymmetry
from numpy.typing import NDArray

from gencsp.errors import ConstraintError
from gencsp.relax.crystals import FloatArray, IntArray
from gencsp.relax.settings import RelaxSettings
from gencsp.symmetry import SPGLIB_ERRORS


class NoSymmetryFound(Exception):
    """spglib finds no space group, as where atoms overlap.

    Never seen by users: it becomes the verdict "input cannot be evaluated".
    """


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Space-group operations in the fractional coordinates of one cell.

    Attributes:
        rotations: shape (o, 3, 3).
        sources: atom that each operation maps onto each atom, shape (o, n).
    """

    rotations: FloatArray
    sources: IntArray

    @classmethod
    def of(cls, constraint: FixSymmetry) -> Symmetry:
        """The operations that ASE's ``FixSymmetry`` holds."""
        maps = np.asarray(constraint.symm_map, dtype=np.int64)
        sources = np.argsort(maps, axis=1)
        if (np.sort(maps, axis=1) != np.arange(maps.shape[1])).any():
            raise NoSymmetryFound("an operation maps two atoms onto one")
        return cls(np.asarray(constraint.rotations, dtype=np.float64), sources)

    def project_forces(self, cell: FloatArray, forces: FloatArray) -> FloatArray:
        """Mean of Cartesian vectors (n, 3) over the group, for lattice vectors (3, 3) as rows."""
        scaled = np.linalg.solve(cell.T, forces.T).T
        # Operation o carries the vector of atom sources[o, i] to atom i.
        turned = np.einsum("oxy,oiy->ix", self.rotations, scaled[self.sources])
        return np.asarray(turned / len(self.rotations) @ cell)

    def project_stress(self, cell: FloatArray, stress: FloatArray) -> FloatArray:
        """Mean of a Cartesian tensor (3, 3) over the group."""
        scaled = cell @ stress @ cell.T
        turned = np.einsum("oyx,yz,ozw->xw", self.rotations, scaled, self.rotations)
        inverse = np.linalg.inv(cell)
        return np.asarray(inverse @ (turned / len(self.rotations)) @ inverse.T)


@dataclass(frozen=True, slots=True)
class Restraints:
    """What holds one structure: its fixed atoms and its symmetry, where there are any."""

    fixed: NDArray[np.int64]
    symmetry: Symmetry | None

    @classmethod
    def of(cls, atoms: Atoms, settings: RelaxSettings) -> tuple[Restraints, Atoms]:
        """Read a structure's constraints; the structure comes back symmetrised where it is kept so.

        Raises:
            ConstraintError: the structure has constraints other than ``FixAtoms`` and
                ``FixSymmetry``.
            NoSymmetryFound: its symmetry is to be kept and spglib finds none.
        """
        fixed: list[int] = []
        symmetry = None
        for constraint in atoms.constraints:
            if isinstance(constraint, FixAtoms):
                fixed.extend(np.arange(len(atoms))[constraint.index].tolist())
            elif isinstance(constraint, FixSymmetry):
                symmetry = Symmetry.of(constraint)
            else:
                raise ConstraintError(
                    f"a structure carries {type(constraint).__name__}, and relaxation obeys only "
                    f"FixAtoms and FixSymmetry: remove it, or use one of ASE's optimisers."
                )
        start = atoms.copy()
        if settings.keep_symmetry and symmetry is None:
            start.set_constraint()
            symmetry = _find_symmetry(start, settings.symprec)
        return cls(np.unique(np.array(fixed, dtype=np.int64)), symmetry), start

    def project(
        self, cell: FloatArray, forces: FloatArray, stress: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Forces (n, 3) and stress (3, 3) without what the restraints forbid."""
        if self.symmetry is not None:
            forces = self.symmetry.project_forces(cell, forces)
            stress = self.symmetry.project_stress(cell, stress)
        if len(self.fixed):
            forces = forces.copy()
            forces[self.fixed] = 0.0
        return forces, stress

    @property
    def idle(self) -> bool:
        return self.symmetry is None and not len(self.fixed)


def _find_symmetry(atoms: Atoms, symprec: float) -> Symmetry:
    """The operations of ``atoms``, which are moved onto exact sites as ASE does."""
    try:
        return Symmetry.of(FixSymmetry(atoms, symprec=symprec))
    except SPGLIB_ERRORS as error:
        raise NoSymmetryFound("spglib finds no space group") from error
