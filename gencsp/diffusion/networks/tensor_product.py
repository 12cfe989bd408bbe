"""NequIP-like score network on e3nn, as the paper describes it (CHGGen, Methods, eq. 9-11).

Kept as the reference against which the faster default is measured; needs the ``train`` extra.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Positive
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import density_cutoff, radius_graph
from gencsp.diffusion.networks.base import ConfiguredNetwork
from gencsp.diffusion.networks.layers import N_ELEMENTS, NoiseEmbedding, bounded, radial_basis
from gencsp.errors import WeightsError


class TensorProductConfig(ConfiguredNetwork):
    """Size of a :class:`TensorProductNetwork`."""

    name = "nequip"

    channels: Count = Field(
        default=32, description="Scalars of an atom; half as many vectors, a quarter tensors."
    )
    layers: Count = Field(default=3, description="Rounds of message passing.")
    n_radial: Count = Field(default=8, description="Radial functions.")
    reach: Positive = Field(default=2.1, description="Cutoff in units of (V/N)^(1/3).")

    def build(self, context: None) -> TensorProductNetwork:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return TensorProductNetwork(self)


def _e3nn() -> tuple[Any, Any]:
    try:
        from e3nn import nn as e3nn_nn
        from e3nn import o3
    except ImportError as error:
        raise WeightsError(
            "the architecture 'nequip' needs e3nn: pip install 'gencsp[train]'."
        ) from error
    return o3, e3nn_nn


class TensorProductNetwork(nn.Module):
    """Maps noisy crystals and σ to σ·score, shape (n, 3), equivariant under E(3)."""

    Config = TensorProductConfig

    def __init__(self, config: TensorProductConfig) -> None:
        super().__init__()
        o3, _ = _e3nn()
        self.config = config
        c = config.channels
        self.element = nn.Embedding(N_ELEMENTS, c)
        self.noise = NoiseEmbedding(c)
        self.start = nn.Linear(2 * c, c)
        scalars = o3.Irreps(f"{c}x0e")
        hidden = o3.Irreps(f"{c}x0e + {c // 2}x1o + {c // 4}x2e")
        inputs = [scalars] + [hidden] * (config.layers - 1)
        self.layers = nn.ModuleList(
            Convolution(before, hidden, scalars, config.n_radial) for before in inputs
        )
        # Self-interaction with the attributes of eq. 11: the last one leaves a single vector.
        self.readout = o3.FullyConnectedTensorProduct(hidden, scalars, "1x1o")
        self.gain = nn.Linear(c, 1)

    def forward(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """σ·score of each atom, shape (n, 3); ``sigma`` in Å, shape (b,)."""
        o3, _ = _e3nn()
        graph = radius_graph(batch, density_cutoff(batch, self.config.reach))
        distance = torch.linalg.norm(graph.vector, dim=1)
        cutoff = graph.cutoff[batch.owner[graph.centre]].to(distance.dtype)
        radial = radial_basis(distance, cutoff, self.config.n_radial)
        harmonics = o3.spherical_harmonics([0, 1, 2], graph.vector, True, "component")
        noise = self.noise(sigma)[batch.owner]
        attributes = self.start(torch.cat((self.element(batch.numbers), noise), 1))
        features = attributes
        for layer in self.layers:
            features = layer(features, attributes, harmonics, radial, graph.centre, graph.neighbour)
        out: Tensor = self.readout(features, attributes)
        return bounded(out * torch.exp(self.gain(noise)))


class Convolution(nn.Module):
    """Self-interaction (eq. 9), convolution over neighbours (eq. 10) and a gate."""

    def __init__(self, before: Any, after: Any, attributes: Any, n_radial: int) -> None:
        super().__init__()
        o3, e3nn_nn = _e3nn()
        harmonics = o3.Irreps("1x0e + 1x1o + 1x2e")
        gated = o3.Irreps([(n, ir) for n, ir in after if ir.l > 0])
        scalars = o3.Irreps([(n, ir) for n, ir in after if ir.l == 0])
        self.gate = e3nn_nn.Gate(
            scalars, [torch.nn.functional.silu], f"{gated.num_irreps}x0e", [torch.sigmoid], gated
        )
        self.first = o3.Linear(before, before)
        paths: list[tuple[int, int, int, str, bool]] = []
        middle: list[tuple[int, Any]] = []
        for i, (n, ir_in) in enumerate(before):
            for j, (_, ir_edge) in enumerate(harmonics):
                for ir_out in ir_in * ir_edge:
                    if ir_out in after:
                        paths.append((i, j, len(middle), "uvu", True))
                        middle.append((n, ir_out))
        self.product = o3.TensorProduct(
            before,
            harmonics,
            o3.Irreps(middle),
            paths,
            shared_weights=False,
            internal_weights=False,
        )
        self.radial = nn.Sequential(
            nn.Linear(n_radial, 32), nn.SiLU(), nn.Linear(32, self.product.weight_numel)
        )
        self.second = o3.Linear(o3.Irreps(middle).simplify(), self.gate.irreps_in)
        self.own = o3.FullyConnectedTensorProduct(before, attributes, self.gate.irreps_in)

    def forward(
        self,
        features: Tensor,
        attributes: Tensor,
        harmonics: Tensor,
        radial: Tensor,
        centre: Tensor,
        neighbour: Tensor,
    ) -> Tensor:
        """Features of the atoms after this layer: one row each, in the irreps of ``after``."""
        sent = self.first(features)[neighbour]
        messages = self.product(sent, harmonics, self.radial(radial))
        total = messages.new_zeros(len(features), messages.shape[1]).index_add(0, centre, messages)
        # √(mean number of neighbours) keeps the variance of a sum of independent messages at one.
        out: Tensor = self.gate(self.second(total / 6.0) + self.own(features, attributes))
        return out
