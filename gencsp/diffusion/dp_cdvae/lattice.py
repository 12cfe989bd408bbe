"""Lattices as the six numbers that DP-CDVAE decodes: three lengths over N^(1/3), three angles.

They are standardised on the training crystals, as in CDVAE.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: Least standard deviation, of lengths (Å) and angles (degrees): those of cubic crystals are equal.
LEAST_STD = (0.01, 0.01, 0.01, 0.1, 0.1, 0.1)
#: Least volume of a decoded cell, as a share of that of a cuboid with its lengths.
LEAST_VOLUME = 0.1


def lengths_and_angles(cells: Tensor) -> Tensor:
    """Lengths a, b, c (Å) and angles α, β, γ (degrees), shape (b, 6), of cells (b, 3, 3)."""
    lengths = torch.linalg.norm(cells, dim=2)
    unit = cells / lengths[:, :, None]
    cosines = torch.stack(
        [(unit[:, i] * unit[:, j]).sum(1) for i, j in ((1, 2), (0, 2), (0, 1))], 1
    )
    return torch.cat((lengths, torch.rad2deg(torch.arccos(cosines.clamp(-1, 1)))), 1)


def cells_of(numbers: Tensor) -> Tensor:
    """Cells in ASE's standard orientation, Å, shape (b, 3, 3), of :func:`lengths_and_angles`.

    Angles that close no cell are drawn towards 90° until they do.
    """
    a, b, c = numbers[:, :3].unbind(1)
    alpha, beta, gamma = torch.cos(torch.deg2rad(_closing(numbers[:, 3:]))).unbind(1)
    sine = torch.sqrt(1 - gamma.square())
    y = (alpha - beta * gamma) / sine
    z = torch.sqrt(1 - beta.square() - y.square())
    zero = torch.zeros_like(a)
    rows = (a, zero, zero, b * gamma, b * sine, zero, c * beta, c * y, c * z)
    return torch.stack(rows, 1).view(-1, 3, 3)


def _closing(angles: Tensor) -> Tensor:
    for _ in range(50):
        open_ = volume_share(angles) < LEAST_VOLUME
        if not bool(open_.any()):
            break
        angles = torch.where(open_[:, None], 90 + 0.9 * (angles - 90), angles)
    return angles


def volume_share(angles: Tensor) -> Tensor:
    """Volume of a cell over abc, shape (b,); 0 where these angles (degrees) close none."""
    x, y, z = torch.cos(torch.deg2rad(angles)).unbind(1)
    square = 1 + 2 * x * y * z - x.square() - y.square() - z.square()
    # Both signs of the determinant's square can belong to sums of angles that close no cell.
    total = angles.sum(1)
    closes = (angles > 0).all(1) & (total < 360) & (total > 2 * angles.amax(1))
    return torch.where(closes, square.clamp(min=0).sqrt(), torch.zeros_like(square))


@dataclass(frozen=True, slots=True)
class LatticeStatistics:
    """The six numbers of the training crystals: lengths over N^(1/3) in Å, angles in degrees.

    Attributes:
        mean, std: by which they are standardised.
        low, high: their range, within which a decoded cell stays.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(cls, cells: Tensor, sizes: Tensor) -> LatticeStatistics:
        """Of cells in Å, shape (b, 3, 3), with their numbers of atoms, shape (b,)."""
        scaled = _scaled(lengths_and_angles(cells.double()), sizes, -1)
        std = scaled.std(0, correction=0)
        std = torch.maximum(std, std.new_tensor(LEAST_STD))
        rows = (scaled.mean(0), std, scaled.amin(0), scaled.amax(0))
        return cls(*(tuple(row.tolist()) for row in rows))

    def encode(self, cells: Tensor, sizes: Tensor) -> Tensor:
        """Standardised numbers of cells in Å, shape (b, 3, 3) to (b, 6)."""
        scaled = _scaled(lengths_and_angles(cells), sizes, -1)
        return (scaled - scaled.new_tensor(self.mean)) / scaled.new_tensor(self.std)

    def decode(self, numbers: Tensor, sizes: Tensor) -> Tensor:
        """Cells in Å, shape (b, 3, 3), of what :meth:`encode` gives, shape (b, 6).

        Every six numbers are a cell: they are cut off at ``low`` and ``high``, see also
        :func:`cells_of`.
        """
        scaled = numbers * numbers.new_tensor(self.std) + numbers.new_tensor(self.mean)
        scaled = scaled.clamp(numbers.new_tensor(self.low), numbers.new_tensor(self.high))
        return cells_of(_scaled(scaled, sizes, 1))


def _scaled(numbers: Tensor, sizes: Tensor, sign: int) -> Tensor:
    factor = sizes.to(numbers).pow(sign / 3)
    return torch.cat((numbers[:, :3] * factor[:, None], numbers[:, 3:]), 1)
