"""A sampler: the Euler step of the probability-flow equation, damped."""

from pydantic import Field
from torch import Tensor

from gencsp.diffusion.positions.sampler import ConfiguredSampler, Run


class Euler(ConfiguredSampler):
    """dx/dσ = −σ·score(x, σ), one call of the score for each noise level."""

    name = "euler"

    share: float = Field(default=1.0, gt=0, le=1, description="Of the full step.")

    def step(self, process: Run, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x + self.share * (sigma - sigma_next) * sigma * process.score(x, sigma)
