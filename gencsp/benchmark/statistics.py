"""Intervals that stand beside every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np

#: Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); (0, 1) where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], float] = np.median,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of independent values."""
    data = np.asarray(values, dtype=float)
    draws = [statistic(rng.choice(data, len(data))) for _ in range(resamples)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def share(successes: int, trials: int) -> dict[str, float]:
    """A share with its counts and interval, ready to be recorded."""
    low, high = wilson_interval(successes, trials)
    return {
        "successes": successes,
        "trials": trials,
        "share": successes / trials if trials else float("nan"),
        "low": low,
        "high": high,
    }
