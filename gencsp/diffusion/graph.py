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
    """Directed edges j → i, sorted by i, then by j: the images of one j follow each other.

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
    crystal, k = _blocks(sizes * sizes)
    n = sizes[crystal]
    i = torch.div(k, n, rounding_mode="floor")
    centre, neighbour = i + first[crystal], k - i * n + first[crystal]
    apart = frac[neighbour] - frac[centre]
    apart = ((apart - torch.round(apart))[:, None] @ batch.cells[crystal])[:, 0]

    # With differences within half a cell, images beyond reach/height + 1/2 cannot be in reach.
    reach = torch.floor(cutoff[:, None] / heights + 0.5).to(torch.int64)
    images, translation, home = _translations(reach, batch.cells)
    first_image = torch.cumsum(images, 0) - images
    pair, k = _blocks(images[crystal])
    image = k + first_image[crystal][pair]

    # One axis at a time: with three short rows the memory is read in order.
    x, y, z = (
        a[pair] + t[image] for a, t in zip(apart.unbind(1), translation.unbind(1), strict=True)
    )
    near = x * x + y * y + z * z < cutoff.square()[crystal][pair]
    kept = near.nonzero()[:, 0]
    pair, image = pair[kept], image[kept]
    itself = (centre == neighbour)[pair] & home[image]
    others = (~itself).nonzero()[:, 0]
    pair, image = pair[others], image[others]
    return RadiusGraph(centre[pair], neighbour[pair], apart[pair] + translation[image], cutoff)


def _translations(reach: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Translations of −reach to +reach cells along each axis, crystal after crystal.

    Args:
        reach: shape (b, 3).
        cells: Å, shape (b, 3, 3).

    Returns:
        How many a crystal has, shape (b,); all of them in Å, shape (m, 3); which of them are zero,
        shape (m,).
    """
    per_axis = 2 * reach + 1
    images = per_axis.prod(1)
    crystal, k = _blocks(images)
    ny, nz = per_axis[crystal, 1], per_axis[crystal, 2]
    tx = torch.div(k, ny * nz, rounding_mode="floor")
    ty = torch.div(k - tx * ny * nz, nz, rounding_mode="floor")
    tz = k - (tx * ny + ty) * nz
    shift = torch.stack((tx, ty, tz), 1) - reach[crystal]
    translation = (shift.to(cells.dtype)[:, None] @ cells[crystal])[:, 0]
    return images, translation, (shift == 0).all(1)


def _blocks(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For blocks of the given lengths laid end to end: the block of each item, and its place."""
    block = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    start = torch.cumsum(counts, 0) - counts
    return block, torch.arange(len(block), device=counts.device) - start[block]
