"""Intervals that stand beside every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap

#: What a record says of its intervals.
WILSON = "95 %, Wilson score, of shares"
BOOTSTRAP = "95 %, percentile bootstrap, of medians and means"


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 209, 1927).

    (0, 1) where nothing was tried.
    """
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(int(successes), trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], float] = np.median,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of independent values; one value is its own."""
    data = np.asarray(values, dtype=float)
    if len(data) == 1:
        return (float(statistic(data)),) * 2
    interval = bootstrap(
        (data,), statistic, n_resamples=resamples, method="percentile", rng=rng
    ).confidence_interval
    return float(interval.low), float(interval.high)


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
