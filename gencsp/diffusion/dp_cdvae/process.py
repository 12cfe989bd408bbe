"""The forward process of DP-CDVAE: noise on fractional coordinates and on species.

Coordinates are noised about the middle of their crystal, and the noise has no mean over a crystal,
because its origin is arbitrary: the authors' program does so, the paper does not say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.diffusion.dp_cdvae.choices import Angles
from gencsp.diffusion.dp_cdvae.lattice import LatticeStatistics
from gencsp.diffusion.dp_cdvae.schedule import NoiseSchedule
from gencsp.diffusion.dp_cdvae.stoichiometries import Stoichiometries
from gencsp.diffusion.wrapped import remove_mean
from gencsp.similarity.cells import acute, compact


@dataclass(frozen=True, slots=True, kw_only=True)
class DpCdvaeProcess:
    """The noise, and the scale and form of the lattices.

    Attributes:
        lattice: means and standard deviations of the training lattices.
        schedule: noise by time step.
        angles: of the reduced cells that the model is trained on, and decodes.
        stoichiometries: of the training crystals; ``None`` where they are not known.
    """

    lattice: LatticeStatistics
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    angles: Angles = "acute"
    stoichiometries: Stoichiometries | None = None

    def reduced(self, cell: NDArray[np.float64]) -> NDArray[np.float64]:
        """The cell of a lattice as the model knows it, Å, shape (3, 3), not rotated."""
        niggli = compact(cell)
        return acute(niggli) if self.angles == "acute" else niggli

    def describe(self) -> dict[str, Any]:
        """For checkpoints and weights files; :meth:`from_description` reads it."""
        known = self.stoichiometries
        return {
            "lattice": asdict(self.lattice),
            "schedule": asdict(self.schedule),
            "angles": self.angles,
            "stoichiometries": None if known is None else known.describe(),
        }

    @classmethod
    def from_description(cls, stored: Mapping[str, Any]) -> Self:
        """From what :meth:`describe` gave."""
        rows = (tuple(stored["lattice"][name]) for name in ("mean", "std", "low", "high"))
        lattice = LatticeStatistics(*rows)
        known = stored.get("stoichiometries")
        return cls(
            lattice=lattice,
            schedule=NoiseSchedule(**stored["schedule"]),
            # Models that were trained before there was a choice.
            angles=stored.get("angles", "niggli"),
            stoichiometries=None if known is None else Stoichiometries.from_description(known),
        )


def wrapped(frac: Tensor) -> Tensor:
    """π(r) = r − ⌊r⌋ (eq. 3), any shape."""
    return frac - torch.floor(frac)


def centred(frac: Tensor, owner: Tensor, n_crystals: int) -> Tensor:
    """Coordinates within the cell, about their mean over each crystal, shape (n, 3)."""
    return remove_mean(wrapped(frac), owner, n_crystals)


def noised_coordinates(frac: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """r_t = √ᾱ_t r_0 + √(1 − ᾱ_t) ε (eq. 2), not wrapped.

    Args:
        frac: r_0, shape (n, 3).
        noise: ε of the same shape.
        alpha_bar: ᾱ_t of each atom, shape (n,).
    """
    kept = alpha_bar[:, None]
    return kept.sqrt() * frac + (1 - kept).sqrt() * noise


def species_shares(numbers: Tensor, composition: Tensor, noise: Tensor) -> Tensor:
    """Probability of each species of Z_t (eq. 9), shape (n, 95).

    Eq. 9 prints softmax(A + σ'_t A_z). With A of zeros and a one, that gives the true species e/95
    of the weight of all others at no noise at all, so Z_1 would be nearly random. Here, as in
    CDVAE and in the authors' program, A_z are probabilities and the sum is divided by its total:
    p = (A + σ'_t softmax(A_z)) / (1 + σ'_t).

    Args:
        numbers: true atomic numbers, shape (n,), int64.
        composition: softmax(A_z), shape (n, 95).
        noise: σ'_t of each atom, shape (n,).
    """
    one_hot = torch.nn.functional.one_hot(numbers, composition.shape[1]).to(composition)
    return (one_hot + noise[:, None] * composition) / (1 + noise[:, None])


def drawn_species(shares: Tensor, uniform: Tensor) -> Tensor:
    """Atomic numbers with these probabilities, shape (n,).

    Args:
        shares: probabilities by atomic number, shape (n, 95), rows of sum 1.
        uniform: numbers in [0, 1), shape (n,).
    """
    summed = shares.cumsum(1)
    summed = summed / summed[:, -1:]
    return (summed <= uniform[:, None]).sum(1).clamp(max=shares.shape[1] - 1)
