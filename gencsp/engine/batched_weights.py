"""CHGNet's published weights as the network of the batched engine."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch

from gencsp.engine.base import ModelName
from gencsp.engine.batched_network import CHGNetwork, NetworkSettings
from gencsp.errors import WeightsError


def load_network(
    model: ModelName, device: torch.device, dtype: torch.dtype
) -> tuple[CHGNetwork, str]:
    """The network with the weights of ``model``, and their short hash.

    Raises:
        WeightsError: the installed ``chgnet`` has no such weights.
    """
    spec = find_spec("chgnet")
    folder = Path(str(spec.origin)).parent / "pretrained" / model if spec else None
    files = sorted(folder.glob("*.pth.tar")) if folder else []
    if not files:
        raise WeightsError(f"the installed chgnet has no weights '{model}': install chgnet 0.4.")
    saved = torch.load(files[0], map_location="cpu", weights_only=True)["model"]
    arguments = saved["model_args"]
    settings = NetworkSettings(
        float(arguments["atom_graph_cutoff"]),
        float(arguments["bond_graph_cutoff"]),
        int(arguments["cutoff_coeff"]),
    )
    digest = hashlib.sha256(files[0].read_bytes()).hexdigest()[:12]
    weights = {k: v.to(device, dtype) for k, v in saved["state_dict"].items()}
    return CHGNetwork(weights, settings), digest
