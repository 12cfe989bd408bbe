"""CHGNet's weights from a user's file: fine-tuned, or trained anew in the same architecture.

A file is one of three: a state dictionary in safetensors; a checkpoint as chgnet's ``Trainer``
saves it; or what ``torch.save`` makes of ``CHGNet.as_dict()`` or of a state dictionary. The last
two are read with ``weights_only=True``, so that no file is ever executed.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.errors import WeightsError
from gencsp.files import file_name
from gencsp.potentials.base import ModelName
from gencsp.potentials.chgnet.weights import (
    CHGNetWeights,
    digest_of,
    load_weights,
    require_architecture,
)

Arrays = dict[str, NDArray[np.float32]]

SAFETENSORS = ".safetensors"
#: Published weights of each set of names and shapes that the engines implement.
_SHAPES: tuple[ModelName, ...] = ("0.3.0", "0.2.0")
#: What a file that is not as it should be is to be replaced by.
_REMEDY = (
    "save the state_dict() of a CHGNet that was fine-tuned from published weights with "
    "safetensors.torch.save_file"
)


def load_weights_file(path: Path) -> CHGNetWeights:
    """Read the weights of a file.

    Cutoffs are those that the file says: in ``model_args`` beside the state dictionary, or in the
    metadata of safetensors. Where it does not say, they are those of the published weights with the
    same shapes. The name of the model is ``chgnet-NAME-DIGEST`` with the name of the file and the
    digest of what makes its energies, so that those of other weights do not mix with them. A copy
    of published weights has their name.

    Raises:
        WeightsError: there is no such file, it cannot be read without being executed, or it holds
            another architecture or numbers that are not finite.
    """
    if not path.is_file():
        raise WeightsError(f"there are no CHGNet weights at {path}: name a file of them.")
    arrays, settings = _read(path)
    require_architecture(settings, path, remedy=_REMEDY)
    like = _published_like(arrays, path)
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise WeightsError(f"{path} holds numbers that are not finite ('{name}'): {_REMEDY}.")
    cutoffs = (
        _setting(settings, "atom_graph_cutoff", like.atom_cutoff, path),
        _setting(settings, "bond_graph_cutoff", like.bond_cutoff, path),
        _setting(settings, "cutoff_coeff", like.envelope_power, path),
    )
    for version in ("0.3.0", "0.2.0", "r2scan"):
        published = load_weights(version)
        same = (published.atom_cutoff, published.bond_cutoff, published.envelope_power) == cutoffs
        if same and published.digest == digest_of(arrays):
            return published
    text = f"{digest_of(arrays)} {cutoffs}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return CHGNetWeights(
        model=f"chgnet-{file_name(_stem(path))}-{digest}",
        arrays=MappingProxyType(arrays),
        digest=digest,
        atom_cutoff=cutoffs[0],
        bond_cutoff=cutoffs[1],
        envelope_power=int(cutoffs[2]),
        normed=like.normed,
        readout_normed=like.readout_normed,
    )


def _stem(path: Path) -> str:
    """The name of the file without its endings, such as ``bestE_epoch3`` of a checkpoint."""
    name = path.name
    for ending in (SAFETENSORS, ".tar", ".pth", ".pt", ".ckpt"):
        name = name.removesuffix(ending)
    return name


def _read(path: Path) -> tuple[Arrays, Mapping[str, object]]:
    """Arrays by name, and the arguments of the network as far as the file says them."""
    found, settings = _from_safetensors(path) if path.suffix == SAFETENSORS else _from_torch(path)
    arrays: Arrays = {}
    for name, values in found.items():
        if not (isinstance(name, str) and hasattr(values, "is_floating_point")):
            raise WeightsError(f"{path} holds no state dictionary of a CHGNet: {_REMEDY}.")
        if not values.is_floating_point():
            raise WeightsError(f"'{name}' of {path} holds no real numbers: {_REMEDY}.")
        arrays[name] = np.ascontiguousarray(values.detach().float().numpy())
    return arrays, settings


def _from_safetensors(path: Path) -> tuple[Mapping[str, Any], Mapping[str, object]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            said: Mapping[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}): {_REMEDY}.") from error
    return arrays, {key: _as_number(value) for key, value in said.items() if key in _IN_METADATA}


#: Arguments of the network that metadata, which is all text, may say.
_IN_METADATA = ("atom_graph_cutoff", "bond_graph_cutoff", "cutoff_coeff")


def _as_number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _from_torch(path: Path) -> tuple[Mapping[str, Any], Mapping[str, object]]:
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is a pickle of more than weights, which could execute anything, and is not "
            f"opened: {_REMEDY}."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read as weights ({error}): {_REMEDY}.") from error
    if isinstance(found, Mapping) and isinstance(found.get("model"), Mapping):
        found = found["model"]
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        settings = found.get("model_args")
        return found["state_dict"], settings if isinstance(settings, Mapping) else {}
    if not (isinstance(found, Mapping) and found):
        raise WeightsError(f"{path} holds no state dictionary of a CHGNet: {_REMEDY}.")
    return found, {}


def _published_like(arrays: Arrays, path: Path) -> CHGNetWeights:
    """Published weights of the same names and shapes.

    Raises:
        WeightsError: there are none; the message names the first difference from the latest.
    """
    shapes = {name: values.shape for name, values in arrays.items()}
    for version in _SHAPES:
        published = load_weights(version)
        if shapes == {name: values.shape for name, values in published.arrays.items()}:
            return published
    wanted = {name: values.shape for name, values in load_weights().arrays.items()}
    difference = next(
        f"'{name}' is {_shape(shapes.get(name))} there and {_shape(wanted.get(name))} in CHGNet"
        for name in sorted(shapes.keys() | wanted.keys())
        if shapes.get(name) != wanted.get(name)
    )
    raise WeightsError(f"{path} holds another network ({difference}): {_REMEDY}.")


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a number"


def _setting(settings: Mapping[str, object], key: str, default: float, path: Path) -> float:
    value = settings.get(key, default)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < float(str(value)) < float("inf")):
        raise WeightsError(f"{path} says a {key} of {value!r}: give one above zero.")
    return float(str(value))
