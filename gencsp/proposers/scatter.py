"""Atoms scattered in a given cell: the background proposer of a search in a fixed cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from gencsp.descriptors.flaws import SCATTERED_SHARE
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances
from gencsp.errors import RequestError
from gencsp.proposers.base import CountsReasons, Request
from gencsp.proposers.checks import NO_ROOM
from gencsp.proposers.drawing import tag_proposal
from gencsp.proposers.generators import spawn_generators

#: Points tried for one atom, and structures tried for each requested one.
POINTS, ATTEMPTS = 60, 30


class ScatterProposer(CountsReasons):
    """Places atoms one after another at random points far enough from those before.

    Args:
        separations: least distances of pairs of elements, in place of those that follow from the
            covalent radii.
    """

    name = "scatter"
    inpaints = False

    def __init__(self, *, separations: LeastDistances = NO_PAIRS) -> None:
        self.separations = separations
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: the request has no cell, or a host or space groups.
        """
        if request.cell is None or request.host is not None or request.space_groups is not None:
            raise RequestError(
                "atoms are scattered in a given cell alone: leave out host and space groups."
            )
        return self._propose(request, request.cell.array, spawn_generators(rng))

    def _propose(
        self, request: Request, cell: np.ndarray, rngs: Iterator[np.random.Generator]
    ) -> Iterator[Atoms]:
        made = 0
        for _ in range(request.n * ATTEMPTS):
            if made == request.n:
                return
            rng = next(rngs)
            units = request.units[int(rng.integers(len(request.units)))]
            atoms = self._scatter(request.composition.symbols(units), cell, rng)
            if atoms is None:
                self.rejected[NO_ROOM] += 1
                continue
            made += 1
            yield tag_proposal(atoms, proposer=self.name)

    def _scatter(
        self, symbols: list[str], cell: np.ndarray, rng: np.random.Generator
    ) -> Atoms | None:
        kinds = sorted(set(symbols))
        least = self.separations.least(kinds, separation=SCATTERED_SHARE)
        order = [symbols[int(k)] for k in rng.permutation(len(symbols))]
        atoms = Atoms(order[:1], positions=rng.random((1, 3)) @ cell, cell=cell, pbc=True)
        for symbol in order[1:]:
            points = rng.random((POINTS, 3)) @ cell
            _, distances = get_distances(points, atoms.positions, cell=cell, pbc=True)
            kind = kinds.index(symbol)
            wanted = least[kind, [kinds.index(s) for s in atoms.symbols]]
            free = np.flatnonzero((distances >= wanted).all(axis=1))
            if len(free) == 0:
                return None
            atoms += Atoms(symbol, positions=points[free[:1]])
        return atoms[np.argsort([symbols.index(s) for s in atoms.symbols], kind="stable")]
