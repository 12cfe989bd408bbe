"""Reverse steps of fractional coordinates, from time step t to s < t.

All of them take the noise ε_θ that the network finds in r_t, and s may be more than one step
before t (then α_t stands for ᾱ_t/ᾱ_s, as in DDIM). In each of them

    r̂_0 = (r_t − √(1 − ᾱ_t) ε_θ) / √ᾱ_t

is the structure that the network sees behind the noise.

- :func:`ancestral`, eq. 6, draws from the posterior q(r_s | r_t, r̂_0) of the forward process (Ho et
  al., 2020). It keeps the noise at the level of the forward process: r_s has the distribution that
  the network was trained on at s. Coordinates are not wrapped, because the forward process is not.
- :func:`modified`, eq. 7, puts the crystal at r̂_0 itself and adds noise of the posterior's
  variance σ_t² alone. It is no posterior of the forward process: that has the mean √ᾱ_s·β_t/(1 −
  ᾱ_t)·r̂_0 + √α_t·(1 − ᾱ_s)/(1 − ᾱ_t)·r_t, whose weight on r̂_0 is of the order of β_t for most of
  the way, and here it is one. The r_s that comes out has noise of σ_t ≈ √β_t < 0.1 and is not
  shrunk by √ᾱ_s, where the network expects √(1 − ᾱ_s), up to 0.99. What it does is therefore to
  repeat "denoise at once, shake a little": the map r → r̂_0(r, t) is iterated at falling t, and
  σ_t is a small temperature that keeps it from resting where the map has a false fixed point. It
  works where the network's r̂_0 is trustworthy also off the distribution it was trained on, as
  when z holds the structure, and its results are sharper and less diverse than the posterior's.
  Wrapping at every step takes back what 1/√ᾱ_t throws out of the cell.
- :func:`renewing` is what gencsp's other samplers do, with a share of the noise drawn anew
  (DDIM, eq. 12): r_s = √ᾱ_s r̂_0 + √(1 − ᾱ_s)(√(1 − share)·ε_θ + √share·ε'). At a share of one it is
  nearest to eq. 7: both forget r_t and keep r̂_0 alone. Renewal noises it again to the level of s,
  eq. 7 does not.
"""

from __future__ import annotations

import math

from torch import Tensor

from gencsp.diffusion.noise import renewed


def posterior_variance(alpha_bar: float, alpha_bar_next: float) -> float:
    """σ_t² = (1 − ᾱ_s)(1 − ᾱ_t/ᾱ_s)/(1 − ᾱ_t) (eq. 5); 0 for the step to s = 0."""
    return (1 - alpha_bar_next) * (1 - alpha_bar / alpha_bar_next) / (1 - alpha_bar)


def denoised(frac: Tensor, noise: Tensor, alpha_bar: float) -> Tensor:
    """r̂_0 of coordinates r_t and their noise ε_θ, both (n, 3)."""
    return (frac - math.sqrt(1 - alpha_bar) * noise) / math.sqrt(alpha_bar)


def ancestral(
    frac: Tensor, noise: Tensor, fresh: Tensor, alpha_bar: float, alpha_bar_next: float
) -> Tensor:
    """Eq. 6: a draw from the posterior of the forward process.

    Args:
        frac: r_t, not wrapped, shape (n, 3).
        noise: ε_θ, shape (n, 3).
        fresh: ε', standard normal, shape (n, 3).
        alpha_bar: ᾱ_t.
        alpha_bar_next: ᾱ_s, 1 at s = 0.

    Returns:
        r_s, not wrapped, shape (n, 3).
    """
    alpha = alpha_bar / alpha_bar_next
    mean = (frac - (1 - alpha) / math.sqrt(1 - alpha_bar) * noise) / math.sqrt(alpha)
    return mean + math.sqrt(posterior_variance(alpha_bar, alpha_bar_next)) * fresh


def modified(
    frac: Tensor, noise: Tensor, fresh: Tensor, alpha_bar: float, alpha_bar_next: float
) -> Tensor:
    """Eq. 7: r̂_0 and noise of the posterior's variance; see the module for what it does.

    Args:
        frac: r_ft, wrapped into the cell, shape (n, 3).
        noise: ε_θ, shape (n, 3).
        fresh: ε', standard normal, shape (n, 3).
        alpha_bar: ᾱ_t.
        alpha_bar_next: ᾱ_s.

    Returns:
        r_s, shape (n, 3), to be wrapped before the next step.
    """
    spread = math.sqrt(posterior_variance(alpha_bar, alpha_bar_next))
    return denoised(frac, noise, alpha_bar) + spread * fresh


def renewing(
    frac: Tensor,
    noise: Tensor,
    fresh: Tensor,
    alpha_bar: float,
    alpha_bar_next: float,
    *,
    share: float,
) -> Tensor:
    """r̂_0 noised again to the level of s, a share of the noise drawn anew.

    Args:
        frac: r_t, not wrapped, shape (n, 3).
        noise: ε_θ, shape (n, 3).
        fresh: ε', standard normal, shape (n, 3).
        alpha_bar: ᾱ_t.
        alpha_bar_next: ᾱ_s.
        share: of the variance of the noise that is drawn anew.

    Returns:
        r_s, not wrapped, shape (n, 3).
    """
    again = math.sqrt(1 - alpha_bar_next) * renewed(noise, fresh, share=share)
    return math.sqrt(alpha_bar_next) * denoised(frac, noise, alpha_bar) + again
