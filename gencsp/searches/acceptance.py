"""Metropolis acceptance with a temperature that adapts to the share of accepted steps."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from gencsp.deck import Positive, check


class Metropolis:
    """Accepts every step downhill, steps uphill by chance, and none to a minimum seen before.

    The temperature rises by a constant factor with every step that is refused or leads back to a
    known minimum, and falls with every one that is accepted, in such proportion that it is steady
    where the share ``target`` is accepted: the feedback of minima hopping (Goedecker, JCP 120, 9911
    (2004)).

    Args:
        temperature: at the start, eV/atom.
        target: share of steps to accept.
        factor: by which the temperature rises when a step is refused.
    """

    LEAST, MOST = 1e-3, 1.0

    def __init__(
        self, *, temperature: float = 0.03, target: float = 0.4, factor: float = 1.05
    ) -> None:
        check("temperature", temperature, Positive)
        check("target", target, Annotated[float, Gt(0), Lt(1)])
        check("factor", factor, Annotated[float, Ge(1), Le(1000)])
        self.temperature = temperature
        self.target = target
        self.factor = factor

    def accept(self, change: float, *, new: bool, rng: np.random.Generator) -> bool:
        """Whether to go to a minimum that lies ``change`` (eV/atom) above the present one."""
        chance = rng.random()
        accepted = new and (change <= 0 or chance < math.exp(-change / self.temperature))
        # Steady where target · ln(down) = (1 − target) · ln(up).
        power = -(1 - self.target) / self.target if accepted else 1.0
        changed = self.temperature * self.factor**power
        self.temperature = min(max(changed, self.LEAST), self.MOST)
        return accepted
