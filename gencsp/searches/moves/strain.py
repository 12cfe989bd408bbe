"""Strain: a random deformation of the cell; fractional coordinates stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Share
from gencsp.searches.moves.base import ConfiguredMove, Tools, bare
from gencsp.units.members import deformed, has_units


class Strain(ConfiguredMove):
    """The symmetric strain of USPEX (Glass, Oganov and Hansen, CPC 175, 713 (2006)).

    The cell is multiplied by 1 + ε with six independent normal components; the volume is then set
    to that of the parent times the exponential of a normal number. Rigid units that the parent
    names keep their shape: their centres alone follow the cell.
    """

    name = "strain"
    keeps_units = True
    keeps_cell = False

    spread: Share = Field(default=0.2, description="Standard deviation of the components of ε.")
    volume: Share = Field(
        default=0.05, description="Standard deviation of the logarithm of the volume."
    )

    def applies(self, parents: Sequence[Atoms]) -> bool:  # noqa: ARG002
        """True for every crystal."""
        return True

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        e = rng.normal(scale=self.spread, size=6)
        strain = np.array(
            [[e[0], e[3] / 2, e[4] / 2], [e[3] / 2, e[1], e[5] / 2], [e[4] / 2, e[5] / 2, e[2]]]
        )
        strained = child.cell.array @ (np.eye(3) + strain)
        determinant = float(np.linalg.det(np.eye(3) + strain))
        if determinant < 0.2:  # the cell is flattened, or its handedness has changed
            return None
        wanted = child.cell.volume * np.exp(rng.normal(scale=self.volume))
        strained *= (wanted / (child.cell.volume * determinant)) ** (1 / 3)
        if has_units(parents[0]):
            return deformed(parents[0], strained)
        child.set_cell(strained, scale_atoms=True)
        return child
