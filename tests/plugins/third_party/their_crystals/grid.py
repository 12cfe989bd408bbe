"""A proposer: atoms on the points of a shaken grid."""

from collections.abc import Iterator
from math import ceil

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.errors import RequestError
from gencsp.proposers import ConfiguredProposer, Request
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.drawing import draw_units, tag_proposal, volume_per_atom


class Grid(ConfiguredProposer):
    """Atoms dealt over the points of a cubic grid, each moved a little."""

    name = "grid"

    shake: float = Field(default=0.1, ge=0, lt=0.5, description="As a share of the grid's step.")

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        if request.host is not None or request.cell is not None or request.space_groups:
            raise RequestError("'grid' makes its own cell: leave host, cell and groups out.")
        return self._propose(request, rng)

    def _propose(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        made, left = 0, 20 * request.n
        while made < request.n and left > 0:
            left -= 1
            symbols = request.composition.symbols(draw_units(request.units, rng))
            n = ceil(len(symbols) ** (1 / 3))
            points = rng.permutation(np.argwhere(np.ones((n, n, n))))[: len(symbols)]
            shaken = (points + rng.uniform(-self.shake, self.shake, points.shape)) / n
            length = (volume_per_atom(request) * len(symbols)) ** (1 / 3)
            atoms = Atoms(symbols, scaled_positions=shaken, cell=[length] * 3, pbc=True)
            if not keeps_apart(atoms, separation=0.6):
                self.count_failure()
                continue
            made += 1
            yield tag_proposal(atoms, proposer=self.name)
