"""PaiNN (Schütt, Unke and Gastegger, 2021) as a score network: the plain baseline."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Positive
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import density_cutoff, radius_graph
from gencsp.diffusion.networks.base import ConfiguredNetwork
from gencsp.diffusion.networks.layers import (
    N_ELEMENTS,
    NoiseEmbedding,
    bounded,
    normalise_vectors,
    radial_basis,
)


class PaiNNConfig(ConfiguredNetwork):
    """Size of a :class:`PaiNN`."""

    name = "painn"

    channels: Count = Field(
        default=96, description="Features of an atom, scalars and vectors alike."
    )
    layers: Count = Field(default=4, description="Rounds of message passing.")
    n_radial: Count = Field(default=20, description="Radial functions.")
    reach: Positive = Field(default=2.1, description="Cutoff in units of (V/N)^(1/3).")

    def build(self, context: None) -> PaiNN:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return PaiNN(self)


class PaiNN(nn.Module):
    """Maps noisy crystals and σ to σ·score, shape (n, 3), equivariant under E(3)."""

    Config = PaiNNConfig

    def __init__(self, config: PaiNNConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.element = nn.Embedding(N_ELEMENTS, c)
        self.noise = NoiseEmbedding(c)
        self.start = nn.Linear(2 * c, c)
        self.messages = nn.ModuleList(Message(c, config.n_radial) for _ in range(config.layers))
        self.updates = nn.ModuleList(Update(c) for _ in range(config.layers))
        self.readout_gate = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, c))
        self.readout = nn.Linear(c, 1, bias=False)
        self.gain = nn.Linear(c, 1)

    def forward(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """σ·score of each atom, shape (n, 3); ``sigma`` in Å, shape (b,)."""
        graph = radius_graph(batch, density_cutoff(batch, self.config.reach))
        distance = torch.linalg.norm(graph.vector, dim=1)
        unit = graph.vector / distance.clamp(min=1e-6)[:, None]
        cutoff = graph.cutoff[batch.owner[graph.centre]].to(distance.dtype)
        radial = radial_basis(distance, cutoff, self.config.n_radial)
        noise = self.noise(sigma)[batch.owner]
        scalars = self.start(torch.cat((self.element(batch.numbers), noise), 1))
        vectors = scalars.new_zeros(len(scalars), 3, self.config.channels)
        for message, update in zip(self.messages, self.updates, strict=True):
            scalars, vectors = message(
                scalars, vectors, noise, radial, unit, graph.centre, graph.neighbour
            )
            scalars, vectors = update(scalars, vectors)
        gate = self.readout_gate(torch.cat((scalars, noise), 1))
        out: Tensor = self.readout(vectors * gate[:, None])[..., 0]
        return bounded(out * torch.exp(self.gain(noise)))


class Message(nn.Module):
    """Message block (PaiNN, eq. 7, 8) with σ as additional input."""

    def __init__(self, channels: int, n_radial: int) -> None:
        super().__init__()
        c = channels
        self.norm = nn.LayerNorm(c)
        self.phi = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, 3 * c))
        self.filter = nn.Linear(n_radial, 3 * c, bias=False)

    def forward(
        self,
        scalars: Tensor,
        vectors: Tensor,
        noise: Tensor,
        radial: Tensor,
        unit: Tensor,
        centre: Tensor,
        neighbour: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Scalars (n, c) and vectors (n, 3, c) after messages along the edges."""
        c = scalars.shape[1]
        phi = self.phi(torch.cat((self.norm(scalars), noise), 1))
        old = normalise_vectors(vectors)
        x = phi[neighbour] * self.filter(radial)
        ds, dv, du = x.split(c, 1)
        moved = old[neighbour] * dv[:, None] + unit[..., None] * du[:, None]
        return (
            scalars.index_add(0, centre, ds),
            vectors.index_add(0, centre, moved),
        )


class Update(nn.Module):
    """Update block (PaiNN, eq. 9)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.u = nn.Linear(c, c, bias=False)
        self.v = nn.Linear(c, c, bias=False)
        self.norm = nn.LayerNorm(c)
        self.a = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, 3 * c))

    def forward(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Scalars (n, c) and vectors (n, 3, c) after the update at each atom."""
        old = normalise_vectors(vectors)
        u, v = self.u(old), self.v(old)
        length = torch.sqrt(v.square().sum(1) + 1e-8)
        ss, sv, vv = self.a(torch.cat((self.norm(scalars), length), 1)).split(scalars.shape[1], 1)
        return scalars + ss + sv * (u * v).sum(1), vectors + u * vv[:, None]
