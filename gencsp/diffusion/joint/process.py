"""The forward process: masks over species, a wrapped normal on coordinates, a normal on lattices.

Time t runs from 0 (data) to 1 (noise), and any number of steps may sample it.

- Fractional coordinates: f_t = f_0 + σ(t)·ε modulo 1, σ geometric between 0.005 and 0.5 (DiffCSP,
  Jiao et al., 2023, Section 4.2, eq. 8 and Appendix B.1). Score matching on the torus.
- Lattice: k_t = α(t)·k_0 + s(t)·ε, α² + s² = 1, on the six standardised numbers of
  :mod:`gencsp.diffusion.joint.shape` (DDPM). s/α is geometric in t², so that the cell loses its
  noise before the coordinates do. With DiffCSP's cosine schedule the cell is still strained by a
  tenth when the coordinates have to be right to a fiftieth, so they fit a distorted crystal.
- Species: each is hidden with probability t, independently of the others (D3PM with an absorbing
  state, Austin et al., 2021, as in MatterGen). Which atoms are hidden is independent of their
  species, so one network serves both a given composition, with none hidden, and de novo generation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gencsp.deck import Positive, check_fields
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.wrapped import wrapped_score
from gencsp.errors import RequestError

#: Atomic number that stands for a hidden species.
HIDDEN = 0


@dataclass(frozen=True, slots=True)
class JointState:
    """Noisy crystals of one batch, atoms one after another.

    Attributes:
        numbers: atomic numbers, :data:`HIDDEN` where hidden, shape (n,), int64.
        frac: fractional coordinates, shape (n, 3).
        shape: standardised lattices, shape (b, 6).
        owner: crystal of each atom, shape (n,), int64, ascending.
        sizes: atoms of each crystal, shape (b,), int64.
    """

    numbers: Tensor
    frac: Tensor
    shape: Tensor
    owner: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, batch: CrystalBatch, scale: LatticeScale) -> Self:
        """Clean crystals as a state."""
        inverse = torch.linalg.inv(batch.cells)
        frac = (batch.positions[:, None] @ inverse[batch.owner])[:, 0]
        sizes = batch.sizes
        return cls(batch.numbers, frac, scale.encode(batch.cells, sizes), batch.owner, sizes)

    def crystals(self, scale: LatticeScale) -> CrystalBatch:
        """As Cartesian crystals in the frame where the cell is a symmetric matrix."""
        cells = scale.decode(self.shape, self.sizes).to(self.frac)
        frac = self.frac - torch.floor(self.frac)
        positions = (frac[:, None] @ cells[self.owner])[:, 0]
        return CrystalBatch(self.numbers, positions, cells, self.owner)

    def to(self, *, dtype: torch.dtype, device: torch.device) -> Self:
        """Copy with another floating-point type or on another device."""
        return replace(
            self,
            numbers=self.numbers.to(device=device),
            frac=self.frac.to(dtype=dtype, device=device),
            shape=self.shape.to(dtype=dtype, device=device),
            owner=self.owner.to(device=device),
            sizes=self.sizes.to(device=device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JointProcess:
    """Noise as a function of time.

    Attributes:
        scale: standardisation of the lattices.
        sigma_min, sigma_max: of the fractional coordinates, no unit.
        ratio_min, ratio_max: s/α of the standardised lattice at t = 0 and 1.
        lead: exponent of t in this ratio; above 1 the lattice loses its noise before the
            coordinates.
    """

    scale: LatticeScale
    sigma_min: Positive = 0.005
    sigma_max: Positive = 0.5
    ratio_min: Positive = 0.01
    ratio_max: Positive = 50.0
    lead: Positive = 2.0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.sigma_min > self.sigma_max or self.ratio_min > self.ratio_max:
            raise RequestError("sigma_min and ratio_min must not be above sigma_max and ratio_max.")

    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of fractional coordinates at times t."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** t

    def alpha(self, t: Tensor) -> Tensor:
        """Factor of the clean lattice at times t."""
        return torch.rsqrt(1 + self._ratio(t).square())

    def spread(self, t: Tensor) -> Tensor:
        """Standard deviation of the lattice noise at times t: √(1 − α²)."""
        return self._ratio(t) * self.alpha(t)

    def _ratio(self, t: Tensor) -> Tensor:
        return self.ratio_min * (self.ratio_max / self.ratio_min) ** (t**self.lead)


@dataclass(frozen=True, slots=True)
class Noised:
    """A noisy state, its times, shape (b,), and the targets of the network.

    Attributes:
        state: noisy crystals.
        t: times, shape (b,).
        score: σ·∇ log p of the fractional coordinates, without its mean, shape (n, 3).
        velocity: α·ε − s·k_0, shape (b, 6).
        numbers: species before any was hidden, shape (n,).
    """

    state: JointState
    t: Tensor
    score: Tensor
    velocity: Tensor
    numbers: Tensor


def add_noise(
    clean: JointState,
    t: Tensor,
    hide: Tensor,
    process: JointProcess,
    rng: np.random.Generator,
) -> Noised:
    """Run the forward process to times t.

    Args:
        clean: crystals.
        t: times, shape (b,), float64.
        hide: probability that a species is hidden, shape (b,); zero for a given composition.
        process: the noise levels.
        rng: generator.
    """
    eps = torch.as_tensor(rng.standard_normal(tuple(clean.frac.shape)))
    sigma = process.sigma(t)[clean.owner][:, None]
    frac = clean.frac + sigma * eps
    score = sigma * wrapped_score(sigma * eps, sigma)
    score = without_mean(score, clean.owner, clean.sizes)
    noise = torch.as_tensor(rng.standard_normal(tuple(clean.shape.shape)))
    alpha, spread = process.alpha(t)[:, None], process.spread(t)[:, None]
    shape = alpha * clean.shape + spread * noise
    velocity = alpha * noise - spread * clean.shape
    hidden = torch.as_tensor(rng.random(len(clean.owner))) < hide[clean.owner]
    numbers = torch.where(hidden, HIDDEN, clean.numbers)
    state = replace(clean, numbers=numbers, frac=frac, shape=shape)
    return Noised(state, t, score, velocity, clean.numbers)


def without_mean(vectors: Tensor, owner: Tensor, sizes: Tensor) -> Tensor:
    """Per-atom vectors, shape (n, 3), less their mean over each crystal (the origin is free)."""
    sums = vectors.new_zeros(len(sizes), vectors.shape[1]).index_add(0, owner, vectors)
    return vectors - (sums / sizes.to(vectors)[:, None])[owner]


def denoised_shape(velocity: Tensor, shape: Tensor, t: Tensor, process: JointProcess) -> Tensor:
    """Lattice expected at time zero, α·k_t − s·v, standardised, shape (b, 6)."""
    return process.alpha(t)[:, None] * shape - process.spread(t)[:, None] * velocity
