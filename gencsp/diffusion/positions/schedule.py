"""Noise levels that a sampler walks down, from σ_T to σ_0 = 0.

Levels are in Å and descend: ``(σ_T = sigma_max, ..., σ_1 = sigma_min, σ_0 = 0)``, T + 1 numbers
for T steps. Zhong et al. (CHGGen, eq. 3, 4) define σ_1 … σ_T only, while their loop runs to t = 1
and so needs a σ_0. Here σ_0 = 0: the last step adds no noise and lands on the denoised position
x + σ_1²·score (Tweedie), it has no corrector (there is no score at σ = 0), and a host that is
re-noised at σ_0 ends where it was. With σ_1 = 0.001 Å the last step moves atoms by about that much.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from gencsp.deck import Count, check
from gencsp.errors import RequestError

Spacing = Literal["geometric", "karras"]

#: Exponent of Karras et al. (2022), eq. 5: the value of their table 1.
KARRAS_RHO = 7.0


def noise_levels(
    steps: int, *, sigma_min: float, sigma_max: float, spacing: Spacing = "geometric"
) -> tuple[float, ...]:
    """Descending noise levels in Å, ``steps + 1`` of them, the last one zero.

    Args:
        steps: T, at least 1; one step uses ``sigma_max`` alone.
        sigma_min: σ_1 in Å, above zero.
        sigma_max: σ_T in Å, not below ``sigma_min``.
        spacing: ``geometric`` is the variance-exploding schedule of CHGGen, eq. 3 (exponentially
            increasing standard deviations); ``karras`` is Karras et al. (2022), eq. 5, ρ = 7, which
            spends more steps at small σ and suits higher-order solvers.

    Raises:
        RequestError: an unknown spacing, or a range or a number of steps that makes no schedule.
    """
    check("steps", steps, Count)
    check("spacing", spacing, Spacing)
    if not 0 < sigma_min <= sigma_max < float("inf"):
        raise RequestError(
            f"sigma_min = {sigma_min} and sigma_max = {sigma_max}: "
            "give 0 < sigma_min <= sigma_max, in Å."
        )
    fraction = np.linspace(0.0, 1.0, steps)
    if spacing == "geometric":
        levels = sigma_max * (sigma_min / sigma_max) ** fraction
    else:
        top, bottom = sigma_max ** (1 / KARRAS_RHO), sigma_min ** (1 / KARRAS_RHO)
        levels = (top + fraction * (bottom - top)) ** KARRAS_RHO
    return (*levels.tolist(), 0.0)
