"""Denoising score matching on the crystal's torus, and its validation by noise band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.objective import in_batches, mean_over_atoms
from gencsp.diffusion.training.settings import NoiseLevels
from gencsp.diffusion.wrapped import remove_mean, wrapped_normal_score


@dataclass(frozen=True, slots=True)
class ScoreObjective:
    """Denoising score matching of positions, at given cells and species."""

    noise: NoiseLevels = field(default_factory=NoiseLevels)

    kind: ClassVar[str] = "score"

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
        *,
        step: int = 0,  # noqa: ARG002
    ) -> Tensor:
        """See :class:`Objective`."""
        clean = crystals.batch(indices)
        noisy = add_noise(clean, torch.as_tensor(self.noise.draw(clean.n_crystals, rng)), rng)
        return score_matching_loss(network, noisy, device)

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """See :func:`validate`."""
        return validate(network, crystals, device=device, seed=seed)

    def describe(self) -> dict[str, Any]:
        """See :class:`Objective`."""
        return {"kind": self.kind, "noise": asdict(self.noise)}

    @classmethod
    def from_description(cls, stored: dict[str, Any]) -> Self:
        """From what :meth:`describe` gave."""
        return cls(NoiseLevels(**stored["noise"]))


@dataclass(frozen=True, slots=True)
class NoisyBatch:
    """Noised crystals, their levels in Å, shape (b,), and the target σ·score, shape (n, 3)."""

    crystals: CrystalBatch
    sigma: Tensor
    target: Tensor


def add_noise(clean: CrystalBatch, sigma: Tensor, rng: np.random.Generator) -> NoisyBatch:
    """x(σ) = x(0) + σ ε with the target of denoising score matching (CHGGen, eq. 5, 6).

    Eq. 6 has the target −ε/σ, the score of a Gaussian. On a crystal's torus the transition kernel
    is the Gaussian wrapped by the lattice, whose score is
    :func:`~gencsp.diffusion.wrapped.wrapped_normal_score`: the same at small σ, and zero as the
    kernel becomes uniform at large σ. Multiplied by σ it is of order one at every level.

    The crystals' origins are arbitrary, so the marginal score has no mean over a crystal; the mean
    of the conditional score is noise that can only be averaged out, and is taken off the target,
    which leaves the minimiser of the loss the same.
    """
    noise = torch.as_tensor(rng.standard_normal(tuple(clean.positions.shape)))
    level = sigma[clean.owner][:, None]
    displacement = level * noise
    score = wrapped_normal_score(displacement, clean.cells, clean.owner, sigma)
    target = remove_mean(level * score, clean.owner, clean.n_crystals)
    return NoisyBatch(clean.with_positions(clean.positions + displacement), sigma, target)


def score_matching_loss(network: nn.Module, noisy: NoisyBatch, device: torch.device) -> Tensor:
    """Mean squared error of σ·score over atoms, one value for each crystal, shape (b,).

    1 means nothing learned at small σ (the target has unit variance, less 1/N for its mean).
    """
    local = noisy.crystals.to(dtype=torch.float32, device=device)
    out = network(local, noisy.sigma.to(dtype=torch.float32, device=device))
    out = remove_mean(out.float(), local.owner, local.n_crystals)
    error = (out - noisy.target.to(out)).square().sum(1) / 3
    return mean_over_atoms(error, local.owner, local.sizes)


#: Edges of the validation bands, Å.
BANDS: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 2.0, 5.0)


@torch.no_grad()
def validate(
    network: nn.Module,
    crystals: CrystalSet,
    *,
    bands: Sequence[float] = BANDS,
    batch_size: int = 64,
    seed: int = 0,
    device: torch.device | None = None,
) -> dict[str, float]:
    """Loss by noise band, σ log-uniform within a band, and the loss of predicting zero.

    The same seed noises the same crystals in the same way, so curves can be compared.

    Returns:
        ``{"0.03-0.1": loss, ..., "mean": mean over bands, "zero/0.03-0.1": loss of zero, ...}``.
    """
    device = device or torch.device("cpu")
    losses: dict[str, float] = {}
    for k, (low, high) in enumerate(pairwise(bands)):
        rng = np.random.default_rng([seed, k])
        values, zeros = [], []
        for indices in in_batches(len(crystals), batch_size):
            clean = crystals.batch(indices)
            sigma = torch.as_tensor(
                np.exp(rng.uniform(np.log(low), np.log(high), clean.n_crystals))
            )
            noisy = add_noise(clean, sigma, rng)
            values.append(score_matching_loss(network, noisy, device).cpu())
            zeros.append(noisy.target.square().mean().expand(clean.n_crystals))
        losses[f"{low:g}-{high:g}"] = float(torch.cat(values).mean())
        losses[f"zero/{low:g}-{high:g}"] = float(torch.cat(zeros).mean())
    losses["mean"] = float(np.mean([v for key, v in losses.items() if "/" not in key]))
    return losses
