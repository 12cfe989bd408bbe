"""What a training run minimises: the contract, and what its losses and validations share."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.diffusion.training.data import CrystalSet

#: What a training draws its batches from.
Examples = TypeVar("Examples", bound=Sized, contravariant=True)


class Loss(Protocol[Examples]):
    """What a step of a training minimises: a function of nothing but its arguments."""

    def loss(
        self,
        network: nn.Module,
        examples: Examples,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
        /,
        *,
        step: int,
    ) -> Tensor:
        """One value for each example of ``indices``, shape (b,), at a step of the training."""
        ...


class Objective(Loss[CrystalSet], Protocol):
    """What a training run minimises, and how it is validated.

    ``describe`` is what a checkpoint holds of it, with its ``kind``.
    """

    kind: ClassVar[str]

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """Validation losses by name, the same for the same ``seed``."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a checkpoint holds of the objective, with its ``kind``."""
        ...


def in_batches(n: int, size: int = 64) -> Iterator[NDArray[np.int64]]:
    """Indices from 0 to n - 1 in their order, at most ``size`` at a time."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


def mean_over_atoms(values: Tensor, owner: Tensor, sizes: Tensor) -> Tensor:
    """Mean over the atoms of each crystal, shape (b,).

    Args:
        values: one for each atom, shape (n,).
        owner: crystal of each atom, shape (n,).
        sizes: atoms of each crystal, shape (b,).
    """
    total = values.new_zeros(len(sizes)).index_add(0, owner, values)
    return total / sizes.to(values)
