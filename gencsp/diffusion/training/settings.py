"""Settings of a training run and of what it minimises; they import no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gencsp.deck import (
    Count,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    Seed,
    Share,
    check_fields,
)
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What a training run does; part of its checkpoints.

    Attributes:
        steps: optimiser steps at which training ends.
        batch_size: crystals in a batch.
        learning_rate: peak rate of AdamW.
        warmup: steps of linear rise to it.
        cooldown: share of ``steps`` at the end over which the rate falls linearly to zero; the
            rate is constant in between, so that a run can be prolonged from before its cooldown.
        ema: decay of the averaged weights, which are the ones validated and shipped.
        clip: largest gradient norm.
        seed: of every random choice.
        validate_every: steps between validations.
        checkpoint_seconds: longest time between checkpoints.
        bfloat16: run linear layers in bfloat16 (for GPUs).
        compiled: compile the layers (``torch.compile``, which needs a C++ compiler): a third faster
            on a CPU after a minute of compilation; results differ by rounding.
    """

    steps: Count
    batch_size: Count = 32
    learning_rate: Positive = 1e-3
    warmup: Natural = 500
    cooldown: Share = 0.25
    ema: Fraction = 0.999
    clip: Positive = 1.0
    seed: Seed = 0
    validate_every: Count = 2000
    checkpoint_seconds: NonNegative = 240.0
    bfloat16: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * min(up, down)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevels:
    """How σ is drawn in training.

    CHGGen draws σ uniformly from [σ_min, σ_max]. The levels that matter most are those at which
    atoms find their sites (0.05 to 1.5 Å), but a uniform draw up to several Å rarely takes them; as
    in EDM (Karras et al., 2022, Table 1) most draws are therefore log-normal about there, and the
    rest log-uniform, so that no level is left untrained.

    Attributes:
        low, high: σ_min and σ_max, Å.
        centre: median of the log-normal part, Å.
        width: its standard deviation in ln σ.
        uniform_share: share of the log-uniform draws.
    """

    low: Positive = 0.001
    high: Positive = 5.0
    centre: Positive = 0.35
    width: NonNegative = 1.1
    uniform_share: Share = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        if self.low > self.high:
            raise RequestError(f"high is {self.high} Å: it must be above low, {self.low} Å.")

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """n noise levels in Å, shape (n,)."""
        uniform = rng.uniform(np.log(self.low), np.log(self.high), n)
        normal = rng.normal(np.log(self.centre), self.width, n)
        pick = rng.random(n) < self.uniform_share
        levels: NDArray[np.float64] = np.exp(np.where(pick, uniform, normal))
        return levels.clip(self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """λ of eq. 1 and 3, chosen so that gradients of the terms have similar sizes.

    Attributes:
        frac: of the mean squared error of σ·score of coordinates.
        lattice: of the mean squared error of the lattice's velocity.
        species: of the cross-entropy of hidden species.
        compactness: of the squared error of C, eq. 3; 0 switches the term off.
    """

    frac: NonNegative = 1.0
    lattice: NonNegative = 0.5
    species: NonNegative = 0.3
    compactness: NonNegative = 2.0

    def __post_init__(self) -> None:
        check_fields(self)
