"""How positions are sampled: settings and the contract of samplers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gencsp.deck import Count, Positive, check_fields
from gencsp.diffusion.positions.schedule import Spacing, noise_levels
from gencsp.errors import RequestError
from gencsp.plugins import Choice, Configured, Registry

if TYPE_CHECKING:
    from torch import Tensor

    from gencsp.diffusion.batch import ScoreModel
    from gencsp.diffusion.positions.run import Run

#: Which variance a jump back has, see
#: :func:`~gencsp.diffusion.positions.inpainting.jump_back_variance`.
JumpBack = Literal["marginal", "paper"]
#: The sampler of CHGGen, which alone has correctors.
PREDICTOR_CORRECTOR = "predictor-corrector"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSettings:
    """How to sample: noise levels, sampler and its constants.

    Attributes:
        sampler: takes the steps, see :data:`SAMPLERS`: by name, with options of its own as in
            ``heun:churn=5``, or as a table, ``{"name": "heun", "churn": 5}``. There is the
            ``predictor-corrector`` of CHGGen; ``ddim``, which says how much noise a step draws
            anew; the second-order ``heun`` of Karras et al. (2022), which needs fewer noise levels;
            and those of other packages. Once checked it is a :class:`~gencsp.plugins.Choice`.
        steps: T, noise levels above zero.
        spacing: see :func:`~gencsp.diffusion.positions.schedule.noise_levels`.
        sigma_max: σ_T in Å; ``None`` takes the model's. Smaller than the model's, it starts from
            the given positions as if they were data noised to this level.
        sigma_min: σ_1 in Å; ``None`` takes the model's.
        resampling: r, passes through each noise level where there is a host; crystals without a
            host take one pass.
        jump_length: j, noise levels of a jump back between passes.
        jump_back: variance of the noise that takes x_{t−j} back to x_t between passes, see
            :func:`~gencsp.diffusion.positions.inpainting.jump_back_variance`.

    Raises:
        RequestError: a setting out of its range, or no sampler of this name.
        DeckError: an option that the sampler does not have, or out of its range.
    """

    sampler: Choice | str | Mapping[str, Any] = PREDICTOR_CORRECTOR
    steps: Count = 100
    spacing: Spacing = "geometric"
    sigma_max: Positive | None = None
    sigma_min: Positive | None = None
    resampling: Count = 1
    jump_length: Count = 1
    jump_back: JumpBack = "marginal"

    def __post_init__(self) -> None:
        check_fields(self)
        low, high = self.sigma_min, self.sigma_max
        if low is not None and high is not None and low > high:
            raise RequestError(f"sigma_min is {low} Å and sigma_max {high} Å: give it the larger.")
        object.__setattr__(self, "sampler", SAMPLERS.choose(self.sampler))

    def levels(self, model: ScoreModel) -> tuple[float, ...]:
        """Noise levels in Å, descending to zero, for this model.

        Raises:
            RequestError: for levels outside the range that the model was trained on.
        """
        low = model.sigma_min if self.sigma_min is None else self.sigma_min
        high = model.sigma_max if self.sigma_max is None else self.sigma_max
        slack = 1e-6
        if low < model.sigma_min * (1 - slack) or high > model.sigma_max * (1 + slack):
            raise RequestError(
                f"Noise from {low:g} to {high:g} Å was requested, and this model was trained on "
                f"{model.sigma_min:g} to {model.sigma_max:g} Å: stay within."
            )
        return noise_levels(self.steps, sigma_min=low, sigma_max=high, spacing=self.spacing)


class ConfiguredSampler(Configured):
    """Base of samplers of atom positions: one step from a noise level to the next.

    Options are checked fields of the class. A sampler need not care about constraints: score and
    noise are already projected.
    """

    kind: ClassVar[str] = "sampler"

    def step(self, process: Run, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """Positions (n, 3) in Å at noise ``sigma_next``, from ``x`` at the greater noise ``sigma``.

        Args:
            process: gives ``score(x, sigma)`` and ``noise()``, both (n, 3) and projected.
            x: positions at ``sigma``.
            sigma: noise of ``x``, Å.
            sigma_next: noise after the step, Å; the last one is zero.
        """
        raise NotImplementedError


#: All samplers of atom positions, by name.
SAMPLERS: Registry[ConfiguredSampler] = Registry(
    "gencsp.samplers", kind="sampler", contract=ConfiguredSampler
)
