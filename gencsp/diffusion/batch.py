"""A batch of crystals as tensors, and the contract of score models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch
from ase import Atoms
from torch import Tensor


@dataclass(frozen=True, slots=True)
class CrystalBatch:
    """Crystals of different sizes, their atoms one after another.

    Attributes:
        numbers: atomic numbers, shape (n,), int64.
        positions: Cartesian positions in Å, shape (n, 3), not necessarily wrapped.
        cells: lattice vectors as rows in Å, shape (b, 3, 3).
        owner: index of the crystal that each atom belongs to, shape (n,), int64, ascending.
    """

    numbers: Tensor
    positions: Tensor
    cells: Tensor
    owner: Tensor

    @classmethod
    def from_atoms(
        cls,
        structures: Sequence[Atoms],
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Gather fully periodic ``ase.Atoms``."""
        numbers = np.concatenate([a.numbers for a in structures])
        positions = np.concatenate([a.positions for a in structures])
        cells = np.stack([a.cell.array for a in structures])
        owner = np.repeat(np.arange(len(structures)), [len(a) for a in structures])
        return cls(
            torch.as_tensor(numbers, dtype=torch.int64, device=device),
            torch.as_tensor(positions, dtype=dtype, device=device),
            torch.as_tensor(cells, dtype=dtype, device=device),
            torch.as_tensor(owner, dtype=torch.int64, device=device),
        )

    def to_atoms(self) -> list[Atoms]:
        """Split into ``ase.Atoms``, positions as they are (not wrapped)."""
        sizes = self.sizes.tolist()
        return [
            Atoms(numbers=z, positions=x, cell=c, pbc=True)
            for z, x, c in zip(
                np.split(self.numbers.cpu().numpy(), np.cumsum(sizes)[:-1]),
                np.split(self.positions.cpu().numpy(), np.cumsum(sizes)[:-1]),
                self.cells.cpu().numpy(),
                strict=True,
            )
        ]

    @property
    def n_crystals(self) -> int:
        """Number of crystals, b."""
        return int(self.cells.shape[0])

    @property
    def sizes(self) -> Tensor:
        """Atoms in each crystal, shape (b,)."""
        return torch.bincount(self.owner, minlength=self.n_crystals)

    def with_positions(self, positions: Tensor) -> Self:
        """The same crystals with other positions, in Å, shape (n, 3)."""
        return replace(self, positions=positions)

    def to(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Self:
        """Copy with another floating-point type or on another device."""
        return replace(
            self,
            numbers=self.numbers.to(device=device),
            positions=self.positions.to(dtype=dtype, device=device),
            cells=self.cells.to(dtype=dtype, device=device),
            owner=self.owner.to(device=device),
        )


class ScoreModel(Protocol):
    """A model of the score of Cartesian positions at a noise level, for samplers.

    ``score`` returns ∇_x log p_σ(x), shape (n, 3), in 1/Å, in the dtype of ``batch.positions``;
    ``sigma`` holds one noise level in Å for each crystal, shape (b,). ``digest`` is a short hash of
    the weights (for provenance), ``sigma_min`` and ``sigma_max`` the range trained on, in Å.
    """

    @property
    def sigma_min(self) -> float:
        """Lowest noise level of the training, Å."""
        ...

    @property
    def sigma_max(self) -> float:
        """Highest noise level of the training, Å."""
        ...

    @property
    def digest(self) -> str:
        """Short hash of the weights."""
        ...

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """∇_x log p_σ(x) in 1/Å, shape (n, 3), at noise levels ``sigma`` in Å, shape (b,)."""
        ...


@runtime_checkable
class LatticeScoreModel(Protocol):
    """A score model that predicts the cell, too.

    ``predict`` gives the score, shape (n, 3), in 1/Å, and the symmetric strain that takes each cell
    to the expected clean one, shape (b, 3, 3), in the frame of the crystal.
    """

    @property
    def sigma_min(self) -> float:
        """Lowest noise level of the training, Å."""
        ...

    @property
    def sigma_max(self) -> float:
        """Highest noise level of the training, Å."""
        ...

    @property
    def digest(self) -> str:
        """Short hash of the weights."""
        ...

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """See :class:`ScoreModel`."""
        ...

    def predict(self, batch: CrystalBatch, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Score in 1/Å, shape (n, 3), and strain of the cells, shape (b, 3, 3); see the class."""
        ...
