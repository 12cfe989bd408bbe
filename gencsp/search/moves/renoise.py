"""Renoise: partly back to noise, and denoised again by the score model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp.deck_base import Count, Positive, check_fields
from gencsp.descriptors.tolerances import SYMPREC
from gencsp.errors import ConstraintError, RequestError
from gencsp.search.moves.base import Tools, bare, hold_symmetry


@dataclass(frozen=True, slots=True)
class Renoise:
    """Positions noised to a drawn level, then reverse diffusion from there; the cell stays.

    Small levels shake the parent within what the model holds likely, large ones forget it. Every
    other child of a symmetric parent keeps its space group: noise and score are projected on it.

    Attributes:
        least, most: limits of the noise level, Å; its logarithm is drawn evenly.
        steps: noise levels of the reverse diffusion.
    """

    least: Positive = 0.3
    most: Positive = 2.0
    steps: Count = 20
    name: str = "renoise"
    n_parents: int = 1
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if self.least > self.most:
            raise RequestError(f"least is {self.least} Å: it must not be above most, {self.most}.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """To anything of two atoms or more."""
        return len(parents[0]) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        # Loads torch, which the calling process of a search does without.
        from gencsp.diffusion.samplers import SamplerSettings, prepare, sample

        child = bare(parents[0])
        if rng.random() < 0.5:
            child.set_constraint(hold_symmetry(child, SYMPREC))
        sigma = float(np.exp(rng.uniform(np.log(self.least), np.log(self.most))))
        settings = SamplerSettings(kind="heun", steps=self.steps, sigma_max=sigma)
        try:
            process = prepare(tools.model(), [child], settings=settings, rngs=[rng])
        except ConstraintError:  # a symmetry that maps two atoms onto one
            return None
        noised = process.crystals.positions + sigma * process.noise()
        child.set_positions(noised.numpy(), apply_constraint=False)
        (made,) = sample(tools.model(), [child], settings=settings, rngs=[rng])
        made.set_constraint()
        return made
