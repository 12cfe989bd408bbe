"""DimeNet++ (Gasteiger et al., 2020), the encoder of CDVAE and DP-CDVAE.

The layers, their parameters and names are those of PyTorch Geometric's ``DimeNetPlusPlus``, whose
own forward pass needs compiled extensions. What differs is how triplets are summed: its edges of
triplets are rows of a long table, here the edges that meet in an atom are a dense block, so that
the sum over triplets is a product of matrices, and no array of triplets × features is made.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks.bessel import BesselBasis, spherical_bessel_basis
from gencsp.diffusion.networks.layers import N_ELEMENTS
from gencsp.diffusion.networks.nearest import NearestGraph


class DimeNetPlusPlus(nn.Module):
    """Crystals to features, by the mean over atoms of what their edges carry.

    The mean is the same for a crystal and its supercell.

    Args:
        channels: features of an edge.
        out_channels: features of the crystal.
        blocks: rounds of message passing; with none, atoms know their own edges alone.
        triplet_channels: features of an edge in triplets.
        basis_channels: features of the basis of a triplet.
        output_channels: hidden features of the readout.
        n_spherical, n_radial: functions of angle and distance.
        cutoff: Å.
    """

    def __init__(
        self,
        *,
        channels: int,
        out_channels: int,
        blocks: int,
        triplet_channels: int,
        basis_channels: int,
        output_channels: int,
        n_spherical: int,
        n_radial: int,
        cutoff: float,
    ) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.n_spherical, self.n_radial = n_spherical, n_radial
        self.rbf = BesselBasis(n_radial, cutoff)
        self.emb = EdgeStart(channels, n_radial)
        self.interaction_blocks = nn.ModuleList(
            InteractionBlock(channels, triplet_channels, basis_channels, n_spherical, n_radial)
            for _ in range(blocks)
        )
        self.output_blocks = nn.ModuleList(
            OutputBlock(channels, output_channels, out_channels, n_radial)
            for _ in range(blocks + 1)
        )

    def forward(self, batch: CrystalBatch, graph: NearestGraph) -> Tensor:
        """Features of the crystals, shape (b, out_channels)."""
        atoms = self.atoms(batch.numbers, graph)
        total = atoms.new_zeros(batch.n_crystals, atoms.shape[1]).index_add(0, batch.owner, atoms)
        return total / batch.sizes[:, None]

    def atoms(self, numbers: Tensor, graph: NearestGraph) -> Tensor:
        """Features of the atoms, shape (n, out_channels)."""
        rbf = self.rbf(graph.distance)
        edges = self.emb(numbers, rbf, graph)
        atoms: Tensor = self.output_blocks[0](edges, rbf, graph)
        if not len(self.interaction_blocks):
            return atoms
        radial = spherical_bessel_basis(
            graph.distance,
            cutoff=self.cutoff,
            n_spherical=self.n_spherical,
            n_radial=self.n_radial,
        )
        # PyTorch Geometric has the angle between k → j and j → i, not that between their ends.
        angular = graph.legendre(self.n_spherical, sign=-1.0)
        for interaction, output in zip(
            self.interaction_blocks, self.output_blocks[1:], strict=True
        ):
            edges = interaction(edges, rbf, radial, angular, graph)
            atoms = atoms + output(edges, rbf, graph)
        return atoms


class EdgeStart(nn.Module):
    """First features of edges, of their atoms and their length."""

    def __init__(self, channels: int, n_radial: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(N_ELEMENTS, channels)
        nn.init.uniform_(self.emb.weight, -math.sqrt(3), math.sqrt(3))
        self.lin_rbf = nn.Linear(n_radial, channels)
        self.lin = nn.Linear(3 * channels, channels)

    def forward(self, numbers: Tensor, rbf: Tensor, graph: NearestGraph) -> Tensor:
        """Shape (e, channels)."""
        atoms = self.emb(numbers)
        radial = silu(self.lin_rbf(rbf))
        ends = torch.cat((atoms[graph.target], atoms[graph.source], radial), 1)
        return silu(self.lin(ends))


class Residual(nn.Module):
    """x + f(x) with two layers f."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = dense(channels, channels), dense(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (e, channels)."""
        out: Tensor = x + silu(self.lin2(silu(self.lin1(x))))
        return out


