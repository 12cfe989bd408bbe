"""Hosts and space groups of a joint reverse diffusion, in fractional coordinates.

There the operations are integer matrices that do not change while the lattice does. Noise is
isotropic in fractional coordinates, so the projector on the displacements that a space group leaves
alone is the orthogonal one in *their* metric (:mod:`gencsp.diffusion.projection` has the Cartesian
one): noise projected by it is isotropic on the invariant set, and there the score of a Gaussian is
still −(f − f₀)/σ².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.projection import (
    SymmetryOperations,
    read_constraints,
    require_crystal,
    symmetrised_positions,
)


@dataclass(frozen=True, slots=True)
class JointConstraints:
    """Constraints of a batch.

    Attributes:
        fixed: atoms of hosts, shape (n,), bool.
        symmetries: the operations of each crystal, or ``None``.
        projectors: on the invariant displacements of each crystal, shape (3m, 3m), or ``None``.
        sizes: atoms of each crystal.
        symmetric: fractional coordinates on the symmetric set, shape (n, 3).
        orbits: the first atom of the orbit of each, whose species is that of all, shape (n,),
            int64; every atom its own without symmetry.
    """

    fixed: Tensor
    symmetries: tuple[SymmetryOperations | None, ...]
    projectors: tuple[Tensor | None, ...]
    sizes: tuple[int, ...]
    symmetric: Tensor
    orbits: Tensor

    def project(self, vectors: Tensor) -> Tensor:
        """Fractional vectors of atoms, shape (n, 3), confined to the symmetry."""
        if all(p is None for p in self.projectors):
            return vectors
        parts = torch.split(vectors, list(self.sizes))
        return torch.cat(
            [
                v if p is None else (p @ v.reshape(-1)).view(-1, 3)
                for v, p in zip(parts, self.projectors, strict=True)
            ]
        )

    def onto_symmetry(self, frac: Tensor) -> Tensor:
        """Fractional coordinates as given, or on the symmetric set where there is one."""
        if all(s is None for s in self.symmetries):
            return frac
        return self.symmetric.to(frac)

    def randomised(self, frac: Tensor, draws: Tensor) -> Tensor:
        """Uniform coordinates from uniform draws, both of shape (n, 3); hosts stay.

        Under symmetry they are uniform on the symmetric set: the sum over the group is an integer
        map of the torus, which takes the uniform distribution to the uniform one.
        """
        moved = []
        for f, u, symmetry in zip(
            torch.split(frac, list(self.sizes)),
            torch.split(draws, list(self.sizes)),
            self.symmetries,
            strict=True,
        ):
            if symmetry is None:
                moved.append(u)
                continue
            total = torch.zeros_like(u)
            for rotation, image in zip(symmetry.rotations, symmetry.images, strict=True):
                total[torch.as_tensor(image)] += u @ torch.as_tensor(rotation).to(u).T
            moved.append(f + total)
        return torch.where(self.fixed[:, None], frac, torch.cat(moved))

    def onto_point_groups(self, shape: Tensor, sizes: Tensor, scale: LatticeScale) -> Tensor:
        """Lattices, shape (b, 6), whose metric is averaged over the point group, volume kept."""
        if all(s is None for s in self.symmetries):
            return shape
        cells = scale.decode(shape, sizes)
        for k, symmetry in enumerate(self.symmetries):
            if symmetry is None:
                continue
            w = torch.as_tensor(symmetry.rotations).to(cells)
            metric = cells[k] @ cells[k].T
            mean = (w.transpose(1, 2) @ metric @ w).mean(0)
            mean = mean * (torch.linalg.det(metric) / torch.linalg.det(mean)) ** (1 / 3)
            cells[k] = torch.linalg.cholesky(mean)
        return scale.encode(cells, sizes)


def read_joint_constraints(structures: Sequence[Atoms]) -> JointConstraints:
    """From the ``FixAtoms`` and ``FixSymmetry`` of Atoms.

    Raises:
        RequestError: for what is not a crystal.
        ConstraintError: as :func:`~gencsp.diffusion.projection.read_constraints`.
    """
    fixed, symmetries, projectors, symmetric, orbits = [], [], [], [], []
    offset = 0
    for atoms in structures:
        require_crystal(atoms)
        constraints = read_constraints(atoms)
        fixed.append(constraints.fixed)
        symmetries.append(constraints.symmetry)
        projectors.append(_projector(constraints.symmetry))
        positions = symmetrised_positions(atoms, constraints)
        symmetric.append(positions @ np.linalg.inv(atoms.cell.array))
        symmetry = constraints.symmetry
        own = np.arange(len(atoms)) if symmetry is None else symmetry.images.min(axis=0)
        orbits.append(offset + own)
        offset += len(atoms)
    return JointConstraints(
        fixed=torch.as_tensor(np.concatenate(fixed)),
        symmetries=tuple(symmetries),
        projectors=tuple(projectors),
        sizes=tuple(len(atoms) for atoms in structures),
        symmetric=torch.as_tensor(np.concatenate(symmetric)),
        orbits=torch.as_tensor(np.concatenate(orbits)),
    )


def _projector(symmetry: SymmetryOperations | None) -> Tensor | None:
    """Orthogonal projector on the range of |G|⁻¹ Σ_g (permutation of g) ⊗ (rotation of g)."""
    if symmetry is None:
        return None
    n = symmetry.images.shape[1]
    mean: NDArray[np.float64] = np.zeros((n, 3, n, 3))
    for rotation, image in zip(symmetry.rotations, symmetry.images, strict=True):
        mean[image, :, np.arange(n), :] += rotation
    mean /= len(symmetry.images)
    left, values, _ = np.linalg.svd(mean.reshape(3 * n, 3 * n))
    basis = left[:, values > 1e-6]
    return torch.as_tensor(basis @ basis.T)
