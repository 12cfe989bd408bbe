"""Whether a network predicts with torch or with the C++ extension."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from gencsp.diffusion.networks.density import DensityNetwork
from gencsp.diffusion.networks.joint import JointConfig, JointNetwork
from gencsp.errors import EngineError
from gencsp.executors.devices import find_device, on_processor

#: How a network predicts: ``auto`` takes the extension where it is built and has kernels for it.
DenoiserEngine = Literal["auto", "native", "torch"]


def place(network: nn.Module, *, engine: DenoiserEngine = "auto", device: str = "auto") -> None:
    """Choose what a network with frozen weights predicts with, and move it where that runs.

    Args:
        network: of any kind, on the processor.
        engine: see :func:`use_engine`.
        device: see :func:`gencsp.executors.devices.find_device`.

    Raises:
        EngineError: as :func:`use_engine`; the device is not there, or the extension is asked for
            on another one than the processor.
    """
    if not on_processor(device):
        if engine == "native":
            raise EngineError(f"the native engine has no device '{device}': take 'torch'.")
        network.to(find_device(device))
        return
    use_engine(network, engine)
    if device == "auto" and getattr(network, "native", None) is None:
        network.to(find_device(device))


def use_engine(network: nn.Module, engine: DenoiserEngine) -> None:
    """Let a network with frozen weights predict with an engine.

    Args:
        network: of any kind; ``auto`` changes nothing for those that the extension does not know.
        engine: which one.

    Raises:
        EngineError: the extension is asked for and is not built, or has no kernels for the network;
            there is no such instruction set as ``GENCSP_ISA`` names.
    """
    if not isinstance(network, DensityNetwork | JointNetwork):
        if engine == "native":
            raise EngineError(f"the native engine has no {type(network).__name__}: take 'torch'.")
        return
    network.native = None
    if engine == "torch" or (engine == "auto" and not _frozen_on_cpu(network)):
        return
    try:
        from gencsp.diffusion.networks.native import NativeDenoiser, has_kernels
    except ImportError as error:
        if engine == "auto":
            return
        raise EngineError(
            "the native engine is not built here: install gencsp with a C++ compiler at hand, or "
            "take 'torch'."
        ) from error
    if not _frozen_on_cpu(network):
        raise EngineError(
            "the native engine copies weights in single precision on the processor: freeze the "
            "network with requires_grad_(False), or take 'torch'."
        )
    config = network.config
    if engine == "auto" and not has_kernels(
        channels=config.channels, layers=config.layers, n_radial=config.n_radial
    ):
        return
    network.native = NativeDenoiser(
        network.state_dict(),
        joint=isinstance(network, JointNetwork),
        channels=config.channels,
        layers=config.layers,
        n_radial=config.n_radial,
        reach=config.reach,
        waves=config.waves if isinstance(config, JointConfig) else 0,
    )


def _frozen_on_cpu(network: nn.Module) -> bool:
    weight = next(network.parameters())
    return (
        not weight.requires_grad and weight.device.type == "cpu" and weight.dtype == torch.float32
    )
