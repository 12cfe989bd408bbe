"""A score model whose samples are known to keep apart, and quick settings."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.positions.sampler import SamplerSettings


@dataclass(frozen=True)
class Repulsive:
    """Pushes atoms nearer than ``reach`` (Å) apart, alike for all elements and equivariantly."""

    reach: float = 1.9
    sigma_min: float = 0.01
    sigma_max: float = 3.0
    digest: str = "repulsive"

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        images = torch.cartesian_prod(*[torch.arange(-2.0, 3.0, dtype=batch.cells.dtype)] * 3)
        parts = []
        split = torch.split(batch.positions, batch.sizes.tolist())
        for x, cell, level in zip(split, batch.cells, sigma, strict=True):
            frac = (x[:, None] - x[None]) @ torch.linalg.inv(cell)
            delta = (frac - torch.round(frac))[:, :, None] + images
            vectors = delta @ cell
            distance = torch.linalg.norm(vectors, dim=-1).clamp_min(1e-9)
            overlap = (self.reach - distance).clamp_min(0.0)
            push = (overlap / distance)[..., None] * vectors
            parts.append(push.sum(dim=(1, 2)) / (2 * level**2 + 1.0))
        return torch.cat(parts)


@pytest.fixture
def model() -> Repulsive:
    return Repulsive()


@pytest.fixture
def quick() -> SamplerSettings:
    return SamplerSettings(sampler="heun", steps=12)
