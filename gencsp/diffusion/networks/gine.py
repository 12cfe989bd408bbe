"""GINE (Hu et al., 2020) on distances: the second encoder of DP-CDVAE+GINE.

The graph isomorphism network of the paper has no geometry of its own; the distances between atoms
are the attributes of its edges (Section IV.B). Each round is x_i + f((1 + ε) x_i + Σ_j relu(x_j +
e_ij)) with ε = 0, as in GeoDiff; the crystal has the greatest feature of its atoms.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks.layers import N_ELEMENTS
from gencsp.diffusion.networks.nearest import NearestGraph


class GineEncoder(nn.Module):
    """Crystals to features of shape (b, out_channels).

    Args:
        channels: features of an atom and of an edge.
        out_channels: features of the crystal.
        layers: rounds of message passing.
    """

    def __init__(self, *, channels: int, out_channels: int, layers: int) -> None:
        super().__init__()
        self.atoms = nn.Embedding(N_ELEMENTS, channels)
        self.edges = perceptron(1, channels, channels)
        self.layers = nn.ModuleList(perceptron(*(channels,) * 3) for _ in range(layers))
        self.out = perceptron(channels, channels, out_channels)

    def forward(self, batch: CrystalBatch, graph: NearestGraph) -> Tensor:
        """See the class."""
        edges = self.edges(graph.distance[:, None])
        atoms = self.atoms(batch.numbers)
        for k, layer in enumerate(self.layers):
            sent = torch.relu(atoms[graph.source] + edges)
            hidden = layer(atoms + graph.to_atoms(sent))
            atoms = atoms + (hidden if k == len(self.layers) - 1 else torch.relu(hidden))
        lowest = atoms.new_full((batch.n_crystals, atoms.shape[1]), -torch.inf)
        owner = batch.owner[:, None].expand_as(atoms)
        out: Tensor = self.out(lowest.scatter_reduce(0, owner, atoms, "amax"))
        return out


def perceptron(n_in: int, hidden: int, n_out: int) -> nn.Sequential:
    """Two linear layers with a rectifier between them."""
    return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))
