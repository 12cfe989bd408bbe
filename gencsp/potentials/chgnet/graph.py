"""Periodic graphs of a batch of crystals at once, in CHGNet's conventions.

The atom graph holds every pair of atoms (images included) within the atom cutoff, the bond graph
every ordered pair of bonds shorter than the bond cutoff that meet at an atom. What CHGNet calls an
undirected edge is one row here; its two directed edges are the row and its mirror image, so they
need no storing. Edges are grouped by crystal, which lets a batch be cut into pieces cheaply.

Deng et al., Nature Machine Intelligence 5, 1031 (2023), Methods; same edges as
``chgnet.graph.CrystalGraphConverter``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase.geometry import minkowski_reduce
from ase.neighborlist import primitive_neighbor_list
from torch import Tensor

#: Pairs as far as the cutoff itself belong to the graph, as in pymatgen (Å).
DISTANCE_TOLERANCE = 1e-8
#: Candidate pairs looked at together: bounds the memory of the search.
MAX_CANDIDATES = 3_000_000
#: Image blocks larger than this mean a needlessly skewed cell, which is reduced first.
MAX_IMAGES = 343


@dataclass(frozen=True, slots=True)
class Edges:
    """Undirected edges of the atom graph, grouped by crystal.

    Attributes:
        first, second: atoms that each edge joins, shape (u,), int64.
        vectors: from the image of ``second`` to ``first`` in Å, shape (u, 3), float64.
        counts: edges of each crystal, shape (b,), int64.
    """

    first: Tensor
    second: Tensor
    vectors: Tensor
    counts: Tensor


@dataclass(frozen=True, slots=True)
class BondGraph:
    """Angles between directed short bonds that share their central atom.

    Attributes:
        short: rows of the atom graph that are shorter than the bond cutoff, shape (s,).
        centre: atom at the corner of each angle, shape (a,).
        left, right: the two bonds of each angle, rows of ``short``, shape (a,).
        sign: +1 where both bonds leave the centre along their stored vectors or both against
            them, else -1, shape (a,), float64.
    """

    short: Tensor
    centre: Tensor
    left: Tensor
    right: Tensor
    sign: Tensor


def build_edges(positions: Tensor, cells: Tensor, sizes: Tensor, cutoff: float) -> Edges:
    """All pairs of atoms within ``cutoff`` Å, each once, of crystals periodic in three directions.

    ``positions`` (n, 3) in Å and ``cells`` (b, 3, 3) are float64 and finite, the cells of non-zero
    volume; ``sizes`` (b,) are the atom counts. Skewed cells are reduced first, which changes
    nothing but the speed.
    """
    cells, images = _image_ranges(cells, cutoff)
    blocks = (2 * images + 1).prod(1)
    candidates = sizes * (sizes + 1) // 2 * blocks
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    ends = torch.cumsum(sizes, 0).tolist()
    for start, stop in split_runs(candidates.tolist(), MAX_CANDIDATES):
        offset = ends[start] - int(sizes[start])
        here = slice(offset, ends[stop - 1])
        if stop - start == 1 and int(candidates[start]) > MAX_CANDIDATES:
            part = _cell_list(positions[here], cells[start], cutoff)
        else:
            group = slice(start, stop)
            part = _all_pairs(positions[here], cells[group], sizes[group], images[group], cutoff)
        parts.append((part[0] + offset, part[1] + offset, part[2], part[3]))
    first, second, vectors, counts = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return Edges(first, second, vectors, counts)


def build_bond_graph(
    first: Tensor, second: Tensor, lengths: Tensor, n_atoms: int, cutoff: float
) -> BondGraph:
    """Every ordered pair of different directed bonds below ``cutoff`` Å with a common centre.

    chgnet also lets a bond of exactly the cutoff be the left one; its weight is zero there.
    """
    short = torch.nonzero(lengths < cutoff).view(-1)
    n_short = len(short)
    rows = torch.arange(n_short, device=short.device)
    centre = torch.cat([first[short], second[short]])
    order = torch.argsort(centre, stable=True)
    centre = centre[order]
    row = torch.cat([rows, rows])[order]
    sign = torch.where(order < n_short, 1.0, -1.0).to(torch.float64)
    degree = torch.bincount(centre, minlength=n_atoms)
    starts = torch.cumsum(degree, 0) - degree
    left, within = _expand(degree[centre])
    right = starts[centre[left]] + within
    different = left != right
    left, right = left[different], right[different]
    return BondGraph(short, centre[left], row[left], row[right], sign[left] * sign[right])


def angle_counts(edges: Edges, owner: Tensor, cutoff: float, n_crystals: int) -> Tensor:
    """Angles that each crystal's bond graph will hold, shape (b,), before it is built."""
    short = edges.vectors.norm(dim=1) < cutoff
    ends = torch.cat([edges.first[short], edges.second[short]])
    degree = torch.bincount(ends, minlength=len(owner))
    return _sum_by(owner, degree * (degree - 1), n_crystals)


