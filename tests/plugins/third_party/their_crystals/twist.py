"""A move: half of a crystal turned against the other."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.searches.moves import ConfiguredMove, Tools


class Twist(ConfiguredMove):
    """The atoms above the middle of the cell are turned about its third lattice vector."""

    name = "twist"

    angle: float = Field(default=30.0, gt=0, le=180, description="Largest angle, degrees.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        return len(parents[0]) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        parent = parents[0]
        child = Atoms(parent.numbers, parent.positions, cell=parent.cell, pbc=True)
        height = (child.get_scaled_positions()[:, 2] + rng.random()) % 1
        upper = height > 0.5
        if upper.all() or not upper.any():
            return None
        turned = child[upper]
        turned.rotate(rng.uniform(-self.angle, self.angle), parent.cell[2], center="COP")
        child.positions[upper] = turned.positions
        return child
