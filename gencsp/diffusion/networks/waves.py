"""Structure factors of learned features: message passing in reciprocal space.

S_G = Σ_j h_j exp(iG·x_j), filtered by |G| (Ewald message passing, Kosmala et al., 2023), for the
reciprocal lattice vectors of small indices: at any noise every atom receives information from the
whole cell.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.process import JointState


class Waves(NamedTuple):
    """Plane waves on the atoms, padded by crystal.

    Attributes:
        cosine, sine: of 2π G·f, zero for padding, shape (b, most, m).
        vector: reciprocal lattice vectors times (V/N)^(1/3)/2π, shape (b, m, 3).
        radial: functions of their lengths, shape (b, m, n_radial).
        place: index of each atom in the padded arrays, shape (n,).
        root: √N of each crystal, shape (b,).
    """

    cosine: Tensor
    sine: Tensor
    vector: Tensor
    radial: Tensor
    place: Tensor
    root: Tensor


def half_space(largest: int) -> Tensor:
    """Integer vectors with components of −largest to largest, one of each ±pair, without zero."""
    axis = torch.arange(-largest, largest + 1)
    triples = torch.cartesian_prod(axis, axis, axis)
    return triples[len(triples) // 2 + 1 :]


def structure_waves(
    state: JointState, crystals: CrystalBatch, largest: int, n_radial: int
) -> Waves:
    """Cosines and sines of all atoms for the waves of :func:`half_space`."""
    triples = half_space(largest).to(state.frac)
    most = int(state.sizes.max())
    first = torch.cumsum(state.sizes, 0) - state.sizes
    place = state.owner * most + torch.arange(len(state.owner)).to(first) - first[state.owner]
    phase = 2 * math.pi * state.frac @ triples.T
    padded = phase.new_zeros(2, len(state.sizes) * most, len(triples))
    padded[0, place], padded[1, place] = torch.cos(phase), torch.sin(phase)
    cosine, sine = padded.view(2, len(state.sizes), most, -1)
    density = (torch.linalg.det(crystals.cells).abs() / state.sizes).pow(1 / 3)
    reciprocal = torch.linalg.inv(crystals.cells).transpose(1, 2)
    vector = (triples @ reciprocal) * density[:, None, None]
    length = torch.linalg.norm(vector, dim=2)
    centres = torch.linspace(0.0, 2.0, n_radial).to(length)
    radial = torch.exp(-(((length[..., None] - centres) / (centres[1] - centres[0])) ** 2))
    return Waves(cosine, sine, vector, radial, place, torch.sqrt(state.sizes.to(length)))


class WaveLayer(nn.Module):
    """Sends structure factors of learned features, filtered by |G|, to every atom."""

    def __init__(self, channels: int, n_radial: int) -> None:
        super().__init__()
        c = channels
        self.norm = nn.LayerNorm(c)
        self.send = nn.Linear(c, c)
        self.filter = nn.Linear(n_radial, 2 * c, bias=False)
        self.level = nn.Linear(c, 2 * c)
        self.update = nn.Sequential(nn.Linear(3 * c, c), nn.SiLU(), nn.Linear(c, 2 * c))

    def forward(
        self, scalars: Tensor, vectors: Tensor, waves: Waves, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scalars (n, c) and vectors (n, 3, c) of the atoms after this layer."""
        b, most, _ = waves.cosine.shape
        c = scalars.shape[1]
        normed = self.norm(scalars)
        sent = normed.new_zeros(b * most, c)
        sent = sent.index_copy(0, waves.place, self.send(normed)).view(b, most, c)
        sent = sent / waves.root[:, None, None]
        real = waves.cosine.transpose(1, 2) @ sent
        imaginary = waves.sine.transpose(1, 2) @ sent
        weights = self.filter(waves.radial) * (1 + self.level(noise))[:, None]
        even, odd = weights.split(c, 2)
        received = waves.cosine @ (even * real) + waves.sine @ (even * imaginary)
        # The gradient of the received density: G × (sine part), one product for all three
        # components.
        directed = waves.vector[..., None] * odd[:, :, None]
        slope = waves.sine @ (directed * real[:, :, None]).flatten(2) - waves.cosine @ (
            directed * imaginary[:, :, None]
        ).flatten(2)
        received = received.flatten(0, 1)[waves.place]
        slope = slope.view(b * most, 3, c)[waves.place]
        owner_noise = noise.repeat_interleave(most, 0)[waves.place]
        ds, gate = self.update(torch.cat((normed, received, owner_noise), 1)).split(c, 1)
        return scalars + ds, vectors + slope * gate[:, None]
