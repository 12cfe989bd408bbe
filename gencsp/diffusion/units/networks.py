"""The two networks: one predicts the noise in a vector, one the energy of what it describes.

Each is a perceptron with ReLU (supplement on NaNH2, *Neural network architecture and training*):
three layers of 64 for the noise, three of 128 for the energy, weights from He's uniform
distribution. The supplement does not say how a network knows the time step, or how one network
serves structures with unlike space groups and numbers of units. Here the input is

- z, padded with zeros to the largest number of units (each unit has its slots in the vector);
  of a periodic number its sine and cosine,
- the mask of what is not padding, nor the same in all data,
- the time step by sines and cosines (Ho, appendix B, as in transformers),
- an embedding of the space group, and for each slot an embedding of what stands there (unit,
  Wyckoff letter, site symmetry; one entry for "nothing").

What the noise network predicts is added to √(1 - ᾱ_t) z_t, the noise in vectors whose numbers are
independent and normal: hidden layers narrower than z could not pass it on. Of periodic numbers it
stands alone, as nothing else would be periodic.

The energy network knows the time step, too: it is trained on noisy vectors, as the classifiers of
Dhariwal & Nichol are, because guidance asks it about these. The supplement leaves that open.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Natural
from gencsp.diffusion.networks.base import ConfiguredNetwork


class UnitNetworksConfig(ConfiguredNetwork):
    """Sizes of :class:`UnitNetworks`; widths and depth are those of the supplement."""

    name = "units"

    length: Count = Field(default=1, description="Numbers of z, padded.")
    slots: Natural = Field(default=0, description="Units of the largest arrangement.")
    groups: Count = Field(default=1, description="Space groups that are known.")
    kinds: Natural = Field(default=0, description="What may stand in a slot, without nothing.")
    periodic: tuple[Natural, ...] = Field(
        default=(), description="Numbers of z with period 1, as indices."
    )
    layers: Count = Field(default=3, description="Hidden layers of each network.")
    noise_width: Count = Field(default=64, description="Units of a layer that predicts noise.")
    energy_width: Count = Field(default=128, description="Units of a layer that predicts energy.")
    time_channels: int = Field(default=32, ge=2, multiple_of=2, description="Features of t.")
    group_channels: Count = Field(default=8, description="Features of a space group.")
    kind_channels: Count = Field(default=4, description="Features of what stands in a slot.")

    def build(self, context: None) -> UnitNetworks:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return UnitNetworks(self)


class Condition(NamedTuple):
    """What is known of vectors beside their numbers.

    Attributes:
        mask: 1 where a number is diffused, 0 where it is padding or constant, shape (b, d).
        known: numbers that are given and not diffused, standardised, 0 elsewhere, shape (b, d).
        group: index of the space group, shape (b,), int64.
        kinds: index of what stands in each slot, 0 for nothing, shape (b, slots), int64.
    """

    mask: Tensor
    known: Tensor
    group: Tensor
    kinds: Tensor

    def rows(self, chosen: Tensor) -> Condition:
        """Those of some vectors."""
        return Condition(*(part[chosen] for part in self))


class ConditionedPerceptron(nn.Module):
    """A perceptron of z_t, t and the condition, see the module.

    Args:
        config: sizes of all that goes in.
        width: of a hidden layer.
        out: numbers that come out.
    """

    periodic: Tensor

    def __init__(self, config: UnitNetworksConfig, *, width: int, out: int) -> None:
        super().__init__()
        self.time_channels = config.time_channels
        # Not persistent: weights files have it in the configuration.
        periodic = torch.tensor(config.periodic, dtype=torch.int64)
        self.register_buffer("periodic", periodic, persistent=False)
        self.group = nn.Embedding(config.groups, config.group_channels)
        self.kind = nn.Embedding(config.kinds + 1, config.kind_channels)
        size = (
            2 * config.length
            + len(config.periodic)
            + config.time_channels
            + config.group_channels
            + config.slots * config.kind_channels
        )
        widths = [size, *[width] * config.layers]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [_he_uniform(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, _he_uniform(width, out))

    def forward(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """What the network says, shape (b, out).

        Args:
            z: z_t, standardised, shape (b, d); what is not in the mask does not count.
            t: time steps, shape (b,).
            condition: of these vectors.
        """
        inputs = (
            self._seen(z * condition.mask + condition.known, condition.mask),
            condition.mask,
            _waves(t, self.time_channels).to(z),
            self.group(condition.group),
            self.kind(condition.kinds).flatten(1),
        )
        found: Tensor = self.layers(torch.cat(inputs, dim=1))
        return found

    def _seen(self, z: Tensor, mask: Tensor) -> Tensor:
        """z with cosines in the place of periodic numbers, and their sines behind."""
        if not len(self.periodic):
            return z
        angles, on = 2 * math.pi * z[:, self.periodic], mask[:, self.periodic]
        cosines = z.index_copy(1, self.periodic, angles.cos() * on)
        return torch.cat((cosines, angles.sin() * on), dim=1)


class UnitNetworks(nn.Module):
    """The two networks, trained apart and kept together."""

    Config = UnitNetworksConfig

    def __init__(self, config: UnitNetworksConfig) -> None:
        super().__init__()
        self.config = config
        self.noise = ConditionedPerceptron(config, width=config.noise_width, out=config.length)
        self.energy = ConditionedPerceptron(config, width=config.energy_width, out=1)

    def predict_noise(
        self, z: Tensor, t: Tensor, condition: Condition, *, noise_level: Tensor
    ) -> Tensor:
        """What :meth:`.Schedule.target` asks for, shape (b, d), 0 outside of the mask.

        Args:
            z: z_t, shape (b, d).
            t: time steps, shape (b,).
            condition: of these vectors.
            noise_level: of numbers that are not periodic, √(1 - ᾱ_t), shape (b,).
        """
        found: Tensor = self.noise(z, t, condition)
        normal = (noise_level.to(z)[:, None] * z).index_fill(1, self.noise.periodic, 0.0)
        return (normal + found) * condition.mask

    def predict_energy(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Standardised energy, shape (b,)."""
        found: Tensor = self.energy(z, t, condition)
        return found[:, 0]


def _he_uniform(before: int, after: int) -> nn.Linear:
    """A layer with weights from He's uniform distribution (K. He et al., ICCV 2015, 1026)."""
    layer = nn.Linear(before, after)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _waves(t: Tensor, channels: int) -> Tensor:
    """Sines and cosines of time steps with periods from 2π to 10,000 · 2π, shape (b, channels)."""
    half = channels // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half, dtype=torch.float64) / half)
    phases = t.double()[:, None] * rates
    return torch.cat((phases.sin(), phases.cos()), dim=1)
