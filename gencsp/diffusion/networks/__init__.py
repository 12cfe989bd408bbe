"""Networks by name.

Score networks map noisy crystals and their noise levels to σ·score; the joint network says more
(:mod:`gencsp.diffusion.networks.joint`). Each has a frozen ``Config`` that, with
the tensors, is all that a weights file holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, get_args

from torch import nn

from gencsp.diffusion.networks.density import DensityNetwork
from gencsp.diffusion.networks.joint import JointNetwork
from gencsp.diffusion.networks.painn import PaiNN
from gencsp.diffusion.networks.tensor_product import TensorProductNetwork
from gencsp.errors import WeightsError

Architecture = Literal["density", "painn", "nequip"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


def build_network(name: str, config: Mapping[str, Any] | None = None) -> nn.Module:
    """A fresh network by name; ``config`` overrides fields of its default configuration.

    Raises:
        WeightsError: the architecture or one of its settings is unknown here.
    """
    try:
        match name:
            case "density":
                return DensityNetwork(DensityNetwork.Config(**(config or {})))
            case "painn":
                return PaiNN(PaiNN.Config(**(config or {})))
            case "nequip":
                return TensorProductNetwork(TensorProductNetwork.Config(**(config or {})))
            case "joint":
                return JointNetwork(JointNetwork.Config(**(config or {})))
    except TypeError as error:
        raise WeightsError(
            f"the settings {dict(config or {})} do not fit the architecture '{name}': "
            f"use weights written by this version of gencsp."
        ) from error
    raise WeightsError(
        f"the architecture '{name}' is unknown: choose from {', '.join(ARCHITECTURES)}."
    )


def describe_network(network: nn.Module) -> tuple[str, dict[str, Any]]:
    """Name and configuration of a network, as :func:`build_network` takes them."""
    match network:
        case DensityNetwork():
            return "density", asdict(network.config)
        case PaiNN():
            return "painn", asdict(network.config)
        case TensorProductNetwork():
            return "nequip", asdict(network.config)
        case JointNetwork():
            return "joint", asdict(network.config)
    raise WeightsError(f"{type(network).__name__} is not one of gencsp's networks.")


def compile_layers(network: nn.Module) -> None:
    """Compile the layers in place, for any number of atoms; parameters and their names stay."""
    for child in network.children():
        for layer in child if isinstance(child, nn.ModuleList) else ():
            layer.compile(dynamic=True)
