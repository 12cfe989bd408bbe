"""Denoising score matching on the crystal's torus, and its validation by noise band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.deck import NonNegative, Positive, Share, check_fields
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.wrapped import remove_mean, wrapped_normal_score
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevels:
    """How σ is drawn in training.

    CHGGen draws σ uniformly from [σ_min, σ_max]. The levels that matter most are those at which
    atoms find their sites (0.05 to 1.5 Å), but a uniform draw up to several Å rarely takes them; as
    in EDM (Karras et al., 2022, Table 1) most draws are therefore log-normal about there, and the
    rest log-uniform, so that no level is left untrained.

    Attributes:
        low, high: σ_min and σ_max, Å.
        centre: median of the log-normal part, Å.
        width: its standard deviation in ln σ.
        uniform_share: share of the log-uniform draws.
    """

    low: Positive = 0.001
    high: Positive = 5.0
    centre: Positive = 0.35
    width: NonNegative = 1.1
    uniform_share: Share = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        if self.low > self.high:
            raise RequestError(f"high is {self.high} Å: it must be above low, {self.low} Å.")

    def draw(self, n: int, rng: np.random.Generator) -> Tensor:
        """n noise levels in Å, shape (n,), float64."""
        uniform = rng.uniform(np.log(self.low), np.log(self.high), n)
        normal = rng.normal(np.log(self.centre), self.width, n)
        pick = rng.random(n) < self.uniform_share
        return torch.as_tensor(np.exp(np.where(pick, uniform, normal)).clip(self.low, self.high))


class Objective(Protocol):
    """What a training run minimises, and how it is validated.

    ``loss`` is one value for each crystal of ``indices``, shape (b,), a function of nothing but its
    arguments; ``describe`` is what a checkpoint holds of it, with its ``kind``.
    """

    kind: ClassVar[str]

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
    ) -> Tensor:
        """One value for each crystal of ``indices``, shape (b,)."""
        ...

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """Validation losses by name, the same for the same ``seed``."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a checkpoint holds of the objective, with its ``kind``."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreObjective:
    """Denoising score matching of positions, at given cells and species."""

    noise: NoiseLevels = NoiseLevels()

    kind: ClassVar[str] = "score"

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
    ) -> Tensor:
        """See :class:`Objective`."""
        clean = crystals.batch(indices)
        noisy = add_noise(clean, self.noise.draw(clean.n_crystals, rng), rng)
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
    total = error.new_zeros(local.n_crystals).index_add(0, local.owner, error)
    return total / local.sizes.to(total.dtype)


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
        for start in range(0, len(crystals), batch_size):
            clean = crystals.batch(np.arange(start, min(start + batch_size, len(crystals))))
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