def _sum_by(owner: Tensor, values: Tensor, n: int) -> Tensor:
    return torch.zeros(n, dtype=values.dtype, device=values.device).index_add_(0, owner, values)


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and places within them (0, 1, 0, 1, 2)."""
    owners = torch.repeat_interleave(counts)
    starts = torch.cumsum(counts, 0) - counts
    return owners, torch.arange(len(owners), device=counts.device) - starts[owners]


def split_runs(weights: list[int], limit: int) -> list[tuple[int, int]]:
    """Cut a list into runs whose weights add up to at most ``limit`` (or hold one item)."""
    groups, start, total = [], 0, 0
    for i, weight in enumerate(weights):
        if i > start and total + weight > limit:
            groups.append((start, i))
            start, total = i, 0
        total += weight
    groups.append((start, len(weights)))
    return groups


def _image_ranges(cells: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Cells (skewed ones reduced) and the images to search on each side, shape (b, 3).

    Separations are brought within half a cell first, so an image further than cutoff / height + 1/2
    away cannot be within the cutoff.
    """

    def ranges(of: Tensor) -> Tensor:
        inverse_heights = torch.linalg.inv(of).norm(dim=1)
        return torch.floor((cutoff + DISTANCE_TOLERANCE) * inverse_heights + 0.5).to(torch.int64)

    images = ranges(cells)
    skewed = torch.nonzero((2 * images + 1).prod(1) > MAX_IMAGES).view(-1)
    if len(skewed):
        reduced = [minkowski_reduce(cells[i].cpu().numpy())[0] for i in skewed.tolist()]
        cells = cells.clone()
        cells[skewed] = torch.as_tensor(np.stack(reduced), dtype=cells.dtype, device=cells.device)
        images = ranges(cells)
    return cells, images


def _all_pairs(
    positions: Tensor, cells: Tensor, sizes: Tensor, images: Tensor, cutoff: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edges of several small crystals by trying every pair with every image in reach."""
    device = positions.device
    owner, local = _expand(sizes)
    first, ahead = _expand(sizes[owner] - local)
    second = first + ahead
    pair_owner = owner[first]
    separation = positions[first] - positions[second]
    inverse = torch.linalg.inv(cells)[pair_owner]
    whole = torch.round(torch.einsum("pi,pij->pj", separation, inverse))
    separation = separation - torch.einsum("pi,pij->pj", whole, cells[pair_owner])

    spans = 2 * images + 1
    blocks = spans.prod(1)
    image_owner, place = _expand(blocks)
    span = spans[image_owner]
    steps = torch.stack(
        [
            place // (span[:, 1] * span[:, 2]),
            place // span[:, 2] % span[:, 1],
            place % span[:, 2],
        ],
        1,
    )
    steps = (steps - images[image_owner]).to(positions.dtype)
    shifts = torch.einsum("mi,mij->mj", steps, cells[image_owner])

    pair, image = _expand(blocks[pair_owner])
    starts = torch.cumsum(blocks, 0) - blocks
    vectors = separation[pair] + shifts[starts[pair_owner[pair]] + image]
    near = (vectors * vectors).sum(1) <= (cutoff + DISTANCE_TOLERANCE) ** 2
    # An atom and its own image: of s and -s, which make one edge, keep the one after the centre.
    own = ahead[pair] == 0
    near &= ~own | (image > blocks[pair_owner[pair]] // 2)
    pair, vectors = pair[near], vectors[near]
    counts = torch.bincount(pair_owner[pair], minlength=len(sizes)).to(device)
    return first[pair], second[pair], vectors, counts


def _cell_list(
    positions: Tensor, cell: Tensor, cutoff: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edges of one large crystal in a time that grows linearly with its size."""
    i, j, vectors, images = primitive_neighbor_list(
        "ijDS",
        (True, True, True),
        cell.cpu().numpy(),
        positions.cpu().numpy(),
        cutoff + DISTANCE_TOLERANCE,
    )
    after = (images[:, 0] > 0) | (
        (images[:, 0] == 0) & ((images[:, 1] > 0) | ((images[:, 1] == 0) & (images[:, 2] > 0)))
    )
    keep = (i < j) | ((i == j) & after)
    first, second = (torch.as_tensor(x[keep], device=positions.device) for x in (i, j))
    # ASE's D points from i to j; CHGNet's bond vector from the neighbour to the centre.
    edge_vectors = torch.as_tensor(-vectors[keep], device=positions.device)
    return first, second, edge_vectors, torch.tensor([len(first)], device=positions.device)