class InteractionBlock(nn.Module):
    """Messages from the edges k → j to the edges j → i."""

    def __init__(
        self, channels: int, triplet: int, basis: int, n_spherical: int, n_radial: int
    ) -> None:
        super().__init__()
        c = channels
        self.shape = (n_spherical, n_radial)
        self.lin_rbf1 = dense(n_radial, basis, bias=False)
        self.lin_rbf2 = dense(basis, c, bias=False)
        self.lin_sbf1 = dense(n_spherical * n_radial, basis, bias=False)
        self.lin_sbf2 = dense(basis, triplet, bias=False)
        self.lin_kj, self.lin_ji = dense(c, c), dense(c, c)
        self.lin_down = dense(c, triplet, bias=False)
        self.lin_up = dense(triplet, c, bias=False)
        self.layers_before_skip = nn.ModuleList([Residual(c)])
        self.lin = dense(c, c)
        self.layers_after_skip = nn.ModuleList([Residual(c), Residual(c)])

    def forward(
        self, edges: Tensor, rbf: Tensor, radial: Tensor, angular: Tensor, graph: NearestGraph
    ) -> Tensor:
        """Features of edges, shape (e, channels).

        Args:
            edges: features before.
            rbf: radial basis, shape (e, n_radial).
            radial: radial part of the basis of triplets, shape (e, n_spherical, n_radial).
            angular: its angular part, shape (n, k, n_spherical, k).
            graph: the edges.
        """
        sent = silu(self.lin_kj(edges)) * self.lin_rbf2(self.lin_rbf1(rbf))
        sent = graph.spread(silu(self.lin_down(sent)))
        # At atom j: for every i → j (a) the sum over all k → j (b) of basis(a, b) × sent(b).
        weight = self.lin_sbf1.weight.view(-1, *self.shape)
        by_degree = graph.spread(torch.einsum("eln,sln->esl", radial, weight))
        n, k, s, _ = by_degree.shape
        basis = (by_degree @ angular.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)
        met = (basis.reshape(n, k * s, k) @ sent).view(n, k, s, -1)
        met = (met * self.lin_sbf2.weight.T).sum(2)
        received = graph.gather(met)[graph.reverse]
        h = silu(self.lin_ji(edges)) + silu(self.lin_up(received))
        for layer in self.layers_before_skip:
            h = layer(h)
        h = silu(self.lin(h)) + edges
        for layer in self.layers_after_skip:
            h = layer(h)
        return h


class OutputBlock(nn.Module):
    """Features of atoms from those of the edges that point to them."""

    def __init__(self, channels: int, hidden: int, out_channels: int, n_radial: int) -> None:
        super().__init__()
        self.lin_rbf = dense(n_radial, channels, bias=False)
        self.lin_up = dense(channels, hidden, bias=False)
        self.lins = nn.ModuleList(dense(hidden, hidden) for _ in range(3))
        self.lin = nn.Linear(hidden, out_channels, bias=False)
        nn.init.zeros_(self.lin.weight)

    def forward(self, edges: Tensor, rbf: Tensor, graph: NearestGraph) -> Tensor:
        """Shape (e, channels) to (n, out_channels); zero at first, as in DimeNet."""
        atoms = self.lin_up(graph.to_atoms(self.lin_rbf(rbf) * edges))
        for layer in self.lins:
            atoms = silu(layer(atoms))
        out: Tensor = self.lin(atoms)
        return out


def dense(n_in: int, n_out: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer that keeps the variance: orthogonal weights of variance 1/n_in, no bias yet.

    As in DimeNet's and GemNet's programs.
    """
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.orthogonal_(layer.weight, gain=math.sqrt(max(1.0, n_out / n_in)))
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
