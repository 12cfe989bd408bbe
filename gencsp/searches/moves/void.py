"""Void: an atom is moved to one of the largest holes of the structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import get_distances
from numpy.typing import NDArray

from gencsp.searches.moves.base import ConfiguredMove, Tools, bare

#: Random points among which a hole is sought.
POINTS = 40


class Void(ConfiguredMove):
    """A random atom moves into a hole, see :func:`hole`."""

    name = "void"

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two atoms or more."""
        return len(parents[0]) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        chosen = int(rng.integers(len(child)))
        rest = np.arange(len(child)) != chosen
        child.positions[chosen] = hole(child[rest], rng=rng)
        return child


def hole(atoms: Atoms, *, rng: np.random.Generator) -> NDArray[np.float64]:
    """The best of ``POINTS`` random points: the one farthest from the surface of any atom, Å.

    With few points the choice stays random, so that children differ.
    """
    points = rng.random((POINTS, 3)) @ atoms.cell.array
    _, distances = get_distances(points, atoms.positions, cell=atoms.cell, pbc=True)
    room = (distances - covalent_radii[atoms.numbers]).min(axis=1)
    return np.asarray(points[int(room.argmax())])
