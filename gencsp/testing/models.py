"""Score models that are known exactly, for tests of samplers, calculators and other code.

They obey the :class:`~gencsp.diffusion.batch.ScoreModel` protocol and need no weights, so that
third parties can test on them too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.errors import RequestError

#: Terms of a wrapped normal below exp(−TAIL) are left out.
TAIL = 30.0


def _triples(counts: Tensor, like: Tensor) -> Tensor:
    axes = [torch.arange(-n, n + 1, dtype=like.dtype) for n in counts.to(torch.int64).tolist()]
    return torch.cartesian_prod(*axes)


def wrapped_normal(displacement: Tensor, cell: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Log-density and score of an isotropic normal wrapped on a lattice.

    The sum over lattice vectors where σ is small against the cell, else its Poisson dual over
    reciprocal lattice vectors. The log-density is differentiable in ``displacement``.

    Args:
        displacement: Δ in Å, shape (..., 3).
        cell: lattice vectors as rows in Å, shape (3, 3).
        variance: σ² in Å².

    Returns:
        log p(Δ) in log(Å⁻³), shape (...), and ∇ log p(Δ) in 1/Å, shape (..., 3).
    """
    inverse = torch.linalg.inv(cell)
    delta = displacement - torch.round((displacement @ inverse).detach()) @ cell
    sigma = math.sqrt(variance)
    lengths = torch.linalg.norm(cell, dim=1)
    volume = float(torch.linalg.det(cell).abs())
    if sigma < 0.4 * volume ** (1 / 3):
        heights = 1.0 / torch.linalg.norm(inverse, dim=0)
        signs = torch.tensor([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]]).to(cell)
        # Half the longest diagonal bounds |Δ|, and so the distance of the nearest image.
        farthest = float(torch.linalg.norm(signs @ cell, dim=1).max()) / 2
        reach = math.sqrt(farthest**2 + 2 * TAIL * variance)
        images = _triples(torch.floor(reach / heights + 0.5), cell) @ cell
        images = images[torch.linalg.norm(images, dim=1) <= farthest + reach]
        squares = (delta[..., None, :] - images).square().sum(-1)
        log_terms = -squares / (2 * variance)
        log_density = torch.logsumexp(log_terms, dim=-1) - 1.5 * math.log(2 * math.pi * variance)
        return log_density, (torch.softmax(log_terms, dim=-1) @ images - delta) / variance
    counts = torch.ceil(math.sqrt(2 * TAIL) * lengths / (2 * math.pi * sigma))
    waves = 2 * math.pi * _triples(counts, cell) @ inverse.T
    waves = waves[waves.square().sum(-1) * variance / 2 <= TAIL]
    decay = torch.exp(-waves.square().sum(-1) * variance / 2) / volume
    phase = delta @ waves.T
    density = (decay * torch.cos(phase)).sum(-1)
    return torch.log(density), -(decay * torch.sin(phase)) @ waves / density[..., None]


