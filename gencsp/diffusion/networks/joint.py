"""The joint denoiser: density expansions in real space, structure factors in reciprocal space.

DiffCSP's denoiser passes messages between all atoms of the cell, on Fourier features of fractional
differences (Jiao et al., 2023, eq. 6 and 7), and reads lattice and coordinates in the frame of the
cell. Here the same two sources are kept apart, because both become dense products of atoms with a
few functions, without a tensor of pairs × channels: the neighbours in real space, images included,
enter through :class:`~gencsp.diffusion.networks.density.DensityLayer`; the Fourier features through
structure factors S_G = Σ_j h_j exp(iG·x_j), filtered by |G| (Ewald message passing, Kosmala et
al., 2023), which see the whole cell at any noise. The features of the crystal as a whole begin with
its noise, lattice and conditions; before every layer the mean over its atoms is added to them
(:class:`Context`). Scalars, vectors and tensors of rank two are kept, so the outputs are
equivariant by construction under rotation, translation and permutation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Positive
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import density_cutoff, radius_graph
from gencsp.diffusion.joint.process import JointProcess, JointState
from gencsp.diffusion.joint.shape import BASIS
from gencsp.diffusion.networks.base import ConfiguredNetwork
from gencsp.diffusion.networks.density import DensityLayer, expand
from gencsp.diffusion.networks.layers import N_ELEMENTS, NoiseEmbedding, bounded
from gencsp.diffusion.networks.predictions import AtomPredictions
from gencsp.diffusion.networks.waves import WaveLayer, structure_waves

if TYPE_CHECKING:
    from gencsp.diffusion.networks.native import NativeDenoiser

#: Number of properties that can be conditions.
N_CONDITIONS = 4


class JointConfig(ConfiguredNetwork):
    """Size of a :class:`JointNetwork`."""

    name = "joint"

    channels: Count = Field(
        default=80, description="Features of an atom, scalars and vectors alike."
    )
    layers: Count = Field(default=4, description="Rounds of message passing.")
    n_radial: Count = Field(default=8, description="Radial functions.")
    reach: Positive = Field(default=2.1, description="Cutoff in units of (V/N)^(1/3).")
    waves: Count = Field(default=2, description="Largest index of the reciprocal lattice vectors.")

    def build(self, context: None) -> JointNetwork:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return JointNetwork(self)


class JointOutput(NamedTuple):
    """The predictions of the network for a noisy batch.

    Attributes:
        score: σ·∇ log p of the fractional coordinates, shape (n, 3).
        velocity: α·ε − s·k_0 of the lattices, shape (b, 6).
        logits: of the species, shape (n, 95), by atomic number; that of number 0 is −∞.
    """

    score: Tensor
    velocity: Tensor
    logits: Tensor


class JointNetwork(nn.Module):
    """Maps noisy crystals, their times and conditions to a :class:`JointOutput`."""

    Config = JointConfig

    def __init__(self, config: JointConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.element = nn.Embedding(N_ELEMENTS, c)
        self.time = NoiseEmbedding(c)
        self.shape = nn.Sequential(nn.Linear(7, c), nn.SiLU(), nn.Linear(c, c))
        self.conditions = nn.ModuleList(ConditionEmbedding(c) for _ in range(N_CONDITIONS))
        self.start = nn.Linear(2 * c, c)
        self.layers = nn.ModuleList(
            DensityLayer(c, config.n_radial, first=i == 0) for i in range(config.layers)
        )
        self.waves = nn.ModuleList(WaveLayer(c, config.n_radial) for _ in range(config.layers))
        self.contexts = nn.ModuleList(Context(c) for _ in range(config.layers))
        self.gate = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, 3 * c))
        self.displacement = nn.Linear(c, 1, bias=False)
        self.gradient = nn.Linear(c, 1, bias=False)
        self.score_gain = nn.Linear(c, 2)
        self.tensor = TensorReadout(c, config.n_radial)
        self.frame = nn.Sequential(nn.Linear(3 * c, 2 * c), nn.SiLU(), nn.Linear(2 * c, 6))
        self.lattice_gain = nn.Linear(c, 6)
        self.species = nn.Sequential(nn.Linear(2 * c, c), nn.SiLU(), nn.Linear(c, N_ELEMENTS))
        self.shown = nn.Linear(2 * c, 2)
        nn.init.zeros_(self.shown.weight)
        nn.init.zeros_(self.shown.bias)
        self.native: NativeDenoiser | None = None

    def forward(
        self, state: JointState, t: Tensor, conditions: Tensor, process: JointProcess
    ) -> JointOutput:
        """See the class.

        Args:
            state: noisy crystals.
            t: times, shape (b,).
            conditions: standardised properties, NaN where free, shape (b, 4).
            process: the forward process, for its scales.
        """
        crystals = state.crystals(process.scale)
        noise = self._noise(state, t, conditions, process)
        # The native engine has no gradients.
        if self.native is None or torch.is_grad_enabled():
            found = self._predictions(state, crystals, noise)
        else:
            found = self.native.predictions(crystals, noise)
        logits = self._logits(found, state)
        logits = torch.cat((torch.full_like(logits[:, :1], -torch.inf), logits[:, 1:]), 1)
        velocity = self._velocity(found)
        return JointOutput(
            self._score(found, crystals), velocity / velocity.new_tensor(process.scale.std), logits
        )

    def _predictions(
        self, state: JointState, crystals: CrystalBatch, noise: Tensor
    ) -> AtomPredictions:
        owner = state.owner
        basis, index = expand(
            radius_graph(crystals, density_cutoff(crystals, self.config.reach)),
            owner,
            self.config.n_radial,
        )
        waves = structure_waves(state, crystals, self.config.waves, self.config.n_radial)
        noise_atom = noise[owner]
        scalars = self.start(torch.cat((self.element(state.numbers), noise_atom), 1))
        vectors = scalars.new_zeros(len(scalars), 3, self.config.channels)
        for context, layer, wave in zip(self.contexts, self.layers, self.waves, strict=True):
            noise = context(scalars, noise, state)
            scalars, vectors = layer(scalars, vectors, basis, index, noise, owner)
            scalars, vectors = wave(scalars, vectors, waves, noise)
        features = torch.cat((scalars, noise[owner]), 1)
        gates = self.gate(features).chunk(3, 1)
        tensor, pooled = self.tensor(
            scalars, vectors * gates[2][:, None], basis, index, noise, state
        )
        return AtomPredictions(
            self.displacement(vectors * gates[0][:, None])[..., 0],
            self.gradient(vectors * gates[1][:, None])[..., 0],
            self.species(features),
            self.shown(features),
            tensor,
            pooled,
            noise,
        )

    def _noise(
        self, state: JointState, t: Tensor, conditions: Tensor, process: JointProcess
    ) -> Tensor:
        """Features of time, lattice, size and conditions, shape (b, c)."""
        size = torch.log(state.sizes.to(t))[:, None] - 2.0
        noise: Tensor = self.time(process.sigma(t)) + self.shape(torch.cat((state.shape, size), 1))
        for i, embedding in enumerate(self.conditions):
            noise = noise + embedding(conditions[:, i])
        return noise

    def _logits(self, found: AtomPredictions, state: JointState) -> Tensor:
        """Logits of the species, with a term for elements that the crystal is known to hold.

        Few crystals hold more than four elements, and a sum over neighbours does not show which.
        """
        counts = found.logits.new_zeros(len(state.sizes), N_ELEMENTS)
        counts.index_put_(
            (state.owner, state.numbers), counts.new_ones(len(state.owner)), accumulate=True
        )
        share = counts / state.sizes[:, None]
        share = share[state.owner]
        present, often = found.shown[:, :1], found.shown[:, 1:]
        return found.logits + present * (share > 0) + often * share

    def _score(self, found: AtomPredictions, crystals: CrystalBatch) -> Tensor:
        """Displacements turn into fractional ones by C⁻¹, gradients by Cᵀ: both are read."""
        owner = crystals.owner
        gain = torch.exp(self.score_gain(found.noise))[owner]
        length = torch.linalg.det(crystals.cells).abs().pow(1 / 3)[:, None, None]
        there = (torch.linalg.inv(crystals.cells) * length)[owner]
        back = (crystals.cells.transpose(1, 2) / length)[owner]
        moved, pulled = found.vectors * gain[:, :1], found.gradient * gain[:, 1:]
        return bounded((moved[:, None] @ there + pulled[:, None] @ back)[:, 0])

    def _velocity(self, found: AtomPredictions) -> Tensor:
        """Six numbers from tensors in the frame of the symmetric cell, and from its invariants."""
        components = torch.einsum("bij,kij->bk", found.tensor, BASIS.to(found.tensor))
        in_frame = self.frame(torch.cat((found.pooled, found.noise), 1))
        out: Tensor = components * torch.exp(self.lattice_gain(found.noise)) + in_frame
        return out


class Context(nn.Module):
    """Adds the mean over the atoms of a crystal to the features of the whole crystal.

    A mean is the same for a supercell. The added term is zero at first, which keeps deep networks
    stable.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.update = nn.Sequential(nn.LayerNorm(2 * c), nn.Linear(2 * c, c), nn.SiLU())
        self.out = nn.Linear(c, c)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, scalars: Tensor, noise: Tensor, state: JointState) -> Tensor:
        """New features of crystals (b, c) from those of atoms (n, c) and of crystals (b, c)."""
        total = scalars.new_zeros(noise.shape).index_add(0, state.owner, scalars)
        mean = total / state.sizes[:, None]
        updated: Tensor = noise + self.out(self.update(torch.cat((mean, noise), 1)))
        return updated


