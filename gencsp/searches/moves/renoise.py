"""Renoise: noise is added to the positions, and removed again by the score model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Count, Positive
from gencsp.errors import ConstraintError
from gencsp.searches.moves.base import MoveWithLimits, Tools, bare, hold_symmetry
from gencsp.symmetry.tolerances import SYMPREC


class Renoise(MoveWithLimits):
    """Positions noised to a drawn level, then reverse diffusion from there; the cell stays.

    At low noise the child stays near the parent, at high noise little of the parent is left. Half
    of the children keep the space group of the parent: noise and score are projected on it.
    """

    name = "renoise"
    needs_model = True

    least: Positive = Field(default=0.3, description="Least noise level, Å.")
    most: Positive = Field(default=2.0, description="Greatest noise level, Å.")
    steps: Count = Field(default=20, description="Noise levels of the reverse diffusion.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two atoms or more."""
        return len(parents[0]) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        # Loads torch, which the main process of a search does not need.
        from gencsp.diffusion.positions.sampler import SamplerSettings, prepare, sample

        child = bare(parents[0])
        if rng.random() < 0.5:
            child.set_constraint(hold_symmetry(child, SYMPREC))
        sigma = float(np.exp(rng.uniform(np.log(self.least), np.log(self.most))))
        settings = SamplerSettings(sampler="heun", steps=self.steps, sigma_max=sigma)
        try:
            process = prepare(tools.model(), [child], settings=settings, rngs=[rng])
        except ConstraintError:  # a symmetry that maps two atoms onto one
            return None
        noised = process.crystals.positions + sigma * process.noise()
        child.set_positions(noised.numpy(), apply_constraint=False)
        (made,) = sample(tools.model(), [child], settings=settings, rngs=[rng])
        made.set_constraint()
        return made
