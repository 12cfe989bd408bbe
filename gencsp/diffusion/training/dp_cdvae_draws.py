"""All that is random in a step of DP-CDVAE's training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.wrapped import remove_mean


@dataclass(frozen=True, slots=True)
class Draws:
    """All that is random in the loss of a batch.

    Attributes:
        z: standard normal, shape (b, latent).
        t: time steps from 1 to T, shape (b,), int64.
        noise: ε, standard normal without its mean over each crystal, shape (n, 3).
        species: uniform in [0, 1), shape (n,).
    """

    z: Tensor
    t: Tensor
    noise: Tensor
    species: Tensor

    @classmethod
    def of(
        cls, batch: CrystalBatch, latent: int, low: int, high: int, rng: np.random.Generator
    ) -> Draws:
        """For a batch, with time steps from ``low`` to ``high``, both included."""
        b, n = batch.n_crystals, len(batch.owner)
        z = torch.as_tensor(rng.standard_normal((b, latent)))
        t = torch.as_tensor(rng.integers(low, high + 1, b))
        noise = torch.as_tensor(rng.standard_normal((n, 3)))
        species = torch.as_tensor(rng.random(n))
        return cls(z, t, remove_mean(noise, batch.owner, b), species)

    @classmethod
    def spread(
        cls,
        batch: CrystalBatch,
        latent: int,
        *,
        times: NDArray[np.float64],
        copies: int,
        rng: np.random.Generator,
    ) -> Draws:
        """For a batch of so many copies of some crystals, one set after the other.

        The time steps of the copies of a crystal are stratified: one in each of as many parts of
        equal probability. Each by itself has the distribution ``times``, and their mean is less
        noisy than that of independent ones.

        Args:
            batch: the copies, b of them.
            latent: length of z.
            times: probability of the time steps 1 to T, shape (T,).
            copies: of each crystal.
            rng: for all draws.
        """
        one = cls.of(batch, latent, 1, len(times), rng)
        n = batch.n_crystals // copies
        place = (np.arange(copies)[:, None] + rng.random((copies, n))) / copies
        found = np.searchsorted(np.cumsum(times), place.ravel(), side="right")
        return replace(one, t=torch.as_tensor(np.minimum(found, len(times) - 1) + 1))
