"""Inpainting: a host stays, guests are generated around it (CHGGen; RePaint, Lugmayr et al. 2022).

The model knows the joint distribution of all atoms. At every noise level the host atoms are
replaced by the known host, noised to that level, so that the guests see it as the model saw such
atoms in training. A replaced host does not yet agree with the guests of the same pass; jumping back
to the noisier level and stepping again, r times, lets them agree. CHGGen's text jumps back by one
level; its program, as RePaint's, by ten.

What this does not give is the exact conditional distribution: at level σ the guests are conditioned
on a host blurred by σ, which holds less information than the host itself. Guests that stay mobile
until the blur is small come out right when r is large (checked in the tests: r = 10 passes a
Kolmogorov-Smirnov test where r = 1 fails it by far); guests that must choose early between places
far apart choose by the blurred host, whatever r. The remedy is to draw many samples and rank them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gencsp.diffusion.positions.settings import JumpBack


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


def jump_back_variance(
    levels: Sequence[float], level: int, kind: JumpBack, *, length: int = 1
) -> float:
    """Variance in Å² of the noise that takes x_{t−j} back to x_t, where σ_t = ``levels[level]``.

    ``marginal`` is σ_t² − σ_{t−j}²: what turns noise of level t−j into noise of level t, so that
    the next pass starts from the distribution that the score at t belongs to. CHGGen's algorithm,
    where j = 1, prints σ_{t−1}² − σ_{t−2}² (``paper``), one level too low: on a geometric schedule
    that is (σ_{t−1}/σ_t)² times the variance needed, and the next pass starts with less noise than
    its score assumes. The forward process (RePaint, eq. 1; CHGGen, eq. 3) agrees with ``marginal``.

    Args:
        levels: noise levels in Å, descending to zero.
        level: place of σ_t among them.
        kind: which variance.
        length: j, levels of the jump.
    """
    first = level if kind == "marginal" else level + 1
    if first + length >= len(levels):
        return 0.0
    return levels[first] ** 2 - levels[first + length] ** 2


def jumps_back(level: int, *, steps: int, length: int) -> bool:
    """Whether a jump back begins at ``levels[level]``, which was just reached from above.

    RePaint's schedule (its supplement, algorithm 1), as CHGGen's program has it: jumps begin at
    every ``length``-th level counted from σ_1, and end at σ_T at most. None begins at σ_0 = 0,
    where there is no noise to jump back with.

    Args:
        level: place among the levels, of which place 0 is σ_T and place ``steps`` is σ_0.
        steps: T.
        length: j, levels of a jump.
    """
    above_last = steps - 1 - level
    return above_last >= 0 and above_last % length == 0 and level >= length
