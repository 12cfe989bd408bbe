"""Networks by name.

Score networks map noisy crystals and their noise levels to σ·score; what the joint
network predicts is described in :mod:`gencsp.diffusion.networks.joint`. Each has a frozen
``Config``, and a weights file holds nothing but that and the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import nn

from gencsp.diffusion.networks.base import NETWORKS, ConfiguredNetwork
from gencsp.errors import DeckError, WeightsError

__all__ = [
    "ARCHITECTURES",
    "NETWORKS",
    "Architecture",
    "ConfiguredNetwork",
    "build_network",
    "compile_layers",
    "describe_network",
]

#: Architectures of gencsp that map noisy crystals and σ to σ·score.
Architecture = Literal["density", "painn", "nequip"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


def build_network(name: str, config: Mapping[str, Any] | None = None) -> nn.Module:
    """A fresh network by name; ``config`` overrides fields of its default configuration.

    Raises:
        WeightsError: the architecture or one of its settings is unknown here.
        PluginError: its package cannot be loaded or is faulty.
    """
    try:
        return NETWORKS.make(name, config)
    except DeckError as error:
        raise WeightsError(
            f"the settings {dict(config or {})} do not fit the architecture '{name}' ({error}): "
            f"use weights written by this version of gencsp."
        ) from error


def describe_network(network: nn.Module) -> tuple[str, dict[str, Any]]:
    """Name and configuration of a network, as :func:`build_network` takes them.

    Raises:
        WeightsError: it has no ``config`` that names it.
    """
    config = getattr(network, "config", None)
    if not isinstance(config, ConfiguredNetwork):
        raise WeightsError(
            f"{type(network).__name__} has no 'config' that is a ConfiguredNetwork: it cannot be "
            f"kept in a file of weights."
        )
    return config.name, config.model_dump()


def compile_layers(network: nn.Module) -> None:
    """Compile the layers in place, for any number of atoms; parameters and their names stay."""
    for child in network.children():
        if not isinstance(child, nn.ModuleList):
            compile_layers(child)
            continue
        for layer in child:
            layer.compile(dynamic=True)
