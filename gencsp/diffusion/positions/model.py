"""A trained score network as a score model, and its weights file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks.engines import DenoiserEngine, place
from gencsp.diffusion.positions.stored import COMMAND, DEFAULT_WEIGHTS, NEEDED, WHAT
from gencsp.diffusion.weights_file import save_network, stored_network
from gencsp.diffusion.wrapped import remove_mean


class NetworkScoreModel:
    """A :class:`~gencsp.diffusion.batch.ScoreModel` from a network whose output is σ·score.

    The score of a translation-invariant distribution has zero mean over a crystal, so the mean of
    the network's output is subtracted.
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
    return save_network(
        network, path, sigma_min=repr(sigma_min), sigma_max=repr(sigma_max), notes=notes
    )


def load_score_model(
    path: Path | None = None,
    *,
    device: str = "auto",
    engine: DenoiserEngine = "auto",
) -> NetworkScoreModel:
    """Load a score model from a safetensors file, or the one that ships with gencsp.

    Args:
        path: the file, or the name of one that ships with gencsp; ``None`` for the default.
        device: where the network runs, see :func:`gencsp.executors.devices.find_device`.
        engine: what predicts; a network that is to be trained needs ``torch``.

    Raises:
        EngineError: the engine asked for cannot run this network here, or the device is not there.
        WeightsError: the file is missing, damaged, or of an unknown architecture.
    """
    with stored_network(
        path or Path(DEFAULT_WEIGHTS),
        what=WHAT,
        needed=NEEDED,
        command=COMMAND,
    ) as stored:
        model = NetworkScoreModel(
            stored.network,
            sigma_min=float(stored.metadata["sigma_min"]),
            sigma_max=float(stored.metadata["sigma_max"]),
            digest=stored.digest,
        )
    place(model.network, engine=engine, device=device)
    return model
