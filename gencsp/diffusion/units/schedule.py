"""The noise of denoising diffusion as a function of its time steps 0 (data) to T (noise).

The supplement on NaNH2 says neither T nor the noise of a step; the defaults here are those of Ho
(section 4), whom it cites: T = 1000, β_t from 1e-4 to 0.02 on a line. Noise of periodic numbers is
in :mod:`gencsp.diffusion.units.periodic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gencsp.deck import Count, Fraction, Positive, check_fields
from gencsp.errors import RequestError


class ReverseStep(NamedTuple):
    """The normal distribution that z_{t-1} is drawn from.

    Attributes:
        mean: shape (b, d).
        variance: of each number, one for all or shape (d,); 0 at t = 1.
        pull: what the gradient of an energy is multiplied with where it moves the mean, of the same
            shape: the variance, and at t = 1, where there is none, that of the noise of the step.
    """

    mean: Tensor
    variance: float | Tensor
    pull: float | Tensor


class Schedule(Protocol):
    """How data become noise, and back; vectors have the shape (b, d)."""

    @property
    def steps(self) -> int:
        """T."""

    def noise_level(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise at time steps from 0, any shape, float64."""

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Vectors z_t at time steps t, shape (b,), int64, from z_0 and N(0, I) noise."""

    def target(self, noise: Tensor, t: Tensor) -> Tensor:
        """What a network is to find in z_t.

        It is -∇ log p(z_t | z_0), divided by its root mean square, so that every number at every
        time step weighs the same.
        """

    def start(self, noise: Tensor) -> Tensor:
        """z_T, of a draw from N(0, I)."""

    def reverse_step(
        self, z: Tensor, predicted: Tensor, t: int, reach: Tensor | None
    ) -> ReverseStep:
        """Where z_{t-1} is drawn from.

        Args:
            z: z_t.
            predicted: what a network found, see :meth:`target`.
            t: from 1.
            reach: largest size of each number of z_0, shape (d,); ``None`` for any.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSchedule:
    """β_t on a line from t = 1 to t = T; see :class:`Schedule` for the methods.

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
        """√ᾱ_t z_0 + √(1 - ᾱ_t) ε (Ho, eq. 4)."""
        kept = self.alpha_bars.to(clean)[t][:, None]
        return kept.sqrt() * clean + (1 - kept).sqrt() * noise

    def target(self, noise: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002
        """The noise ε itself: the score of a normal distribution is -ε / √(1 - ᾱ_t)."""
        return noise

    def start(self, noise: Tensor) -> Tensor:
        """The draw itself."""
        return noise

    def reverse_step(
        self, z: Tensor, predicted: Tensor, t: int, reach: Tensor | None
    ) -> ReverseStep:
        """The posterior given z_t and the z_0 that the predicted noise leads to (Ho, eq. 15, 7).

            z_0 = (z_t - √(1 - ᾱ_t) ε(z_t, t)) / √ᾱ_t
            μ = √ᾱ_{t-1} β_t / (1 - ᾱ_t) z_0 + √(1 - β_t) (1 - ᾱ_{t-1}) / (1 - ᾱ_t) z_t
            σ_t² = β_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t)

        The program of Ho keeps z_0 within the range of the data, without which a network that is
        not well trained leads anywhere; so does this one, with a reach.
        """
        betas, kept = _numbers(self)
        beta = betas[t - 1]
        clean = (z - (1 - kept[t]) ** 0.5 * predicted) / kept[t] ** 0.5
        if reach is not None:
            clean = clean.clamp(-reach, reach)
        mean = kept[t - 1] ** 0.5 * beta / (1 - kept[t]) * clean
        mean = mean + (1 - beta) ** 0.5 * (1 - kept[t - 1]) / (1 - kept[t]) * z
        variance = beta * (1 - kept[t - 1]) / (1 - kept[t])
        return ReverseStep(mean, variance, variance if t > 1 else beta)


@lru_cache(maxsize=16)
def _numbers(schedule: LinearSchedule) -> tuple[list[float], list[float]]:
    """β_t and ᾱ_t, which every step asks for."""
    return schedule.betas.tolist(), schedule.alpha_bars.tolist()
