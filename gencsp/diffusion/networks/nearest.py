"""Nearest neighbours of every atom as a graph whose edges have their reverse.

DimeNet++ and GemNet-T pass messages along directed edges and read the angles between edges that
meet in an atom. CDVAE and DP-CDVAE cut the neighbours of an atom off after the 20th, at whichever
of several equally distant ones comes first; messages are then not the same for a rotated crystal.
Here an edge stays where either of its two ends counts it among its nearest, and neighbours as far
away as the last one all count: the graph is symmetric, and a property of the crystal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import radius_graph

#: Distances that differ by less, as a share of them, count as equal.
EQUAL = 1e-3


@dataclass(frozen=True, slots=True)
class NearestGraph:
    """Directed edges, sorted by the atom that they point to.

    Attributes:
        source: atom j that an edge comes from, shape (e,).
        target: atom i that it points to, shape (e,), ascending.
        distance: Å, shape (e,).
        unit: unit vector from i to the image of j, shape (e, 3).
        reverse: index of the edge i → j, shape (e,).
        place: place of each edge in a table of atoms × slots, shape (e,).
        filled: which slots hold an edge, shape (n, k).
    """

    source: Tensor
    target: Tensor
    distance: Tensor
    unit: Tensor
    reverse: Tensor
    place: Tensor
    filled: Tensor

    def spread(self, edges: Tensor) -> Tensor:
        """Values of edges, shape (e, ...), by target and slot: (n, k, ...), zero where empty."""
        n, k = self.filled.shape
        table = edges.new_zeros((n * k, *edges.shape[1:]))
        return table.index_copy(0, self.place, edges).view(n, k, *edges.shape[1:])

    def gather(self, table: Tensor) -> Tensor:
        """Values by target and slot, shape (n, k, ...), as values of edges, shape (e, ...)."""
        return table.flatten(0, 1)[self.place]

    def to_atoms(self, edges: Tensor) -> Tensor:
        """Sum over the edges that point to each atom, shape (e, c) to (n, c)."""
        return edges.new_zeros(len(self.filled), edges.shape[1]).index_add(0, self.target, edges)

    def legendre(self, n: int, *, sign: float = 1.0) -> Tensor:
        """P_0 … P_(n−1) of the cosine between two edges at their target, shape (n, k, n, k).

        Zero where a slot is empty, and for an edge with itself.

        Args:
            n: number of polynomials.
            sign: of the cosine; −1 for the angle between one edge and the other's continuation.
        """
        unit = self.spread(self.unit)
        cosine = sign * (unit @ unit.transpose(1, 2))
        values = [torch.ones_like(cosine), cosine]
        for m in range(2, n):
            values.append(((2 * m - 1) * cosine * values[-1] - (m - 1) * values[-2]) / m)
        met = self.filled[:, :, None] & self.filled[:, None]
        met = met & ~torch.eye(self.filled.shape[1], dtype=torch.bool, device=unit.device)
        return torch.stack(values[:n], 2) * met[:, :, None]


def nearest_graph(batch: CrystalBatch, *, cutoff: float, neighbours: int) -> NearestGraph:
    """The nearest neighbours of every atom of a batch, images included.

    Args:
        batch: crystals; positions need not be wrapped.
        cutoff: Å, beyond which nothing is a neighbour.
        neighbours: how many count, more where distances are equal (:data:`EQUAL`).
    """
    n = len(batch.owner)
    around = radius_graph(batch, batch.cells.new_full((batch.n_crystals,), cutoff))
    distance = torch.linalg.norm(around.vector, dim=1)
    limit = _limits(around.centre, distance, n, neighbours)
    i, j = around.centre, around.neighbour
    # One of the two directions is judged, so that rounding cannot part them.
    chosen = (i < j) | ((i == j) & _leads(around.vector, batch, i))
    chosen &= distance <= torch.maximum(limit[i], limit[j])
    kept = chosen.nonzero()[:, 0]
    i, j, vector, distance = i[kept], j[kept], around.vector[kept], distance[kept]

    source, target = torch.cat((j, i)), torch.cat((i, j))
    # Two atoms may coincide in noise; their direction is then undefined and left at zero.
    unit = vector / distance.clamp(min=1e-6)[:, None]
    order = torch.argsort(target, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    reverse = rank.roll(len(kept))[order]
    target = target[order]
    degree = torch.bincount(target, minlength=n)
    start = torch.cumsum(degree, 0) - degree
    slots = max(1, int(degree.max()))
    slot = torch.arange(len(target), device=target.device) - start[target]
    filled = torch.arange(slots, device=target.device)[None] < degree[:, None]
    return NearestGraph(
        source=source[order],
        target=target,
        distance=torch.cat((distance, distance))[order],
        unit=torch.cat((unit, -unit))[order],
        reverse=reverse,
        place=target * slots + slot,
        filled=filled,
    )


def _limits(centre: Tensor, distance: Tensor, n: int, neighbours: int) -> Tensor:
    """Distance of the last neighbour that counts for each atom, Å, shape (n,)."""
    by_distance = torch.argsort(distance)
    order = by_distance[torch.argsort(centre[by_distance], stable=True)]
    degree = torch.bincount(centre, minlength=n)
    last = torch.cumsum(degree, 0) - degree + neighbours - 1
    limit = distance.new_full((n,), torch.inf)
    crowded = degree >= neighbours
    limit[crowded] = distance[order][last[crowded]] * (1 + EQUAL)
    return limit


def _leads(vector: Tensor, batch: CrystalBatch, atom: Tensor) -> Tensor:
    """Of lattice translations and their inverses, shape (e, 3), which one comes first."""
    inverse = torch.linalg.inv(batch.cells)[batch.owner[atom]]
    x, y, z = torch.round((vector[:, None] @ inverse)[:, 0]).unbind(1)
    return (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
