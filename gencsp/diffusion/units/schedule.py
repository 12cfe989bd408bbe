"""The noise of denoising diffusion as a function of its time steps 0 (data) to T (noise).

The supplement on NaNH2 says neither T nor the noise of a step; the defaults here are those of Ho
(section 4), whom it cites: T = 1000, β_t from 1e-4 to 0.02 on a line.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencsp.deck import Count, Fraction, Positive, check_fields
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSchedule:
    """β_t on a line from t = 1 to t = T.

    Attributes:
        steps: T.
        beta_first, beta_last: β_1 and β_T.

    Raises:
        RequestError: a number out of its range, or a noise that shrinks.
    """

    steps: Count = 1000
    beta_first: Positive = 1e-4
    beta_last: Fraction = 0.02

    def __post_init__(self) -> None:
        check_fields(self)
        if self.beta_first > self.beta_last:
            raise RequestError("beta_first must not be above beta_last: noise grows with t.")

    @property
    def betas(self) -> Tensor:
        """β_t for t = 1 … T, shape (T,), float64."""
        return torch.linspace(self.beta_first, self.beta_last, self.steps, dtype=torch.float64)

    @property
    def alpha_bars(self) -> Tensor:
        """ᾱ_t, the product of 1 - β up to t, for t = 0 … T, shape (T + 1,), float64."""
        kept = (1 - self.betas).cumprod(0)
        return torch.cat((torch.ones(1, dtype=torch.float64), kept))

    def noise_level(self, t: Tensor) -> Tensor:
        """√(1 - ᾱ_t) at time steps from 0, any shape, float64."""
        return (1 - self.alpha_bars[t]).sqrt()

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Vectors at time steps: √ᾱ_t z_0 + √(1 - ᾱ_t) ε (Ho, eq. 4).

        Args:
            clean: z_0, shape (b, d).
            noise: ε, of the same shape.
            t: time steps from 0, shape (b,), int64.
        """
        kept = self.alpha_bars.to(clean)[t][:, None]
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise
