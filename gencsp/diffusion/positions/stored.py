"""A score model in a file, whose network is loaded when it is first asked."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.diffusion.stored_weights import stored_weights

if TYPE_CHECKING:
    from torch import Tensor

    from gencsp.diffusion.batch import CrystalBatch
    from gencsp.diffusion.positions.model import NetworkScoreModel

#: Name of the weights that ship with the package.
DEFAULT_WEIGHTS = "score"
#: What makes weights of this kind, an entry that they alone have, and what they are.
COMMAND = "gencsp train score"
NEEDED = "sigma_min"
WHAT = "score-model weights"


class StoredScoreModel:
    """A :class:`~gencsp.diffusion.batch.ScoreModel` that loads torch when a score is first asked.

    Its file is checked at once. A run whose proposals need no network, and a run that only has to
    know which model it uses, start seconds earlier.

    Args:
        path: the weights; ``None`` for those that ship with gencsp.
        device: where the network runs, see :func:`gencsp.executors.devices.find_device`.

    Raises:
        WeightsError: the file is missing or damaged, or holds another kind of model.
    """

    def __init__(self, path: Path | None = None, *, device: str = "auto") -> None:
        self._path = path
        self._device = device
        with stored_weights(
            path or Path(DEFAULT_WEIGHTS), what=WHAT, needed=NEEDED, command=COMMAND
        ) as stored:
            self.sigma_min = float(stored.metadata["sigma_min"])
            self.sigma_max = float(stored.metadata["sigma_max"])
            self.digest = stored.digest

    @cached_property
    def loaded(self) -> NetworkScoreModel:
        """The model itself.

        Raises:
            EngineError: the device is not there.
            WeightsError: the file is gone, or has an unknown architecture.
        """
        from gencsp.diffusion.positions.model import load_score_model

        return load_score_model(self._path, device=self._device)

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """∇_x log p_σ(x) in 1/Å, shape (n, 3), at noise levels ``sigma`` in Å, shape (b,)."""
        return self.loaded.score(batch, sigma)
