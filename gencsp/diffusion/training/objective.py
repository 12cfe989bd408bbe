"""What a training run minimises: the contract, and what its losses and validations share."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.diffusion.training.data import CrystalSet


class Objective(Protocol):
    """What a training run minimises, and how it is validated.

    ``loss`` is one value for each crystal of ``indices``, shape (b,), a function of nothing but its
    arguments; ``describe`` is what a checkpoint holds of it, with its ``kind``.
    """

    kind: ClassVar[str]

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
    ) -> Tensor:
        """One value for each crystal of ``indices``, shape (b,)."""
        ...

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """Validation losses by name, the same for the same ``seed``."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a checkpoint holds of the objective, with its ``kind``."""
        ...
