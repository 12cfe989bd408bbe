"""Noise of periodic numbers, such as coordinates and angles, and of vectors that have some of them.

Source: R. Jiao et al., NeurIPS 36, 17464 (2023), called DiffCSP below, who diffuse fractional
coordinates so. Here every periodic number is in units of its period; whole numbers do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gencsp.deck import Count, Fraction, Positive, check_fields
from gencsp.diffusion.units.schedule import LinearSchedule, ReverseStep
from gencsp.diffusion.wrapped import wrapped_score
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedSchedule:
    """Normal noise on a circle of circumference 1 (DiffCSP, section 4.2).

    z_t = z_0 + σ_t ε, σ_t being geometric from t = 1 to t = T, and σ_0 = 0. At T nothing is left of
    the data: z_T is evenly distributed. See :class:`~gencsp.diffusion.units.schedule.Schedule` for
    the methods.

    Attributes:
        steps: T.
        sigma_first, sigma_last: σ_1 and σ_T, periods.

    Raises:
        RequestError: a number out of its range, or a noise that shrinks.
    """

    steps: Count = 1000
    sigma_first: Positive = 0.005
    sigma_last: Fraction = 0.5

    def __post_init__(self) -> None:
        check_fields(self)
        if self.sigma_first > self.sigma_last:
            raise RequestError("sigma_first must not be above sigma_last: noise grows with t.")

    @property
    def sigmas(self) -> Tensor:
        """σ_t for t = 0 … T, shape (T + 1,), float64."""
        share = torch.linspace(0, 1, self.steps, dtype=torch.float64)
        sigmas = self.sigma_first * (self.sigma_last / self.sigma_first) ** share
        return torch.cat((torch.zeros(1, dtype=torch.float64), sigmas))

    @property
    def score_sizes(self) -> Tensor:
        """Root mean square of ∇ log p(z_t | z_0) for t = 1 … T, shape (T,), float64.

        It is 1/σ_t where σ_t is small, and less where the noise goes round the circle. Its inverse
        square is the weight λ_t of DiffCSP's loss, here by a sum over ε rather than by chance.
        """
        noise = torch.linspace(-9, 9, 721, dtype=torch.float64)
        density = torch.exp(-(noise**2) / 2)
        sigma = self.sigmas[1:, None]
        squares = wrapped_score(sigma * noise, sigma).square()
        mean = squares @ density / density.sum()
        return mean.sqrt()

    def noise_level(self, t: Tensor) -> Tensor:
        """σ_t at time steps from 0, any shape, float64."""
        return self.sigmas[t]

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_0 + σ_t ε, not brought back to [0, 1)."""
        return clean + self.sigmas.to(clean)[t][:, None] * noise

    def target(self, noise: Tensor, t: Tensor) -> Tensor:
        """-∇ log p(z_t | z_0), in units of :attr:`score_sizes`; t from 1."""
        sigmas, sizes = _tables(self)
        sigma = sigmas[t][:, None]
        score = wrapped_score(sigma * noise.double(), sigma)
        return (-score / sizes[t - 1][:, None]).to(noise)

    def start(self, noise: Tensor) -> Tensor:
        """Evenly distributed in [0, 1]."""
        start: Tensor = torch.special.ndtr(noise)
        return start

    def reverse_step(
        self,
        z: Tensor,
        predicted: Tensor,
        t: int,
        reach: Tensor | None,  # noqa: ARG002
    ) -> ReverseStep:
        """A step of ancestral sampling (DiffCSP, algorithm 2, without its corrector).

            μ = z_t + (σ_t² - σ_{t-1}²) ∇ log p(z_t)
            variance = σ_{t-1}² (σ_t² - σ_{t-1}²) / σ_t²

        There is no reach: every number is within the range of the data.
        """
        sigmas, sizes = _tables(self)
        now, then = float(sigmas[t]) ** 2, float(sigmas[t - 1]) ** 2
        mean = z - (now - then) * float(sizes[t - 1]) * predicted
        variance = then * (now - then) / now
        return ReverseStep(mean, variance, variance if t > 1 else now)


@lru_cache(maxsize=16)
def _tables(schedule: WrappedSchedule) -> tuple[Tensor, Tensor]:
    """``sigmas`` and ``score_sizes``, which every step asks for."""
    return schedule.sigmas, schedule.score_sizes


@dataclass(frozen=True, slots=True, eq=False)
class PartlyPeriodic:
    """Noise of vectors whose numbers are periodic or not, each by a schedule of its own kind.

    See :class:`~gencsp.diffusion.units.schedule.Schedule` for the methods.

    Attributes:
        linear: of numbers that are not periodic.
        wrapped: of those that are.
        periodic: which are, as indices, shape (p,), int64.

    Raises:
        RequestError: the two schedules have unlike numbers of steps.
    """

    linear: LinearSchedule
    wrapped: WrappedSchedule
    periodic: Tensor

    def __post_init__(self) -> None:
        if self.linear.steps != self.wrapped.steps:
            raise RequestError(
                f"there are {self.linear.steps} steps of some numbers and {self.wrapped.steps} of "
                "the periodic ones: give both the same."
            )

    @property
    def steps(self) -> int:
        """T, of both."""
        return self.linear.steps

    def noise_level(self, t: Tensor) -> Tensor:
        """That of the numbers that are not periodic."""
        return self.linear.noise_level(t)

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Each number by its schedule."""
        own = self.wrapped.noised(self._periodic(clean), self._periodic(noise), t)
        return self._joined(self.linear.noised(clean, noise, t), own)

    def target(self, noise: Tensor, t: Tensor) -> Tensor:
        """Each number by its schedule."""
        own = self.wrapped.target(self._periodic(noise), t)
        return self._joined(self.linear.target(noise, t), own)

    def start(self, noise: Tensor) -> Tensor:
        """Each number by its schedule."""
        return self._joined(self.linear.start(noise), self.wrapped.start(self._periodic(noise)))

    def reverse_step(
        self, z: Tensor, predicted: Tensor, t: int, reach: Tensor | None
    ) -> ReverseStep:
        """Each number by its schedule."""
        one = self.linear.reverse_step(z, predicted, t, reach)
        own = self.wrapped.reverse_step(self._periodic(z), self._periodic(predicted), t, None)

        def each(linear: float | Tensor, wrapped: float | Tensor) -> Tensor:
            widths = torch.full_like(z[:1], float(linear))
            return widths.index_fill(1, self.periodic, float(wrapped))[0]

        return ReverseStep(
            self._joined(one.mean, own.mean),
            each(one.variance, own.variance),
            each(one.pull, own.pull),
        )

    def _periodic(self, vectors: Tensor) -> Tensor:
        return vectors[:, self.periodic]

    def _joined(self, linear: Tensor, own: Tensor) -> Tensor:
        return linear.index_copy(1, self.periodic, own)
