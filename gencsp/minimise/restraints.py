"""Constraints and kept symmetry, as projections of forces and stress.

ASE applies its constraints to forces, stress, and again to every step. Here steps are linear in the
projected forces, and every projection is onto a linear space of displacements, so projecting those
is enough.

What is held: ``FixAtoms`` and ``FixSymmetry`` always; ``FixCartesian``, ``FixedPlane`` and
``FixedLine`` where the cell is fixed and no symmetry is kept, since Cartesian directions mean
nothing to atoms that a deforming cell carries along. Anything else is refused by name before the
structure is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixSymmetry
from numpy.typing import NDArray

from gencsp.errors import ConstraintError
from gencsp.minimise.crystals import FloatArray, IntArray
from gencsp.minimise.settings import RelaxSettings
from gencsp.symmetry.answers import FIX_SYMMETRY_ERRORS

#: Directions whose singular value is below this are spanned by the others.
_SPANNED = 1e-8


class NoSymmetryFound(Exception):
    """spglib finds no space group, as where atoms overlap.

    Not seen by users: it becomes the outcome "input cannot be evaluated".
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

    def require_whole_orbits(self, fixed: IntArray) -> None:
        """Refuse fixed atoms whose equivalents are free: no displacement keeps both.

        Raises:
            ConstraintError: an operation maps a fixed atom onto one that is free.
        """
        split = np.setdiff1d(self.sources[:, fixed], fixed).tolist()
        if split:
            raise ConstraintError(
                f"FixAtoms holds some atoms of a symmetry orbit and leaves others free (atoms "
                f"{split}): fix whole orbits, or let the symmetry go."
            )


