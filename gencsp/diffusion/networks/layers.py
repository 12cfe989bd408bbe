"""Pieces that the score networks share: embeddings, radial bases, real spherical harmonics."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Rows of element embeddings: atomic numbers up to Pu, row 0 unused.
N_ELEMENTS = 95


class NoiseEmbedding(nn.Module):
    """Features of a noise level: sines and cosines of ln σ, then two linear layers."""

    frequencies: Tensor

    def __init__(self, channels: int, n_frequencies: int = 16) -> None:
        super().__init__()
        frequencies = 2.0 ** torch.linspace(-2.0, 3.0, n_frequencies)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * n_frequencies, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, sigma: Tensor) -> Tensor:
        """σ in Å, shape (b,), to features of shape (b, channels)."""
        phase = torch.log(sigma)[:, None] * self.frequencies
        out: Tensor = self.mlp(torch.cat((torch.sin(phase), torch.cos(phase)), 1))
        return out


def time_features(t: Tensor, n: int) -> Tensor:
    """Sines and cosines of time steps (Ho et al., 2020), shape (b,) to (b, n), n even."""
    rates = torch.exp(torch.linspace(0, -math.log(10_000), n // 2, dtype=t.dtype, device=t.device))
    phase = t[:, None] * rates
    return torch.cat((torch.sin(phase), torch.cos(phase)), 1)


def cutoff_envelope(x: Tensor) -> Tensor:
    """Polynomial envelope of DimeNet (Gasteiger et al., 2020, eq. 8, p = 5) of x = d / r_c < 1."""
    x5 = x**5
    return 1 - 21 * x5 + 35 * x5 * x - 15 * x5 * x * x


def radial_basis(distance: Tensor, cutoff: Tensor, n_basis: int, longest: float = 9.0) -> Tensor:
    """Gaussians on a grid that is denser at short distances, times the cutoff envelope.

    Args:
        distance: Å, shape (e,).
        cutoff: Å, shape (e,).
        n_basis: number of Gaussians, centred evenly in √d between 0.5 Å and ``longest``.
        longest: centre of the last Gaussian, Å.

    Returns:
        shape (e, n_basis).
    """
    low, high = math.sqrt(0.5), math.sqrt(longest)
    step = (high - low) / (n_basis - 1)
    centres = torch.linspace(low, high, n_basis, dtype=distance.dtype, device=distance.device)
    gaussians = torch.exp(-(((torch.sqrt(distance)[:, None] - centres) / step) ** 2))
    return gaussians * cutoff_envelope(distance / cutoff)[:, None]


def spherical_harmonics(unit: Tensor) -> Tensor:
    """Real l = 0, 1, 2 harmonics of unit vectors, shape (e, 3) to (e, 9).

    l = 1 is the vector itself; l = 2 the components (xy, yz, zx, xx−yy, 2zz−xx−yy) of the
    traceless tensor, scaled so that each l has squared norm 1 on the sphere.
    """
    x, y, z = unit.unbind(1)
    s3 = math.sqrt(3.0)
    return torch.stack(
        (
            torch.ones_like(x),
            x,
            y,
            z,
            s3 * x * y,
            s3 * y * z,
            s3 * z * x,
            0.5 * s3 * (x * x - y * y),
            0.5 * (2 * z * z - x * x - y * y),
        ),
        1,
    )


def matrix_times_vector(l2: Tensor, l1: Tensor) -> Tensor:
    """Product of a traceless symmetric tensor with a vector, both by channel.

    Args:
        l2: l = 2 components in the order of :func:`spherical_harmonics`, shape (n, 5, c).
        l1: vectors, shape (n, 3, c).

    Returns:
        vectors, shape (n, 3, c).
    """
    s3 = math.sqrt(3.0)
    xy, yz, zx, d, z2 = (component / s3 for component in l2.unbind(1))
    # xx−yy = 2d and 2zz−xx−yy = 2√3·z2 (after the division above), with zero trace.
    third = z2 / s3
    xx, yy, zz = d - third, -d - third, 2 * third
    x, y, z = l1.unbind(1)
    return torch.stack(
        (xx * x + xy * y + zx * z, xy * x + yy * y + yz * z, zx * x + yz * y + zz * z), 1
    )


def normalise_vectors(vectors: Tensor) -> Tensor:
    """Divide an atom's vectors, shape (n, 3, c), by their root-mean-square length where above 1."""
    return vectors * torch.rsqrt(1 + vectors.square().sum(1, keepdim=True).mean(2, keepdim=True))


#: σ·score of a Gaussian in three dimensions exceeds this length about once in 10^13 atoms.
LONGEST = 8.0


def bounded(vectors: Tensor) -> Tensor:
    """Shorten vectors, shape (n, 3), smoothly to at most :data:`LONGEST`."""
    return vectors * torch.rsqrt(1 + vectors.square().sum(1, keepdim=True) / LONGEST**2)