@dataclass(frozen=True, eq=False)
class WrappedMixture:
    """A mixture of whole configurations, each with Gaussian noise on every atom, on one lattice.

        p(x) = Σ_k w_k Π_i WN(x_i; sites[k, i], spread[k]²)

    Noise of level σ turns spread² into spread² + σ², so the score is exact at every σ. Atoms depend
    on each other through the component k: given where a host atom is, the weights of the
    components, and so the places of the guests, are known (:meth:`component_weights`).

    Attributes:
        cell: lattice vectors as rows in Å, shape (3, 3).
        sites: Cartesian positions in Å, shape (k, n, 3).
        weights: probability of each component, shape (k,), summing to 1.
        spread: standard deviation of each component in Å, shape (k,), above zero.
        sigma_min, sigma_max, digest: as the protocol asks.
    """

    cell: Tensor
    sites: Tensor
    weights: Tensor
    spread: Tensor
    sigma_min: float = 0.001
    sigma_max: float = 10.0
    digest: str = "wrapped-mixture"

    @classmethod
    def around(
        cls,
        configurations: list[Atoms],
        *,
        spread: float | list[float],
        weights: list[float] | None = None,
        sigma_max: float = 10.0,
    ) -> WrappedMixture:
        """Mixture around configurations that share one cell; weights are equal by default."""
        n = len(configurations)
        share = np.full(n, 1 / n) if weights is None else np.asarray(weights) / np.sum(weights)
        return cls(
            torch.from_numpy(np.array(configurations[0].cell.array)),
            torch.from_numpy(np.stack([a.positions for a in configurations])),
            torch.from_numpy(share),
            torch.as_tensor(spread, dtype=torch.float64).expand(n).clone(),
            sigma_max=sigma_max,
        )

    def component_log_densities(
        self, positions: Tensor, sigma: float, atoms: Tensor | None = None
    ) -> Tensor:
        """log w_k + log p_σ(x | k), shape (b, k), of configurations (b, n, 3).

        ``atoms`` (bool, shape (n,)) restricts it to the marginal of some atoms.
        """
        densities, _ = self._components(positions, sigma)
        chosen = densities if atoms is None else densities[..., atoms]
        return torch.log(self.weights) + chosen.sum(-1)

    def _components(self, positions: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """Log-density (b, k, n) and score (b, k, n, 3) of every atom in every component."""
        parts = [
            wrapped_normal(positions - site, self.cell, float(spread) ** 2 + sigma**2)
            for site, spread in zip(self.sites, self.spread, strict=True)
        ]
        return torch.stack([p[0] for p in parts], dim=1), torch.stack([p[1] for p in parts], dim=1)

    def log_density(self, positions: Tensor, sigma: float) -> Tensor:
        """log p_σ(x) of configurations (b, n, 3), shape (b,)."""
        return torch.logsumexp(self.component_log_densities(positions, sigma), dim=-1)

    def component_weights(
        self, positions: Tensor, sigma: float, atoms: Tensor | None = None
    ) -> Tensor:
        """p(k | x) of configurations (b, n, 3), or given only ``atoms`` of them; shape (b, k)."""
        return torch.softmax(self.component_log_densities(positions, sigma, atoms), dim=-1)

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """∇ log p_σ(x) = Σ_k p(k | x) ∇ log p_σ(x | k), in 1/Å, shape (n, 3)."""
        x = batch.positions.to(torch.float64).reshape(batch.n_crystals, -1, 3)
        if x.shape[1] != self.sites.shape[1]:
            raise RequestError(f"The mixture has {self.sites.shape[1]} atoms, not {x.shape[1]}.")
        total = torch.zeros_like(x)
        for level in torch.unique(sigma).tolist():
            rows = sigma == level
            densities, scores = self._components(x[rows], level)
            share = torch.softmax(torch.log(self.weights) + densities.sum(-1), dim=-1)
            total[rows] = (share[:, :, None, None] * scores).sum(1)
        return total.reshape(-1, 3).to(batch.positions.dtype)


@dataclass(frozen=True, eq=False)
class BySize:
    """Different known models for crystals of different numbers of atoms, for mixed batches."""

    models: Mapping[int, WrappedMixture]
    sigma_min: float = 0.001
    sigma_max: float = 10.0
    digest: str = "by-size"

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """Score of each crystal from the model of its size, in 1/Å, shape (n, 3)."""
        sizes = batch.sizes.tolist()
        parts = zip(torch.split(batch.positions, sizes), batch.cells, sizes, sigma, strict=True)
        scores = [
            self.models[n].score(
                CrystalBatch(
                    torch.zeros(n, dtype=torch.int64),
                    positions,
                    cell[None],
                    torch.zeros(n, dtype=torch.int64),
                ),
                level[None],
            )
            for positions, cell, n, level in parts
        ]
        return torch.cat(scores)
