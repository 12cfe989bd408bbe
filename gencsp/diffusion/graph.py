"""Periodic radius graphs of a batch of crystals, built anew at every step.

The cutoff scales with the density: r_c = reach · (V/N)^(1/3). It is the same for a crystal and its
supercell and rotates with it, so no invariance is lost, but every atom sees about
(4π/3)·reach³ neighbours whether the crystal is diamond or caesium: the cost is even, and no atom
of an ordinary crystal is without neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch


@dataclass(frozen=True, slots=True)
class RadiusGraph:
    """Directed edges j → i, sorted by i.

    Attributes:
        centre: index i of the atom that receives, shape (e,).
        neighbour: index j of the atom that sends, shape (e,).
        vector: from i to the image of j, Å, shape (e, 3).
        cutoff: cutoff of each crystal, Å, shape (b,).
    """

    centre: Tensor
    neighbour: Tensor
    vector: Tensor
    cutoff: Tensor


def density_cutoff(batch: CrystalBatch, reach: float) -> Tensor:
    """reach · (V/N)^(1/3) of each crystal, Å, shape (b,)."""
    volume = torch.linalg.det(batch.cells).abs()
    per_atom = volume / batch.sizes.to(volume.dtype)
    cutoff: Tensor = reach * per_atom.pow(1.0 / 3.0)
    return cutoff


def radius_graph(batch: CrystalBatch, cutoff: Tensor) -> RadiusGraph:
    """All pairs of atoms and images nearer than the cutoff of their crystal.

    Args:
        batch: crystals; positions need not be wrapped.
        cutoff: Å, shape (b,).

    Returns:
        The graph; an atom is its own neighbour through images only. Memory grows as the sum of
        N² times the number of images in reach: meant for cells of up to some hundred atoms.
    """
    inverse = torch.linalg.inv(batch.cells)
    heights = 1.0 / torch.linalg.norm(inverse, dim=1)
    frac = (batch.positions[:, None] @ inverse[batch.owner])[:, 0]

    sizes = batch.sizes
    first = torch.cumsum(sizes, 0) - sizes
    pair_crystal, k = _blocks(sizes * sizes)
    n = sizes[pair_crystal]
    i = torch.div(k, n, rounding_mode="floor")
    centre, neighbour = i + first[pair_crystal], k - i * n + first[pair_crystal]
    apart = frac[neighbour] - frac[centre]
    apart = apart - torch.round(apart)

    # With differences within half a cell, images beyond reach/height + 1/2 cannot be in reach.
    reach = torch.floor(cutoff[:, None] / heights + 0.5).to(torch.int64)
    per_axis = 2 * reach + 1
    pair, image = _blocks(per_axis.prod(1)[pair_crystal])
    crystal = pair_crystal[pair]
    ny, nz = per_axis[crystal, 1], per_axis[crystal, 2]
    tx = torch.div(image, ny * nz, rounding_mode="floor")
    ty = torch.div(image - tx * ny * nz, nz, rounding_mode="floor")
    tz = image - (tx * ny + ty) * nz
    shift = (torch.stack((tx, ty, tz), 1) - reach[crystal]).to(frac.dtype)

    vector = ((apart[pair] + shift)[:, None] @ batch.cells[crystal])[:, 0]
    itself = (centre == neighbour)[pair] & (shift == 0).all(1)
    keep = (vector.square().sum(1) < cutoff[crystal].square()) & ~itself
    pair = pair[keep]
    return RadiusGraph(centre[pair], neighbour[pair], vector[keep], cutoff)


def _blocks(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For blocks of the given lengths laid end to end: the block of each item, and its place."""
    block = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    start = torch.cumsum(counts, 0) - counts
    return block, torch.arange(len(block), device=counts.device) - start[block]
