"""A trained joint denoiser, and its weights file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from gencsp.diffusion.joint.objective import JointObjective
from gencsp.diffusion.networks import build_network, describe_network
from gencsp.diffusion.score_model import digest_of
from gencsp.errors import WeightsError

#: Name of the weights that ship with the package.
DEFAULT_WEIGHTS = "pigen.safetensors"


@dataclass(frozen=True, slots=True)
class JointModel:
    """A network, the process that it was trained on, and what its training crystals were like.

    Attributes:
        network: a :class:`~gencsp.diffusion.networks.joint.JointNetwork`.
        objective: with the forward process and the scales of conditions.
        sizes: how often a number of atoms occurred in training.
        digest: short hash of the weights.
    """

    network: nn.Module
    objective: JointObjective
    sizes: Mapping[int, int]
    digest: str


def save_joint_model(
    network: nn.Module,
    objective: JointObjective,
    sizes: Mapping[int, int],
    path: Path,
    *,
    notes: str = "",
) -> str:
    """Write weights and all that is needed to use them; returns their digest."""
    _, config = describe_network(network)
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    digest = digest_of(tensors)
    metadata = {
        "architecture": "joint",
        "config": json.dumps(config),
        "objective": json.dumps(objective.describe()),
        "sizes": json.dumps({str(n): int(count) for n, count in sorted(sizes.items())}),
        "digest": digest,
        "notes": notes,
    }
    save_file(tensors, path, metadata=metadata)
    return digest


def load_joint_model(path: Path | None = None, *, device: torch.device | str = "cpu") -> JointModel:
    """Load a joint model from a safetensors file, or the one that ships with gencsp.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
    """
    if path is not None:
        return _load(path, device)
    with as_file(files("gencsp") / "weights" / DEFAULT_WEIGHTS) as shipped:
        return _load(shipped, device)


def _load(path: Path, device: torch.device | str) -> JointModel:
    if not path.is_file():
        raise WeightsError(
            f"there are no weights of a joint model at {path}, and none ship with this version: "
            f"train your own with 'gencsp train joint', and name them with --weights."
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = build_network("joint", json.loads(metadata["config"]))
        network.load_state_dict(tensors)
        objective = JointObjective.from_description(json.loads(metadata["objective"]))
        sizes = {int(n): int(count) for n, count in json.loads(metadata["sizes"]).items()}
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is not a readable weights file of a joint model ({error}): fetch it again."
        ) from error
    network.to(device).eval().requires_grad_(False)
    return JointModel(network, objective, sizes, digest_of(tensors))
