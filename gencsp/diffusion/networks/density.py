"""Score network on expansions of the neighbour density: the shipped default.

Each layer expands the features of an atom's neighbours in radial functions times spherical
harmonics up to l = 2 (the A-basis of the atomic cluster expansion: Drautz, 2019; MACE: Batatia et
al., 2022). The expansion is one dense matrix product per atom, with the radial functions common to
all channels; only afterwards are they mixed, with weights that depend on the channel and on σ. No
tensor of edges × channels × components is ever held, which is what makes it fast on a CPU: per-edge
cost is that of a matrix product, all learned operations act on atoms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Positive
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import RadiusGraph, density_cutoff, radius_graph
from gencsp.diffusion.networks.base import ConfiguredNetwork
from gencsp.diffusion.networks.layers import (
    N_ELEMENTS,
    NoiseEmbedding,
    bounded,
    matrix_times_vector,
    normalise_vectors,
    radial_basis,
    spherical_harmonics,
)

if TYPE_CHECKING:
    from gencsp.diffusion.networks.native import NativeDenoiser


class DensityConfig(ConfiguredNetwork):
    """Size of a :class:`DensityNetwork`."""

    name = "density"

    channels: Count = Field(
        default=96, description="Features of an atom, scalars and vectors alike."
    )
    layers: Count = Field(default=4, description="Rounds of message passing.")
    n_radial: Count = Field(default=10, description="Radial functions.")
    reach: Positive = Field(default=2.1, description="Cutoff in units of (V/N)^(1/3).")

    def build(self, context: None) -> DensityNetwork:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return DensityNetwork(self)


class DensityNetwork(nn.Module):
    """Maps noisy crystals and σ to σ·score, shape (n, 3), equivariant under E(3)."""

    Config = DensityConfig

    def __init__(self, config: DensityConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.element = nn.Embedding(N_ELEMENTS, c)
        self.noise = NoiseEmbedding(c)
        self.start = nn.Linear(2 * c, c)
        self.layers = nn.ModuleList(
            DensityLayer(c, config.n_radial, first=i == 0) for i in range(config.layers)
        )
        self.readout_gate = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, c))
        self.readout = nn.Linear(c, 1, bias=False)
        self.gain = nn.Linear(c, 1)
        self.native: NativeDenoiser | None = None

    def forward(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """σ·score of each atom, shape (n, 3); ``sigma`` in Å, shape (b,)."""
        noise = self.noise(sigma)
        # The native engine has no gradients.
        if self.native is None or torch.is_grad_enabled():
            vectors = self._vectors(batch, noise)
        else:
            vectors = self.native.vectors(batch, noise)
        return bounded(vectors * torch.exp(self.gain(noise))[batch.owner])

    def _vectors(self, batch: CrystalBatch, noise: Tensor) -> Tensor:
        """Displacements before their gain, shape (n, 3)."""
        graph = radius_graph(batch, density_cutoff(batch, self.config.reach))
        basis, index = expand(graph, batch.owner, self.config.n_radial)
        noise_atom = noise[batch.owner]
        scalars = self.start(torch.cat((self.element(batch.numbers), noise_atom), 1))
        vectors = scalars.new_zeros(len(scalars), 3, self.config.channels)
        for layer in self.layers:
            scalars, vectors = layer(scalars, vectors, basis, index, noise, batch.owner)
        gate = self.readout_gate(torch.cat((scalars, noise_atom), 1))
        out: Tensor = self.readout(vectors * gate[:, None])[..., 0]
        return out


def expand(graph: RadiusGraph, owner: Tensor, n_radial: int) -> tuple[Tensor, Tensor]:
    """Basis of each pair of atoms, padded by atom: shapes (n, 9·n_radial, d), index (n, d).

    All images of an atom send the same message, so their bases are summed once for all layers:
    an atom in a cell of n then receives at most n messages, not about 39 from all in reach.
    """
    distance = torch.linalg.norm(graph.vector, dim=1)
    # Two atoms may coincide at high noise; their direction is then undefined and left at zero.
    unit = graph.vector / distance.clamp(min=1e-6)[:, None]
    cutoff = graph.cutoff[owner[graph.centre]].to(distance.dtype)
    radial = radial_basis(distance, cutoff, n_radial)
    angular = spherical_harmonics(unit)
    edges = (angular[:, :, None] * radial[:, None]).flatten(1)

    n_atoms = len(owner)
    ends = graph.centre * n_atoms + graph.neighbour
    ends, pair = torch.unique_consecutive(ends, return_inverse=True)
    centre = torch.div(ends, n_atoms, rounding_mode="floor")
    degree = torch.bincount(centre, minlength=n_atoms)
    start = torch.cumsum(degree, 0) - degree
    most = int(degree.max()) if len(centre) else 0
    place = centre * most + torch.arange(len(centre), device=centre.device) - start[centre]
    basis = edges.new_zeros(n_atoms * most, edges.shape[1])
    basis = basis.index_add(0, place[pair], edges)
    index = torch.zeros(n_atoms * most, dtype=torch.int64, device=degree.device)
    index[place] = ends - centre * n_atoms
    return basis.view(n_atoms, most, -1).transpose(1, 2), index.view(n_atoms, most)


class DensityLayer(nn.Module):
    """One expansion of the neighbour density and one update of scalars and vectors."""

    def __init__(self, channels: int, n_radial: int, *, first: bool) -> None:
        super().__init__()
        c = self.channels = channels
        self.n_radial = n_radial
        self.first = first
        self.send = nn.Linear(c, c)
        self.radial = nn.Linear(c, 3 * n_radial * c)
        nn.init.normal_(self.radial.weight, std=0.02)
        nn.init.normal_(self.radial.bias, std=0.3)
        self.mix = nn.ModuleList(nn.Linear(c, c, bias=False) for _ in range(3))
        n_vectors = 2 if first else 4
        if not first:
            self.vector_send = nn.Linear(c, c, bias=False)
            self.vector_radial = nn.Parameter(0.3 * torch.randn(n_radial, c))
        self.vector_mix = nn.Linear(n_vectors * c, 2 * c, bias=False)
        n_invariants = 5 if first else 6
        # Products of densities vary over orders of magnitude with the environment: unnormalised,
        # rare crowded ones make the loss of a whole batch explode.
        self.update = nn.Sequential(
            nn.LayerNorm(n_invariants * c),
            nn.Linear(n_invariants * c, 2 * c),
            nn.SiLU(),
            nn.Linear(2 * c, 4 * c),
        )
        self.norm = nn.LayerNorm(c)

    def forward(
        self,
        scalars: Tensor,
        vectors: Tensor,
        basis: Tensor,
        index: Tensor,
        noise: Tensor,
        owner: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Scalars (n, c) and vectors (n, 3, c) of the atoms after this layer."""
        n, c, k = len(scalars), self.channels, self.n_radial
        normed = self.norm(scalars)
        old = normalise_vectors(vectors)
        density = (basis @ self.send(normed)[index]).view(n, 9, k, c)
        weights = self.radial(noise).view(-1, 3, k, c)[owner]
        # Split, not sliced: the gradient of a slice is a whole tensor of zeros around it.
        a0, a1, a2 = (
            mix((part * weight[:, None]).sum(2))
            for part, weight, mix in zip(
                density.split((1, 3, 5), 1), weights.unbind(1), self.mix, strict=True
            )
        )
        bent = matrix_times_vector(a2, a1)
        candidates = [a1, bent]
        if not self.first:
            sent = self.vector_send(old).flatten(1)
            carried = (basis[:, :k] @ sent[index]).view(n, k, 3, c)
            carried = (carried * self.vector_radial[:, None]).sum(1)
            candidates += [carried, old]
        mixed, other = self.vector_mix(torch.cat(candidates, 2)).split(c, 2)
        invariants = [
            normed,
            a0[:, 0],
            (a1 * other).sum(1),
            a2.square().sum(1),
            noise[owner],
        ]
        if not self.first:
            invariants.append((mixed * old).sum(1))
        ds, gate_new, gate_bent, gate_old = self.update(torch.cat(invariants, 1)).split(c, 1)
        new = mixed * gate_new[:, None] + bent * gate_bent[:, None]
        if not self.first:
            new = new + matrix_times_vector(a2, old) * gate_old[:, None]
        return scalars + ds, vectors + new
