"""A trained score network as the samplers and calculators see it, and its weights file."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks import build_network, describe_network
from gencsp.diffusion.wrapped import remove_mean
from gencsp.errors import WeightsError

#: Name of the weights that ship with the package.
DEFAULT_WEIGHTS = "score.safetensors"


class NetworkScoreModel:
    """A :class:`~gencsp.diffusion.batch.ScoreModel` from a network whose output is σ·score.

    The score of a distribution that does not care where the origin lies has no mean over a
    crystal, so the mean of the network's output is taken off.
    """

    def __init__(
        self, network: nn.Module, *, sigma_min: float, sigma_max: float, digest: str = ""
    ) -> None:
        self.network = network
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.digest = digest

    @torch.no_grad()
    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """∇ log p_σ, shape (n, 3), in 1/Å; σ in Å, shape (b,), is clamped to the trained range."""
        parameter = next(self.network.parameters())
        # The network lives in single precision; samplers keep their state in double.
        local = batch.to(dtype=parameter.dtype, device=parameter.device)
        level = sigma.clamp(self.sigma_min, self.sigma_max)
        out = self.network(local, level.to(parameter))
        out = remove_mean(out, local.owner, local.n_crystals).to(batch.positions)
        return out / level[batch.owner][:, None]


def save_score_model(
    network: nn.Module, path: Path, *, sigma_min: float, sigma_max: float, notes: str = ""
) -> str:
    """Write weights and all that is needed to rebuild the network; returns their digest."""
    name, config = describe_network(network)
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
    }
    digest = digest_of(tensors)
    metadata = {
        "architecture": name,
        "config": json.dumps(config),
        "sigma_min": repr(sigma_min),
        "sigma_max": repr(sigma_max),
        "digest": digest,
        "notes": notes,
    }
    save_file(tensors, path, metadata=metadata)
    return digest


def load_score_model(
    path: Path | None = None, *, device: torch.device | str = "cpu"
) -> NetworkScoreModel:
    """Load a score model from a safetensors file, or the one that ships with gencsp.

    Raises:
        WeightsError: the file is missing, damaged, or of an unknown architecture.
    """
    if path is not None:
        return _load(path, device)
    with as_file(files("gencsp") / "weights" / DEFAULT_WEIGHTS) as shipped:
        return _load(shipped, device)


def _load(path: Path, device: torch.device | str) -> NetworkScoreModel:
    if not path.is_file():
        raise WeightsError(
            f"there are no score-model weights at {path}: reinstall gencsp, or train your own "
            f"with 'gencsp train score'."
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        network = build_network(metadata["architecture"], json.loads(metadata["config"]))
        network.load_state_dict(tensors)
        sigma_min, sigma_max = float(metadata["sigma_min"]), float(metadata["sigma_max"])
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            f"{path} is not a readable weights file of gencsp ({error}): fetch it again."
        ) from error
    network.to(device).eval().requires_grad_(False)
    return NetworkScoreModel(
        network, sigma_min=sigma_min, sigma_max=sigma_max, digest=digest_of(tensors)
    )


def digest_of(tensors: dict[str, Tensor]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of names and values."""
    sha = hashlib.sha256()
    for key in sorted(tensors):
        sha.update(key.encode())
        sha.update(tensors[key].numpy().tobytes())
    return sha.hexdigest()[:12]
