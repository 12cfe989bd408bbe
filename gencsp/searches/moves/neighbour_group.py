"""Neighbour group: a crystal distorted into a subgroup, or symmetrised into a supergroup."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from gencsp.deck import Displacement, Share
from gencsp.minimise.restraints import NoSymmetryFound, Symmetry
from gencsp.searches.moves.base import ConfiguredMove, Tools, bare, hold_symmetry
from gencsp.symmetry.refinement import LADDER, P1, refine, space_group
from gencsp.symmetry.tolerances import SYMPREC


class NeighbourGroup(ConfiguredMove):
    """Lowers the symmetry of the parent to a subgroup, or raises it.

    Half of the children are tried upwards first; where no higher symmetry is found, it is lowered.

    Downwards, one operation is drawn; displacements and a strain are random, averaged over the
    cyclic group that it generates. So the child breaks the symmetry along a mode of one of its
    subgroups, as a phase transition does. Upwards, the parent is symmetrised at a drawn tolerance.
    """

    name = "neighbour-group"
    keeps_cell = False

    amplitude: Displacement = Field(
        default=0.5, description="Standard deviation of the displacements before averaging, Å."
    )
    spread: Share = Field(
        default=0.1, description="Standard deviation of the strain components before averaging."
    )

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
        raised = _raised(parents[0], rng) if rng.random() < 0.5 else None
        return self._lowered(bare(parents[0]), rng) if raised is None else raised

    def _lowered(self, child: Atoms, rng: np.random.Generator) -> Atoms | None:
        held = hold_symmetry(child, SYMPREC)
        if held is None:
            return None
        try:
            symmetry = Symmetry.of(held)
        except NoSymmetryFound:  # an operation maps two atoms onto one
            return None
        kept = cyclic_subgroup(symmetry, int(rng.integers(len(symmetry.rotations))))
        cell = child.cell.array
        moves = rng.normal(scale=self.amplitude, size=(len(child), 3))
        tensor = rng.normal(scale=self.spread, size=(3, 3))
        strain = kept.project_stress(cell, (tensor + tensor.T) / 2)
        # Averaging over m operations shortens a random vector by about the square root of m.
        child.positions += kept.project_forces(cell, moves) * len(kept.rotations) ** 0.5
        child.set_cell(cell @ (np.eye(3) + strain), scale_atoms=True)
        return child


def cyclic_subgroup(symmetry: Symmetry, operation: int) -> Symmetry:
    """The powers of one operation."""
    identity: NDArray[np.int64] = np.arange(symmetry.sources.shape[1])
    rotation, source = np.eye(3), identity
    rotations, sources = [], []
    while True:
        rotations.append(rotation)
        sources.append(source)
        rotation = np.round(symmetry.rotations[operation] @ rotation)
        source = source[symmetry.sources[operation]]
        if (rotation == np.eye(3)).all() and (source == identity).all():
            return Symmetry(np.array(rotations), np.array(sources))


def _raised(parent: Atoms, rng: np.random.Generator) -> Atoms | None:
    rung = LADDER[int(rng.integers(1, len(LADDER)))]
    present = space_group(parent).number
    refined = refine(bare(parent), ladder=[rung], low=P1 | {present}, cell="input")
    return refined.atoms if refined.refined else None
