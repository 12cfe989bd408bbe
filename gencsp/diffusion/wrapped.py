"""The wrapped normal distribution on a crystal's torus: density of noised atoms, and its score.

An atom moved by Gaussian noise of standard deviation σ in a periodic cell is seen modulo the
lattice. The density of its displacement Δ is therefore the sum over lattice vectors T

    p(Δ) = Σ_T N(Δ − T; 0, σ²I)                                                       (direct)
         = V⁻¹ Σ_G exp(−σ²|G|²/2) cos(G·Δ)                                              (dual)

with G the reciprocal lattice vectors (Poisson summation). The direct sum converges fast where σ is
small against the cell, the dual sum where it is large; each crystal takes the shorter one.
In one dimension this is the distribution of De Bortoli et al. (2022) and of DiffCSP (Jiao et al.,
2023), here isotropic in Cartesian space on any cell; :func:`wrapped_score` is theirs, on a circle.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Terms are dropped where their weight is below exp(−TAIL) of the largest.
TAIL = 30.0


def _axis_counts(reach: Tensor, spacing: Tensor) -> Tensor:
    return torch.floor(reach / spacing + 0.5)


def _grid(counts: Tensor) -> tuple[Tensor, Tensor]:
    """All integer triples within ±counts, one block for each row; returns triples and their row."""
    blocks = [
        torch.cartesian_prod(*(torch.arange(-n, n + 1, device=counts.device) for n in row))
        for row in counts.to(torch.int64).tolist()
    ]
    sizes = torch.tensor([len(block) for block in blocks], device=counts.device)
    rows = torch.repeat_interleave(torch.arange(len(blocks), device=counts.device), sizes)
    return torch.cat(blocks), rows


def _pairs(owner: Tensor, rows: Tensor, n_crystals: int) -> tuple[Tensor, Tensor]:
    """Index pairs (atom, term) of every atom with every term of its own crystal."""
    n_terms = torch.bincount(rows, minlength=n_crystals)
    first = torch.cumsum(n_terms, 0) - n_terms
    repeats = n_terms[owner]
    atom = torch.repeat_interleave(torch.arange(len(owner), device=owner.device), repeats)
    start = torch.cumsum(repeats, 0) - repeats
    within = torch.arange(len(atom), device=owner.device) - start[atom]
    return atom, first[owner[atom]] + within


def wrapped_normal_score(
    displacement: Tensor, cells: Tensor, owner: Tensor, sigma: Tensor
) -> Tensor:
    """Score ∇_Δ log p(Δ) of the wrapped normal, in 1/Å, exact to about exp(−TAIL).

    Args:
        displacement: Cartesian displacements in Å, shape (n, 3); any lattice vector may be added.
        cells: lattice vectors as rows in Å, shape (b, 3, 3).
        owner: crystal of each atom, shape (n,).
        sigma: noise level of each crystal in Å, shape (b,).

    Returns:
        Score, shape (n, 3), in the dtype of ``displacement``; computed in float64.
    """
    dtype = displacement.dtype
    cells, sigma = cells.double(), sigma.double()
    inverse = torch.linalg.inv(cells)
    frac = (displacement.double()[:, None] @ inverse[owner])[:, 0]
    frac = frac - torch.round(frac)
    delta = (frac[:, None] @ cells[owner])[:, 0]

    heights = 1.0 / torch.linalg.norm(inverse, dim=1)
    farthest = torch.zeros_like(sigma).scatter_reduce(0, owner, delta.square().sum(1), "amax")
    reach = torch.sqrt(farthest + 2 * TAIL * sigma.square())
    direct = _axis_counts(reach[:, None], heights)
    lengths = torch.linalg.norm(cells, dim=2)
    dual = torch.ceil(math.sqrt(2 * TAIL) * lengths / (2 * math.pi * sigma[:, None]))
    use_direct = (2 * direct + 1).prod(1) <= (2 * dual + 1).prod(1)

    score = torch.zeros_like(delta)
    for chosen, function, counts in (
        (use_direct, _direct_score, direct),
        (~use_direct, _dual_score, dual),
    ):
        atoms = torch.nonzero(chosen[owner])[:, 0]
        if len(atoms):
            crystals = torch.nonzero(chosen)[:, 0]
            local = torch.cumsum(chosen.to(torch.int64), 0)[owner[atoms]] - 1
            score[atoms] = function(
                delta[atoms], cells[crystals], local, sigma[crystals], counts[crystals]
            )
    return score.to(dtype)


def _direct_score(
    delta: Tensor, cells: Tensor, owner: Tensor, sigma: Tensor, counts: Tensor
) -> Tensor:
    triples, rows = _grid(counts)
    vectors = (triples.double()[:, None] @ cells[rows])[:, 0]
    atom, term = _pairs(owner, rows, len(cells))
    shifted = delta[atom] - vectors[term]
    logits = -shifted.square().sum(1) / (2 * sigma[owner[atom]].square())
    top = torch.full((len(delta),), -torch.inf, dtype=delta.dtype, device=delta.device)
    top = top.scatter_reduce(0, atom, logits, "amax")
    weight = torch.exp(logits - top[atom])
    total = torch.zeros_like(top).index_add(0, atom, weight)
    mean = torch.zeros_like(delta).index_add(0, atom, weight[:, None] * shifted) / total[:, None]
    return -mean / sigma[owner].square()[:, None]


def _dual_score(
    delta: Tensor, cells: Tensor, owner: Tensor, sigma: Tensor, counts: Tensor
) -> Tensor:
    triples, rows = _grid(counts)
    reciprocal = 2 * math.pi * torch.linalg.inv(cells).transpose(1, 2)
    vectors = (triples.double()[:, None] @ reciprocal[rows])[:, 0]
    decay = torch.exp(-sigma[rows].square() * vectors.square().sum(1) / 2)
    atom, term = _pairs(owner, rows, len(cells))
    phase = (delta[atom] * vectors[term]).sum(1)
    density = torch.zeros(len(delta), dtype=delta.dtype, device=delta.device)
    density = density.index_add(0, atom, decay[term] * torch.cos(phase))
    slope = (decay[term] * torch.sin(phase))[:, None] * vectors[term]
    return -torch.zeros_like(delta).index_add(0, atom, slope) / density[:, None]


def wrapped_score(displacement: Tensor, sigma: Tensor) -> Tensor:
    """∇ log Σ_m N(d − m; 0, σ²) of displacements on the unit circle, any shape.

    The explicit mixture where σ is small, its Fourier series where it is large; both are exact to
    1e-12 where they are used.
    """
    d = displacement - torch.round(displacement)
    direct = torch.zeros_like(d)
    weight = torch.zeros_like(d)
    for m in range(-3, 4):
        term = torch.exp(-((d - m) ** 2) / (2 * sigma**2) + d**2 / (2 * sigma**2))
        weight = weight + term
        direct = direct - term * (d - m) / sigma**2
    density = torch.ones_like(d)
    slope = torch.zeros_like(d)
    for n in range(1, 6):
        decay = 2 * torch.exp(-2 * (math.pi * n * sigma) ** 2)
        density = density + decay * torch.cos(2 * math.pi * n * d)
        slope = slope - decay * 2 * math.pi * n * torch.sin(2 * math.pi * n * d)
    return torch.where(sigma < 0.3, direct / weight, slope / density)


def remove_mean(vectors: Tensor, owner: Tensor, n_crystals: int) -> Tensor:
    """Subtract from per-atom vectors, shape (n, 3), their mean over each crystal."""
    sums = vectors.new_zeros(n_crystals, 3).index_add(0, owner, vectors)
    sizes = torch.bincount(owner, minlength=n_crystals).clamp(min=1).to(vectors.dtype)
    return vectors - (sums / sizes[:, None])[owner]
