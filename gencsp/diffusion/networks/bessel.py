"""Spherical Bessel functions, and the radial bases of DimeNet and GemNet."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import spherical_jn
from torch import Tensor, nn

#: Shortest distance that radial functions tell apart, as a share of the cutoff.
SHORTEST = 0.05


def envelope(x: Tensor, exponent: int = 5) -> Tensor:
    """DimeNet's envelope over x, u(x)/x, zero from x = 1 on.

    Gasteiger et al. (2020), eq. 8, whose p is one more than ``exponent`` (as in its programs).
    """
    p = exponent + 1
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    value = 1 / x + a * x ** (p - 1) + b * x**p + c * x ** (p + 1)
    return torch.where(x < 1, value, torch.zeros_like(value))


class BesselBasis(nn.Module):
    """u(x)/x · sin(f_n x), x = d/cutoff: DimeNet's radial basis, eq. 7, with learned f_n = nπ."""

    def __init__(self, n_radial: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.freq = nn.Parameter(math.pi * torch.arange(1, n_radial + 1).float())

    def forward(self, distance: Tensor) -> Tensor:
        """Å, shape (e,), to (e, n_radial)."""
        x = (distance / self.cutoff).clamp(min=SHORTEST)[:, None]
        out: Tensor = envelope(x) * torch.sin(self.freq * x)
        return out


@lru_cache(maxsize=8)
def bessel_roots(n_spherical: int, n_radial: int) -> tuple[tuple[float, ...], ...]:
    """The first roots z_ln of the spherical Bessel functions j_l, rows l < n_spherical."""
    rows = [np.arange(1, n_radial + n_spherical) * np.pi]
    for degree in range(1, n_spherical):
        # Roots of j_l lie between those of j_(l-1).
        before = rows[-1]
        found = [
            brentq(lambda x, m=degree: spherical_jn(m, x), low, high)
            for low, high in pairwise(before)
        ]
        rows.append(np.array(found))
    return tuple(tuple(map(float, row[:n_radial])) for row in rows)


@torch.no_grad()
def spherical_bessel_basis(
    distance: Tensor, *, cutoff: float, n_spherical: int, n_radial: int
) -> Tensor:
    """u(x)/x · N_ln j_l(z_ln x) √((2l + 1)/4π), x = d/cutoff, shape (e, n_spherical, n_radial).

    The radial part of DimeNet's eq. 6, with the factor of Y_l0 beside its Legendre polynomial. It
    is computed in double precision (j_6 of a short distance is a difference of large numbers), and
    has no gradient, because nothing in it is learned.

    Args:
        distance: Å, shape (e,).
        cutoff: Å.
        n_spherical: number of l.
        n_radial: number of roots of each.
    """
    roots = np.array(bessel_roots(n_spherical, n_radial))
    x = (distance.double() / cutoff).clamp(min=SHORTEST)
    rows = []
    for degree, root in enumerate(roots):
        norm = np.sqrt(2.0) / np.abs(spherical_jn(degree + 1, root))
        norm *= math.sqrt((2 * degree + 1) / (4 * math.pi))
        value = _spherical_bessel(degree, x[:, None] * x.new_tensor(root))
        rows.append(value * x.new_tensor(norm))
    return (torch.stack(rows, 1) * envelope(x)[:, None, None]).to(distance.dtype)


def _spherical_bessel(degree: int, x: Tensor) -> Tensor:
    """j_l(x) by upward recurrence from j_0 and j_1."""
    before, now = torch.sin(x) / x, torch.sin(x) / x**2 - torch.cos(x) / x
    if degree == 0:
        return before
    for m in range(1, degree):
        before, now = now, (2 * m + 1) / x * now - before
    return now
