"""The constraints that Atoms carry, turned into projections for reverse diffusion.

``FixAtoms`` names the host of an inpainting (see :mod:`gencsp.diffusion.positions.inpainting`).
``FixSymmetry`` confines the crystal to the linear space of displacements that its space group
leaves alone. The orthogonal projector on that space,

    P = |G|⁻¹ Σ_g (permutation of g) ⊗ (rotation of g),

acts on score and noise alike. Noise P·z with z ~ N(0, I) is again isotropic *within* that space,
and there the score of a Gaussian is still −(x − x₀)/σ², so every sampler runs in the space
unchanged: it draws from p_σ restricted to crystals of that symmetry. An atom in an orbit of m atoms
moves by σ/√m then, since m equal displacements share one random vector.

``FixSymmetry`` (ASE 3.29) stores fractional rotations, translations and the map of atoms of each
operation, found once by spglib. The translations never enter P (a displacement is a rank-1 tensor);
they are used here once, to put the starting positions exactly on the symmetric set. A motion of the
whole crystal survives P along polar axes alone, where it is no loss of symmetry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixSymmetry
from numpy.typing import NDArray
from torch import Tensor

from gencsp.errors import ConstraintError, RequestError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Positions may miss the symmetry of their FixSymmetry by this many times its ``symprec``.
SLACK = 10.0


@dataclass(frozen=True, slots=True)
class SymmetryOperations:
    """Space-group operations of one crystal, acting on fractional coordinates and on its atoms.

    Attributes:
        rotations: integer matrices on fractional coordinates, shape (g, 3, 3).
        translations: fractional translations, shape (g, 3).
        images: ``images[g, i]`` is the atom on which operation g puts atom i, shape (g, n).
    """

    rotations: FloatArray
    translations: FloatArray
    images: IntArray

    def cartesian(self, cell: FloatArray) -> FloatArray:
        """Rotations on Cartesian column vectors, shape (g, 3, 3); ``cell`` has rows in Å."""
        return np.asarray(cell.T @ self.rotations @ np.linalg.inv(cell.T))

    def symmetrise(self, vectors: FloatArray, cell: FloatArray) -> FloatArray:
        """P·vectors for Cartesian vectors of shape (n, 3), any unit."""
        total = np.zeros_like(vectors)
        for rotation, image in zip(self.cartesian(cell), self.images, strict=True):
            total[image] += vectors @ rotation.T
        return total / len(self.images)

    def misfit(self, positions: FloatArray, cell: FloatArray) -> FloatArray:
        """How far each operation puts each atom from its image, Å, shape (g, n, 3)."""
        frac = positions @ np.linalg.inv(cell)
        moved = np.einsum("gab,nb->gna", self.rotations, frac) + self.translations[:, None]
        off = moved - frac[self.images]
        return np.asarray((off - np.round(off)) @ cell)


@dataclass(frozen=True, slots=True)
class Constraints:
    """What the constraints of one Atoms object mean to the reverse diffusion.

    Attributes:
        fixed: atoms of the host, shape (n,), bool.
        symmetry: operations to keep, or ``None``.
        symprec: tolerance in Å that the symmetry was found with (0 without symmetry).
    """

    fixed: NDArray[np.bool_]
    symmetry: SymmetryOperations | None
    symprec: float = 0.0


def require_crystal(atoms: Atoms) -> None:
    """Raise RequestError unless these are atoms in a cell that is periodic in three directions."""
    if len(atoms) == 0 or atoms.cell.rank < 3 or not atoms.pbc.all():
        raise RequestError(
            f"{atoms.get_chemical_formula() or 'An empty structure'} is not a crystal: give atoms "
            "in a cell that is periodic in three directions."
        )


def read_constraints(atoms: Atoms) -> Constraints:
    """Read ``FixAtoms`` and ``FixSymmetry`` from Atoms.

    Raises:
        ConstraintError: for any other constraint, for two symmetries, and for fixed atoms whose
            symmetry images are free.
    """
    fixed = np.zeros(len(atoms), dtype=np.bool_)
    symmetry = None
    symprec = 0.0
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
        elif isinstance(constraint, FixSymmetry) and symmetry is None:
            symprec = float(constraint.symprec)
            symmetry = SymmetryOperations(
                np.asarray(constraint.rotations, dtype=np.float64),
                np.asarray(constraint.translations, dtype=np.float64),
                np.asarray(constraint.symm_map, dtype=np.int64),
            )
        else:
            raise ConstraintError(
                f"Reverse diffusion cannot honour {type(constraint).__name__}: it knows FixAtoms "
                "(the host of an inpainting) and one FixSymmetry (symmetric generation). "
                "Remove the constraint with atoms.set_constraint(), or replace it."
            )
    if symmetry is not None:
        _check_symmetry(symmetry, fixed)
    return Constraints(fixed, symmetry, symprec)


def _check_symmetry(symmetry: SymmetryOperations, fixed: NDArray[np.bool_]) -> None:
    n = len(fixed)
    if symmetry.images.shape[1] != n:
        raise ConstraintError(
            f"FixSymmetry was made for {symmetry.images.shape[1]} atoms and the structure has {n}: "
            "make it anew with FixSymmetry(atoms)."
        )
    if not (np.sort(symmetry.images, axis=1) == np.arange(n)).all():
        raise ConstraintError(
            "FixSymmetry maps two atoms on one, so its tolerance is too large for this structure: "
            "make it anew with a smaller symprec."
        )
    split = sorted({int(i) for image in symmetry.images for i in image[fixed] if not fixed[i]})
    if split:
        raise ConstraintError(
            "FixAtoms holds some atoms of a symmetry orbit and leaves others free "
            f"(atoms {split}): fix whole orbits, or lower the symmetry."
        )


def symmetrised_positions(atoms: Atoms, constraints: Constraints) -> FloatArray:
    """Positions in Å, shape (n, 3), moved onto the symmetric set exactly; unmoved without symmetry.

    Raises:
        ConstraintError: for positions that miss the symmetry by more than ``SLACK``·symprec.
    """
    positions = np.array(atoms.positions, dtype=np.float64)
    symmetry = constraints.symmetry
    if symmetry is None:
        return positions
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    misfit = symmetry.misfit(positions, cell)
    worst = float(np.linalg.norm(misfit, axis=-1).max(initial=0.0))
    if worst > SLACK * constraints.symprec:
        raise ConstraintError(
            f"The positions miss the symmetry of their FixSymmetry by {worst:.3g} Å: make it anew "
            "with FixSymmetry(atoms), or start from positions that obey it."
        )
    correction = np.zeros_like(positions)
    for off, image in zip(misfit, symmetry.images, strict=True):
        correction[image] += off
    return positions + correction / len(symmetry.images)


@dataclass(frozen=True, slots=True)
class Projection:
    """The projector P of a whole batch as a list of 3×3 blocks; the identity where there is none.

    Attributes:
        target, source: atoms that each block couples, shape (k,).
        block: 3×3 blocks, shape (k, 3, 3); ``None`` stands for the identity on all.
        dimension: degrees of freedom of each crystal, trace of P, shape (b,).
    """

    target: Tensor
    source: Tensor
    block: Tensor | None
    dimension: Tensor

    def __call__(self, vectors: Tensor) -> Tensor:
        """P·vectors, shape (n, 3)."""
        if self.block is None:
            return vectors
        moved = (self.block @ vectors[self.source][:, :, None])[:, :, 0]
        return torch.zeros_like(vectors).index_add(0, self.target, moved)


def build_projection(structures: Sequence[Atoms], constraints: Sequence[Constraints]) -> Projection:
    """Projector of a batch from the constraints of its crystals, in float64 on the CPU."""
    sizes = [len(atoms) for atoms in structures]
    dimension = torch.tensor([3.0 * n for n in sizes], dtype=torch.float64)
    nothing = torch.zeros(0, dtype=torch.int64)
    if all(c.symmetry is None for c in constraints):
        return Projection(nothing, nothing, None, dimension)
    targets, sources, blocks = [], [], []
    offset = 0
    for k, (atoms, constraint) in enumerate(zip(structures, constraints, strict=True)):
        pairs, block = _blocks(atoms, constraint)
        targets.append(pairs[:, 0] + offset)
        sources.append(pairs[:, 1] + offset)
        blocks.append(block)
        dimension[k] = round(float(block[pairs[:, 0] == pairs[:, 1]].trace(axis1=1, axis2=2).sum()))
        offset += sizes[k]
    return Projection(
        torch.from_numpy(np.concatenate(targets)),
        torch.from_numpy(np.concatenate(sources)),
        torch.from_numpy(np.concatenate(blocks)),
        dimension,
    )


def _blocks(atoms: Atoms, constraint: Constraints) -> tuple[IntArray, FloatArray]:
    """Coupled pairs (target, source) of one crystal, shape (k, 2), and their blocks (k, 3, 3)."""
    n = len(atoms)
    symmetry = constraint.symmetry
    if symmetry is None:
        return np.repeat(np.arange(n), 2).reshape(n, 2), np.tile(np.eye(3), (n, 1, 1))
    order = len(symmetry.images)
    rotations = symmetry.cartesian(np.asarray(atoms.cell.array, dtype=np.float64))
    every = np.stack((symmetry.images, np.broadcast_to(np.arange(n), (order, n))), axis=-1)
    pairs, which = np.unique(every.reshape(-1, 2), axis=0, return_inverse=True)
    blocks = np.zeros((len(pairs), 3, 3))
    np.add.at(blocks, which.reshape(-1), np.repeat(rotations, n, axis=0) / order)
    return pairs, blocks
