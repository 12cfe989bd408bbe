"""Moves in the latent space of DP-CDVAE: a neighbour of a crystal, a crystal between two.

They need weights, ``latent-neighbour:weights=dp-cdvae-perov-5`` or a file, and belong to the moves
of no strategy until they are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Count, Positive, Share
from gencsp.diffusion.dp_cdvae.choices import CellSource
from gencsp.diffusion.dp_cdvae.stored import StoredDpCdvae
from gencsp.plugins import Choice
from gencsp.searches.moves.base import ConfiguredMove, MoveWithLimits, Tools, bare
from gencsp.searches.tasks import cached_make

if TYPE_CHECKING:
    from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
    from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel


class LatentMove(ConfiguredMove):
    """What both moves have in common."""

    weights: Path | None = Field(
        default=None, description="A DP-CDVAE: its file, or one that ships, dp-cdvae-perov-5."
    )
    steps: Count = Field(default=50, description="Steps of the reverse diffusion.")
    cell: CellSource = Field(
        default="scaled",
        description="Cell of the child: read from z, the same at the parents' volume per atom, or "
        "that of the first parent.",
    )

    @property
    def text(self) -> str:
        """Name and options; weights are known by their digest, wherever the file is."""
        options = self.model_dump(mode="json", exclude_defaults=True, exclude={"weights"})
        return str(Choice.of(self.name, options))

    def own_model(self) -> StoredDpCdvae:
        """See :class:`~gencsp.searches.moves.base.ConfiguredMove`."""
        return StoredDpCdvae(self.weights)

    def _model_of(self, parents: Sequence[Atoms], tools: Tools) -> DpCdvaeModel | None:
        """The model, loaded once in a process; ``None`` where it does not know the parents."""
        model: DpCdvaeModel = cached_make(StoredDpCdvae(self.weights, tools.device))
        return model if all(map(model.knows, parents)) else None

    def _sampling(self, noise: float = 1.0) -> DpCdvaeSampling:
        from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling

        return DpCdvaeSampling(steps=self.steps, noise=noise)

    def _cell(self, tools: Tools) -> CellSource:
        return "parent" if tools.fixed_cell else self.cell


class LatentNeighbour(MoveWithLimits, LatentMove):
    """A neighbour in latent space: z = μ + s·ε is decoded with the atoms of the parent.

    The strength s is drawn between two limits, evenly in its logarithm; see
    :func:`gencsp.diffusion.dp_cdvae.latent.neighbours`. Parents that the model has no room for, or
    of elements that it does not know, give nothing.
    """

    name = "latent-neighbour"

    least: Positive = Field(
        default=0.1, description="Least strength, in standard deviations of the prior of z."
    )
    most: Positive = Field(default=1.0, description="Greatest strength, in the same unit.")
    noise: Share = Field(
        default=1.0,
        description="1 decodes from noise alone; less from the parent's coordinates with so much "
        "noise, in fractions of the cell.",
    )

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        # Loads torch, which the main process of a search does not need.
        from gencsp.diffusion.dp_cdvae.latent import neighbours

        parent = bare(parents[0])
        model = self._model_of([parent], tools)
        if model is None:
            return None
        strength = float(np.exp(rng.uniform(np.log(self.least), np.log(self.most))))
        (child,) = neighbours(
            model,
            [parent],
            [strength],
            sampling=self._sampling(self.noise),
            cell=self._cell(tools),
            rngs=[rng],
        )
        return child


class LatentInterpolation(MoveWithLimits, LatentMove):
    """Crossover in latent space: a point on the arc between two parents is decoded.

    The child has the atoms of the first parent, as after every crossover of a given composition; in
    a chemical system, too. Its volume per atom lies between those of the parents; see
    :func:`gencsp.diffusion.dp_cdvae.latent.interpolations`. Parents that the model has no room for,
    or of elements that it does not know, give nothing.
    """

    name = "latent-interpolation"
    n_parents = 2

    least: Share = Field(default=0.3, description="Least weight of the second parent.")
    most: Share = Field(default=0.7, description="Greatest weight of the second parent.")

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        # Loads torch, which the main process of a search does not need.
        from gencsp.diffusion.dp_cdvae.latent import interpolations

        one, other = map(bare, parents)
        model = self._model_of([one, other], tools)
        if model is None:
            return None
        weight = float(rng.uniform(self.least, self.most))
        (child,) = interpolations(
            model,
            [(one, other)],
            [weight],
            sampling=self._sampling(),
            cell=self._cell(tools),
            rngs=[rng],
        )
        return child
