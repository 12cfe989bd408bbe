"""Intervals that stand beside every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap, norm

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


def wilson_of_mean(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that is a mean over n independent units.

    Where each unit was tried several times, its own share takes the place of a success, which can
    only make the interval wider than it need be: a mean of trials varies less than one trial.

    Args:
        share: from 0 to 1.
        n: units; (0, 1) for none.
    """
    if n == 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.975))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


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
