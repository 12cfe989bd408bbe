"""Which engine runs: the native extension where it is there, else PyTorch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, get_args

from gencsp.deck import EngineName
from gencsp.errors import EngineError
from gencsp.executors.devices import on_processor
from gencsp.potentials.base import Engine, ModelName

if TYPE_CHECKING:
    from gencsp.potentials.chgnet.weights import CHGNetWeights

_NATIVE = "gencsp.potentials.chgnet.native"
#: What it needs to load; by itself it takes no time.
_EXTENSION = "gencsp.potentials.chgnet._native"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Which engine ``auto`` takes.

    Attributes:
        name: ``native``, ``torch`` or ``none``.
        reason: why that one.
        isa: instruction set of the native engine; empty for others.
    """

    name: str
    reason: str
    isa: str = ""


def engine_status() -> EngineStatus:
    """Which engine is in use and why, for ``gencsp info``. Imports no torch."""
    native, problem = _imported(_EXTENSION)
    if native is not None:
        isa = os.environ.get("GENCSP_ISA", "") or native.available_isas()[0]
        return EngineStatus("native", "the native extension is installed", isa)
    if find_spec("torch") is None:
        return EngineStatus("none", f"{problem}, and PyTorch is not installed")
    return EngineStatus("torch", problem)


def get_engine(
    name: EngineName = "auto", *, model: ModelName = "0.3.0", device: str = "auto"
) -> Engine:
    """The engine of that name; the same object for the same request.

    ``auto`` takes the native engine where it is installed, unless ``device`` names one that only
    PyTorch has.

    Raises:
        EngineError: the engine, the model or the device is not there.
        WeightsError: the installed ``chgnet`` lacks the weights.
    """
    if model not in get_args(ModelName):
        raise EngineError(f"there is no model '{model}': use {', '.join(get_args(ModelName))}.")
    return _make(name, model, device)


def engine_of_weights(
    weights: ModelName | CHGNetWeights, name: EngineName = "auto", *, device: str = "auto"
) -> Engine:
    """A new engine for weights by name, or for those of a user's file.

    Raises:
        EngineError: the engine or the device is not there.
        WeightsError: the installed ``chgnet`` lacks the weights.
    """
    if name not in get_args(EngineName):
        raise EngineError(f"there is no engine '{name}': use {', '.join(get_args(EngineName))}.")
    if name == "native" and not on_processor(device):
        raise EngineError(f"the native engine has no device '{device}': use the torch engine.")
    return _loaded(name, weights, device)


@lru_cache(maxsize=8)
def _make(name: EngineName, model: ModelName, device: str) -> Engine:
    return engine_of_weights(model, name, device=device)


def _loaded(name: EngineName, model: ModelName | CHGNetWeights, device: str) -> Engine:
    if name == "native" or (name == "auto" and on_processor(device)):
        native, problem = _imported(_NATIVE)
        if native is not None:
            engine: Engine = native.NativeEngine(model)
            return engine
        if name == "native":
            raise EngineError(f"{problem}: install gencsp with a C++ compiler, or use 'torch'.")
    try:
        from gencsp.potentials.chgnet.batched import TorchEngine
    except ModuleNotFoundError as error:
        raise EngineError(f"the torch engine needs {error.name}: install it.") from error
    return TorchEngine(model, device=device)


def _imported(module: str) -> tuple[ModuleType | None, str]:
    """A module of the native engine, or why there is none."""
    try:
        return import_module(module), ""
    except ImportError as error:
        return None, f"the native extension does not load ({error})"
