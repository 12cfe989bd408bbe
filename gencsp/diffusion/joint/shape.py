"""A lattice as six numbers that no rotation changes: the logarithm of its polar factor.

Any cell C (lattice vectors as rows) is S·Q with S symmetric and positive definite, and Q a
rotation, which does not change the crystal. S = exp(Σ k_i B_i) with B an orthonormal basis of the
symmetric matrices leaves six unconstrained numbers k (Jiao et al., *Space group constrained crystal
generation*, 2024, Section 4.1, eq. 4): five for the shape, and the last ln V/√3. The lattice
diffusion uses them per atom and standardised on the training crystals, so every draw of six normal
deviates is a cell of a plausible volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


def _basis() -> Tensor:
    basis = torch.zeros(6, 3, 3, dtype=torch.float64)
    for row, (i, j) in enumerate(((0, 1), (1, 2), (0, 2))):
        basis[row, i, j] = basis[row, j, i] = 1 / math.sqrt(2)
    basis[3] = torch.diag(torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)) / math.sqrt(2)
    basis[4] = torch.diag(torch.tensor([-1.0, -1.0, 2.0], dtype=torch.float64)) / math.sqrt(6)
    basis[5] = torch.eye(3, dtype=torch.float64) / math.sqrt(3)
    return basis


#: Orthonormal basis of the symmetric 3×3 matrices, the last one proportional to unity.
BASIS = _basis()


#: Least standard deviation: numbers that hardly vary in training are not magnified further.
LEAST_STD = 0.02


def log_cell(cells: Tensor) -> Tensor:
    """k of cells in Å, shape (b, 3, 3), as rows: shape (b, 6), float64; see the module."""
    cells = cells.double()
    values, vectors = torch.linalg.eigh(cells @ cells.transpose(1, 2))
    logarithm = (vectors * (0.5 * torch.log(values))[:, None]) @ vectors.transpose(1, 2)
    k: Tensor = torch.einsum("bij,kij->bk", logarithm, BASIS.to(cells.device))
    return k


def cell_of_log(k: Tensor) -> Tensor:
    """The symmetric cell S = exp(Σ k_i B_i) in Å, shape (b, 6) to (b, 3, 3), in float64."""
    matrix = torch.einsum("bk,kij->bij", k.double(), BASIS.to(k.device))
    values, vectors = torch.linalg.eigh(matrix)
    cells: Tensor = (vectors * torch.exp(values)[:, None]) @ vectors.transpose(1, 2)
    return cells


@dataclass(frozen=True, slots=True)
class LatticeScale:
    """Means and standard deviations of k, six each, the volume counted per atom."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, cells: Tensor, sizes: Tensor) -> LatticeScale:
        """Of training cells, shape (b, 3, 3), Å, with their numbers of atoms, shape (b,)."""
        k = _per_atom(log_cell(cells), sizes)
        std = k.std(0).clamp(min=LEAST_STD)
        return cls(tuple(k.mean(0).tolist()), tuple(std.tolist()))

    def encode(self, cells: Tensor, sizes: Tensor) -> Tensor:
        """Standardised shape of cells in Å, shape (b, 3, 3) to (b, 6), float64."""
        k = _per_atom(log_cell(cells), sizes)
        return (k - k.new_tensor(self.mean)) / k.new_tensor(self.std)

    def decode(self, shape: Tensor, sizes: Tensor) -> Tensor:
        """Symmetric cells in Å, shape (b, 3, 3), float64, of what :meth:`encode` gives."""
        shape = shape.double()
        k = shape * shape.new_tensor(self.std) + shape.new_tensor(self.mean)
        return cell_of_log(_per_atom(k, sizes, sign=1.0))

    def volume_per_atom(self, shape: Tensor) -> Tensor:
        """Å³/atom, shape (b,), differentiable, without the cell being built."""
        return torch.exp(math.sqrt(3) * (shape[:, 5] * self.std[5] + self.mean[5]))


def _per_atom(k: Tensor, sizes: Tensor, sign: float = -1.0) -> Tensor:
    shift = sign * torch.log(sizes.to(k)) / math.sqrt(3)
    return torch.cat((k[:, :5], k[:, 5:] + shift[:, None]), 1)


def rotation_to(cells: Tensor, symmetric: Tensor) -> Tensor:
    """Q with ``symmetric @ Q = cells``: from the frame of :func:`cell_of_log` to the user's.

    Args:
        cells: Å, shape (b, 3, 3).
        symmetric: their symmetric polar factors, Å, shape (b, 3, 3).

    Returns:
        Orthogonal matrices, shape (b, 3, 3).
    """
    rotation: Tensor = torch.linalg.solve(symmetric, cells.to(symmetric))
    return rotation
