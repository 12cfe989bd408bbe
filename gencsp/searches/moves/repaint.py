"""Repaint: a region is removed and inpainted by the score model; the other atoms stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from pydantic import Field

from gencsp.composition import Composition
from gencsp.deck import Count
from gencsp.searches.moves.base import ConfiguredMove, Tools, bare


class Repaint(ConfiguredMove):
    """Inpaints the atoms nearest to a random point: at least two, at most two thirds of all."""

    name = "repaint"
    needs_model = True

    steps: Count = Field(default=15, description="Noise levels of the inpainting.")
    passes: Count = Field(default=3, description="Passes through each noise level (RePaint).")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for three atoms or more, so that a host is left."""
        return len(parents[0]) > 2

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        parent = bare(parents[0])
        most = max(2, len(parent) * 2 // 3)
        n_removed = int(rng.integers(2, most + 1))
        centre = rng.random(3) @ parent.cell.array
        _, distances = get_distances([centre], parent.positions, cell=parent.cell, pbc=True)
        host = parent[np.sort(np.argsort(distances[0], kind="stable")[n_removed:])]
        return inpaint(host, parent, rng=rng, tools=tools, steps=self.steps, passes=self.passes)


def inpaint(
    host: Atoms, whole: Atoms, *, rng: np.random.Generator, tools: Tools, steps: int, passes: int
) -> Atoms | None:
    """The host completed to the atoms of ``whole``, or ``None`` where they came too close.

    Args:
        host: atoms and cell that stay; a part of the composition of ``whole``.
        whole: says which atoms there are in the end.
        rng: of the sampler.
        tools: where the score model is.
        steps: noise levels.
        passes: through each noise level.
    """
    # Loads torch, which the main process of a search does not need.
    from gencsp.diffusion.positions.settings import SamplerSettings
    from gencsp.proposers.base import Request
    from gencsp.proposers.score import ScoreProposer

    composition = Composition.of(whole)
    proposer = ScoreProposer(
        tools.model(),
        sampler=SamplerSettings(sampler="heun", steps=steps, resampling=passes),
        attempts=1,
    )
    request = Request(
        composition=composition, n=1, units=(len(whole) // composition.size,), host=host
    )
    return next(proposer.propose(request, rng=rng), None)
