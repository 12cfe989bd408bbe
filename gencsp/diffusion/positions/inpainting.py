"""Inpainting: a host stays, guests are generated around it (CHGGen; RePaint, Lugmayr et al. 2022).

The model knows the joint distribution of all atoms. At every noise level the host atoms are
replaced by the known host, noised to that level, so that the guests see it as the model saw such
atoms in training. A replaced host does not yet agree with the guests of the same pass; jumping back
to the noisier level and stepping again, r times, lets them agree.

What this does not give is the exact conditional distribution: at level σ the guests are conditioned
on a host blurred by σ, which holds less information than the host itself. Guests that stay mobile
until the blur is small come out right when r is large (checked in the tests: r = 10 passes a
Kolmogorov-Smirnov test where r = 1 fails it by far); guests that must choose early between places
far apart choose by the blurred host, whatever r. The remedy is to draw many samples and rank them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

JumpBack = Literal["marginal", "paper"]


@dataclass(frozen=True, slots=True)
class Host:
    """Known atoms of a batch of crystals.

    Attributes:
        mask: true for host atoms, shape (n,); CHGGen's 1 − m.
        positions: x₀ of all atoms in Å, shape (n, 3); rows of guests are not used.
    """

    mask: Tensor
    positions: Tensor

    def put_back(self, x: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """Host atoms at x₀ + σz (eq. 7), guests as they are in ``x`` (eq. 8); all shaped (n, 3)."""
        return torch.where(self.mask[:, None], self.positions + sigma * noise, x)


def jump_back_variance(levels: Sequence[float], level: int, kind: JumpBack) -> float:
    """Variance in Å² of the noise that takes x_{t−1} back to x_t, where σ_t = ``levels[level]``.

    ``marginal`` is σ_t² − σ_{t−1}²: what turns noise of level t−1 into noise of level t, so that
    the next pass starts from the distribution that the score at t belongs to. CHGGen's algorithm
    prints σ_{t−1}² − σ_{t−2}² (``paper``), one level too low: on a geometric schedule that is
    (σ_{t−1}/σ_t)² times the variance needed, and the next pass starts with less noise than its
    score assumes. The forward process (RePaint, eq. 1; CHGGen, eq. 3) agrees with ``marginal``.
    """
    first = level if kind == "marginal" else level + 1
    if first + 1 >= len(levels):
        return 0.0
    return levels[first] ** 2 - levels[first + 1] ** 2
