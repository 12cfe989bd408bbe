"""Rattle: normally distributed displacements of all atoms; AIRSS calls it shaking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Displacement
from gencsp.searches.moves.base import MoveWithLimits, Tools, bare
from gencsp.units.members import has_units, rattled


class Rattle(MoveWithLimits):
    """Normally distributed displacements, their standard deviation drawn between two limits, Å.

    Rigid units that the parent names are displaced and turned as a whole.
    """

    name = "rattle"
    keeps_units = True

    least: Displacement = Field(default=0.1, description="Least standard deviation, Å.")
    most: Displacement = Field(default=0.6, description="Greatest standard deviation, Å.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two atoms or more: moving a single atom changes nothing."""
        return len(parents[0]) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        scale = rng.uniform(self.least, self.most)
        if has_units(parents[0]):
            return rattled(parents[0], scale, rng=rng)
        child = bare(parents[0])
        child.positions += rng.normal(scale=scale, size=(len(child), 3))
        return child