@dataclass(frozen=True, slots=True)
class Restraints:
    """The restraints of one structure.

    Attributes:
        fixed: atoms that stay, sorted; with a symmetry these are whole orbits.
        symmetry: the operations to keep, or ``None``.
        directions: for every atom the projector onto the directions in which it may move, shape
            (n, 3, 3); ``None`` where all are free but for ``fixed``.
    """

    fixed: NDArray[np.int64]
    symmetry: Symmetry | None
    directions: FloatArray | None = None

    @classmethod
    def of(cls, atoms: Atoms, settings: RelaxSettings) -> tuple[Restraints, Atoms]:
        """Read the constraints of a structure; the structure is symmetrised where that is kept.

        With fixed atoms nothing is moved onto exact sites: the symmetry is that of the start within
        ``settings.symprec``.

        Raises:
            ConstraintError: a constraint that relaxation does not hold, by name, or fixed atoms
                that are part of a symmetry orbit whose other atoms are free.
            NoSymmetryFound: its symmetry is to be kept and spglib finds none.
        """
        held = _read(atoms)
        symmetry = held.symmetry
        fixed = _fixed_entirely(held.forbidden)
        partly = [atom for atom in held.forbidden if atom not in set(fixed.tolist())]
        if partly and not settings.fixed_cell:
            raise ConstraintError(
                f"{held.directed} fixes Cartesian directions, which the atoms of a cell that "
                f"relaxes cannot keep: relax with fixed_cell=True, or remove it."
            )
        if partly and (symmetry is not None or settings.keep_symmetry):
            raise ConstraintError(
                f"{held.directed} and a kept symmetry contradict each other: remove the "
                f"constraint, or let the symmetry go."
            )
        start = atoms.copy()
        if settings.keep_symmetry and symmetry is None:
            start.set_constraint()
            symmetry = _find_symmetry(start, settings.symprec, move=not len(fixed))
        if symmetry is not None and len(fixed):
            symmetry.require_whole_orbits(fixed)
        return cls(fixed, symmetry, _projectors(len(atoms), held, partly)), start

    def project(
        self, cell: FloatArray, forces: FloatArray, stress: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Forces (n, 3) and stress (3, 3) without what the restraints forbid."""
        if self.symmetry is not None:
            forces = self.symmetry.project_forces(cell, forces)
            stress = self.symmetry.project_stress(cell, stress)
        if self.directions is not None:
            forces = np.einsum("nij,nj->ni", self.directions, forces)
        if len(self.fixed):
            forces = forces.copy()
            forces[self.fixed] = 0.0
        return forces, stress

    @property
    def idle(self) -> bool:
        """Whether nothing is restrained."""
        return self.symmetry is None and self.directions is None and not len(self.fixed)


@dataclass(frozen=True, slots=True)
class _Held:
    """The constraints of one structure.

    Directions (k, 3) that are forbidden to each atom, the symmetry, and the name of the constraint
    that forbids the directions.
    """

    forbidden: dict[int, list[FloatArray]]
    symmetry: Symmetry | None
    directed: str


def _read(atoms: Atoms) -> _Held:
    forbidden: dict[int, list[FloatArray]] = {}
    symmetry: Symmetry | None = None
    directed = ""
    for constraint in atoms.constraints:
        name = type(constraint).__name__
        if isinstance(constraint, FixSymmetry):
            if symmetry is not None:
                raise ConstraintError("a structure carries two FixSymmetry: keep one of them.")
            symmetry = Symmetry.of(constraint)
            if symmetry.sources.shape[1] != len(atoms):
                raise ConstraintError(
                    f"FixSymmetry was made for {symmetry.sources.shape[1]} atoms and the structure "
                    f"has {len(atoms)}: make it anew with FixSymmetry(atoms)."
                )
            continue
        rows = _forbidden_directions(constraint)
        if rows is None:
            raise ConstraintError(
                f"a structure carries {name}, and relaxation holds only FixAtoms, FixSymmetry and, "
                f"in a fixed cell, FixCartesian, FixedPlane and FixedLine: remove it, or use one "
                f"of ASE's optimisers."
            )
        if not isinstance(constraint, FixAtoms):
            directed = name
        for atom in np.arange(len(atoms))[constraint.index].tolist():
            forbidden.setdefault(atom, []).append(rows)
    return _Held(forbidden, symmetry, directed)


def _forbidden_directions(constraint: object) -> FloatArray | None:
    """The directions (k, 3) in which a constraint holds its atoms; ``None`` for another kind."""
    axes = np.eye(3)
    if isinstance(constraint, FixAtoms):
        return axes
    if isinstance(constraint, FixCartesian):
        return axes[np.asarray(constraint.mask, dtype=np.bool_)]
    if isinstance(constraint, FixedPlane):
        return np.asarray(constraint.dir, dtype=np.float64)[None]
    if isinstance(constraint, FixedLine):
        along = np.asarray(constraint.dir, dtype=np.float64)
        return axes - np.outer(along, along)
    return None


def _allowed(rows: list[FloatArray]) -> FloatArray:
    """The projector (3, 3) onto what is orthogonal to all these directions."""
    _, values, spanned = np.linalg.svd(np.concatenate(rows))
    held = spanned[: len(values)][values > _SPANNED]
    return np.asarray(np.eye(3) - held.T @ held)


def _fixed_entirely(forbidden: dict[int, list[FloatArray]]) -> IntArray:
    """The atoms that no direction is left to, sorted."""
    whole = [atom for atom, rows in forbidden.items() if np.trace(_allowed(rows)) < 0.5]
    return np.array(sorted(whole), dtype=np.int64)


def _projectors(n: int, held: _Held, partly: list[int]) -> FloatArray | None:
    if not partly:
        return None
    projectors = np.tile(np.eye(3), (n, 1, 1))
    for atom in partly:
        projectors[atom] = _allowed(held.forbidden[atom])
    return projectors


def _find_symmetry(atoms: Atoms, symprec: float, *, move: bool) -> Symmetry:
    """The operations of ``atoms``, which are moved onto exact sites as ASE does if they may."""
    try:
        return Symmetry.of(FixSymmetry(atoms if move else atoms.copy(), symprec=symprec))
    except FIX_SYMMETRY_ERRORS as error:
        raise NoSymmetryFound("spglib finds no space group") from error
