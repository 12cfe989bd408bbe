"""The state of a training run: network, averaged weights, optimiser, step."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gencsp.diffusion.networks import build_network
from gencsp.diffusion.training.settings import TrainSettings


@dataclass(slots=True)
class TrainState:
    """All that changes during training.

    Attributes:
        network: what is trained.
        average: its averaged weights.
        optimiser: with its moments.
        step: steps done.
        seconds: wall time of them.
        loss: smoothed.
        data: digest of the crystals that it is trained on, see
            :attr:`~gencsp.diffusion.training.data.CrystalSet.digest`; empty before the first step.
        start: digest of the weights that it began from; empty for random ones.
        labels: whether those crystals have properties that the network is conditioned on.
        whole: false in the middle of a step, where training cannot be continued.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    loss: float = 1.0
    data: str = ""
    start: str = ""
    labels: bool = False
    whole: bool = True


def new_state(architecture: str, config: dict[str, Any], settings: TrainSettings) -> TrainState:
    """A fresh network, initialised from the seed without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build_network(architecture, config)
    return state_of(network)


def state_of(network: nn.Module, *, start: str = "") -> TrainState:
    """The state of a network before its first step; ``start`` is the digest of its weights."""
    average = copy.deepcopy(network).requires_grad_(False)
    return TrainState(network, average, _optimiser(network), start=start)


def _optimiser(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), weight_decay=1e-4, fused=True)