class ConditionEmbedding(nn.Module):
    """A property's standardised value, or a learned vector where it is left free (NaN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.free = nn.Parameter(torch.zeros(channels))
        self.mlp = nn.Sequential(nn.Linear(1, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, value: Tensor) -> Tensor:
        """Shape (b,) to (b, channels)."""
        given = ~torch.isnan(value)
        if not bool(given.any()):
            return self.free.expand(len(value), -1)
        known: Tensor = self.mlp(torch.nan_to_num(value)[:, None])
        return torch.where(given[:, None], known, self.free)


class TensorReadout(nn.Module):
    """A symmetric tensor and pooled scalars of each crystal, from its atoms' surroundings."""

    def __init__(self, channels: int, n_radial: int) -> None:
        super().__init__()
        c = channels
        self.n_radial = n_radial
        self.norm = nn.LayerNorm(c)
        self.send = nn.Linear(c, c)
        self.radial = nn.Linear(c, n_radial * c)
        self.gate = nn.Linear(c, 2 * c)
        self.pool = nn.Linear(c, 2 * c)

    def forward(
        self,
        scalars: Tensor,
        vectors: Tensor,
        basis: Tensor,
        index: Tensor,
        noise: Tensor,
        state: JointState,
    ) -> tuple[Tensor, Tensor]:
        """A symmetric traceless tensor (b, 3, 3) and pooled scalars (b, c) of each crystal."""
        n, c, k = len(scalars), scalars.shape[1], self.n_radial
        normed = self.norm(scalars)
        density = (basis[:, 4 * k :] @ self.send(normed)[index]).view(n, 5, k, c)
        weights = self.radial(noise).view(-1, 1, k, c)[state.owner]
        bond, outer = self.gate(normed).split(c, 1)
        rank2 = ((density * weights).sum(2) * bond[:, None]).sum(2)
        tensor = traceless(rank2)
        dyad = torch.einsum("nic,njc,nc->nij", vectors, vectors, outer)
        tensors = torch.cat(((tensor + dyad / c).flatten(1), self.pool(normed)), 1)
        pooled = tensors.new_zeros(len(state.sizes), tensors.shape[1])
        pooled = pooled.index_add(0, state.owner, tensors) / state.sizes[:, None]
        return pooled[:, :9].view(-1, 3, 3), pooled[:, 9:]


def traceless(l2: Tensor) -> Tensor:
    """Symmetric matrices, shape (n, 3, 3), of l = 2 components in the order of the harmonics."""
    xy, yz, zx, d, z2 = l2.unbind(1)
    third = z2 / math.sqrt(3.0)
    rows = (d - third, xy, zx, xy, -d - third, yz, zx, yz, 2 * third)
    return torch.stack(rows, 1).view(-1, 3, 3)
