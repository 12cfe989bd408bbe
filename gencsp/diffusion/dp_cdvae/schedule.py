"""The noise of DP-CDVAE as a function of its time steps 0 (data) to T (noise).

Coordinates have β_t on a sigmoid, from which α_t = 1 − β_t and ᾱ_t = Π α_i (eq. 1 and 2). The paper
names the sigmoid alone; its bounds here are those of the authors' program: logits from −10 to 6,
β up to 0.01, which at T = 1000 leaves ᾱ_T = 0.02. Species have σ'_t of eq. 9, geometric between
0.01 and 5 as in CDVAE.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gencsp.deck import Count, Fraction, Positive, check_fields
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSchedule:
    """β_t, ᾱ_t and σ'_t of every time step.

    Attributes:
        steps: T.
        logit_first, logit_last: of the sigmoid at t = 1 and t = T.
        beta_min, beta_max: β where the sigmoid is 0 and 1.
        species_min, species_max: σ' at t = 1 and t = T.
    """

    steps: Count = 1000
    logit_first: float = -10.0
    logit_last: float = 6.0
    beta_min: Positive = 1e-10
    beta_max: Fraction = 0.01
    species_min: Positive = 0.01
    species_max: Positive = 5.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.beta_min >= self.beta_max or self.species_min > self.species_max:
            raise RequestError("beta_min and species_min must be below beta_max and species_max.")

    @property
    def betas(self) -> Tensor:
        """β_t for t = 1 … T, shape (T,), float64."""
        return _betas(self)

    def beta(self, t: Tensor) -> Tensor:
        """β_t = 1 − α_t at time steps t ≥ 1, any shape, int64."""
        return _betas(self).to(t.device)[t - 1]

    def alpha_bar(self, t: Tensor) -> Tensor:
        """ᾱ_t at time steps t, any shape, int64; 1 at t = 0."""
        return _alpha_bars(self).to(t.device)[t]

    def species_noise(self, t: Tensor) -> Tensor:
        """σ'_t at time steps t ≥ 1, any shape, int64."""
        last = max(1, self.steps - 1)
        return self.species_min * (self.species_max / self.species_min) ** ((t - 1).double() / last)

    def times(self, n: int, first: int | None = None) -> tuple[int, ...]:
        """t … 0 in n nearly even steps, n + 1 numbers; all of them where n is t.

        Args:
            n: steps.
            first: t, the time step at which they begin; ``None`` for T.

        Raises:
            RequestError: n is not between 1 and t, or t not between 1 and T.
        """
        first = self.steps if first is None else first
        if not 1 <= first <= self.steps:
            raise RequestError(f"first is {first}: the schedule has time steps 1 to {self.steps}.")
        if not 1 <= n <= first:
            raise RequestError(f"steps is {n}: the schedule has 1 to {first}.")
        return tuple(round(first * k / n) for k in range(n, -1, -1))

    def time_of(self, noise: float) -> int:
        """The first time step t ≥ 1 whose noise √(1 − ᾱ_t) is at least this; T where none is."""
        levels = (1 - _alpha_bars(self)[1:]).sqrt()
        found = int(torch.searchsorted(levels, torch.tensor(noise, dtype=levels.dtype)))
        return min(found + 1, self.steps)


@lru_cache(maxsize=8)
def _betas(schedule: NoiseSchedule) -> Tensor:
    logits = torch.linspace(
        schedule.logit_first, schedule.logit_last, schedule.steps, dtype=torch.float64
    )
    return schedule.beta_min + (schedule.beta_max - schedule.beta_min) * torch.sigmoid(logits)


@lru_cache(maxsize=8)
def _alpha_bars(schedule: NoiseSchedule) -> Tensor:
    return torch.cat((torch.ones(1, dtype=torch.float64), (1 - _betas(schedule)).cumprod(0)))
