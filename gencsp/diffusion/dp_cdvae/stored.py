"""A DP-CDVAE in a file, loaded in whichever process needs it; importing this loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel


@dataclass(frozen=True, slots=True)
class StoredDpCdvae:
    """Makes the DP-CDVAE of a weights file.

    Attributes:
        weights: the file, or the name of one that ships with gencsp.
        device: where it runs, see :func:`gencsp.executors.devices.find_device`.
    """

    weights: Path | None = None
    device: str = "auto"

    def __call__(self) -> DpCdvaeModel:
        """Load the model.

        Raises:
            EngineError: the device is not there.
            WeightsError: there are no weights, or they are damaged or of another model.
        """
        from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae

        return load_dp_cdvae(self.weights, device=self.device)
