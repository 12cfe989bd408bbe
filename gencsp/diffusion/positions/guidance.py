"""A score model guided by the forces of a potential."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gencsp.deck import NonNegative, Positive, check_fields
from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.pull import Potential, bounded_lengths
from gencsp.diffusion.wrapped import remove_mean


@dataclass(frozen=True, slots=True)
class EnergyGuidedScore:
    """A :class:`~gencsp.diffusion.batch.ScoreModel` guided by the forces of a potential.

    Attributes:
        model: the score model that is guided.
        potential: where forces come from.
        temperature: kT, eV: the smaller, the stronger the pull.
        onset: noise level below which the potential acts, Å.
        longest: bound on a force, eV/Å.
    """

    model: ScoreModel
    potential: Potential
    temperature: Positive = 1.0
    onset: NonNegative = 0.5
    longest: Positive = 5.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def sigma_min(self) -> float:
        """Least noise level of the score model, Å."""
        return self.model.sigma_min

    @property
    def sigma_max(self) -> float:
        """Greatest noise level of the score model, Å."""
        return self.model.sigma_max

    @property
    def digest(self) -> str:
        """Hash of the score model's weights."""
        return self.model.digest

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """See :class:`~gencsp.diffusion.batch.ScoreModel`."""
        score = self.model.score(batch, sigma)
        active = sigma < self.onset
        if not bool(active.any()):
            return score
        denoised = batch.positions + sigma.square()[batch.owner][:, None] * score
        forces, _ = self.potential.pull(batch.with_positions(denoised).to_atoms())
        forces = bounded_lengths(forces.to(score), self.longest) / self.temperature
        forces = remove_mean(forces, batch.owner, batch.n_crystals)
        return score + torch.where(active[batch.owner][:, None], forces, 0.0)
