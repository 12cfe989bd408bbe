"""What stays the same during one reverse diffusion of positions: constraints and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.noise import standard_normal
from gencsp.diffusion.positions.inpainting import Host
from gencsp.diffusion.positions.settings import SAMPLERS, ConfiguredSampler, SamplerSettings
from gencsp.diffusion.projection import (
    Projection,
    build_projection,
    read_constraints,
    require_crystal,
    symmetrised_positions,
)
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True)
class Run:
    """What stays the same during one reverse diffusion of a batch.

    Attributes:
        model: the score model.
        settings: the settings.
        sampler: takes the steps.
        levels: noise levels in Å, descending, the last one zero.
        crystals: numbers, cells and owners; its positions are those given, on the symmetric set.
        projection: projector of the constraints.
        host: atoms held by ``FixAtoms``, or ``None`` where no crystal has any.
        rngs: one generator for each crystal.
    """

    model: ScoreModel
    settings: SamplerSettings
    sampler: ConfiguredSampler
    levels: tuple[float, ...]
    crystals: CrystalBatch
    projection: Projection
    host: Host | None
    rngs: tuple[np.random.Generator, ...]

    def score(self, positions: Tensor, sigma: float) -> Tensor:
        """Projected score of positions (n, 3) at σ, in 1/Å, shape (n, 3)."""
        sigmas = positions.new_full((self.crystals.n_crystals,), sigma)
        raw = self.model.score(self.crystals.with_positions(positions), sigmas)
        return self.projection(raw.to(positions.dtype))

    def noise(self) -> Tensor:
        """Projected standard normal noise, shape (n, 3)."""
        sizes = self.crystals.sizes.tolist()
        return self.projection(standard_normal(self.rngs, sizes, like=self.crystals.positions))


def prepare(
    model: ScoreModel,
    structures: Sequence[Atoms],
    *,
    settings: SamplerSettings,
    rngs: Sequence[np.random.Generator],
) -> Run:
    """Gather crystals and their constraints; draws no random number.

    Args:
        model: the score model.
        structures: fully periodic; either all of them have ``FixAtoms`` or none (``sample`` sorts
            them).
        settings: how to sample.
        rngs: one generator for each structure.

    Raises:
        RequestError: for a structure without a periodic cell, for a mixture of structures with and
            without host, and for noise levels that the model does not know.
        ConstraintError: for constraints that cannot be honoured.
    """
    if not structures or len(structures) != len(rngs):
        raise RequestError(
            f"{len(structures)} structures and {len(rngs)} generators: give one for each."
        )
    for atoms in structures:
        require_crystal(atoms)
    constraints = [read_constraints(atoms) for atoms in structures]
    hosted = [bool(c.fixed.any()) for c in constraints]
    if any(hosted) and not all(hosted):
        raise RequestError("Structures with and without a host go in separate batches.")
    batch = CrystalBatch.from_atoms(structures).with_positions(
        torch.from_numpy(
            np.concatenate(
                [symmetrised_positions(a, c) for a, c in zip(structures, constraints, strict=True)]
            )
        )
    )
    mask = torch.from_numpy(np.concatenate([c.fixed for c in constraints]))
    return Run(
        model=model,
        settings=settings,
        sampler=SAMPLERS.make(settings.sampler),
        levels=settings.levels(model),
        crystals=batch,
        projection=build_projection(structures, constraints),
        host=Host(mask, batch.positions) if all(hosted) else None,
        rngs=tuple(rngs),
    )
