"""Intervals that stand beside every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); (0, 1) where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], float] = np.median,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of independent values; of one value, that value's."""
    data = np.asarray(values, dtype=float)
    if len(data) == 1:
        return float(statistic(data)), float(statistic(data))
    found = bootstrap(
        (data,),
        statistic,
        n_resamples=resamples,
        confidence_level=0.95,
        method="percentile",
        vectorized=False,
        random_state=rng,
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


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
