"""Intervals that stand beside every number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap, norm, permutation_test

#: Sign flips that are drawn; where there are fewer ways, all are taken.
FLIPS = 9999
#: Of these, how many are in memory at once.
_FLIPS_AT_ONCE = 500
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


def sign_flip_p(differences: Sequence[float], *, rng: np.random.Generator) -> float:
    """Two-sided p-value of the mean of paired differences, by flips of their signs.

    If neither of two methods were better, each difference could as well have the other sign
    (R. A. Fisher, The Design of Experiments, 1935, § 21; E. J. G. Pitman, J. R. Stat. Soc. Suppl.
    4, 119, 1937). The p-value is twice the share of flips whose mean is as far to the side of the
    observed one. All flips are taken where there are at most 9,999, which makes it exact; else as
    many are drawn, and the observed one counts among them.

    Args:
        differences: of pairs that are independent of each other; those of zero change nothing.
        rng: draws the flips.

    Returns:
        1 where no difference is other than zero, and for a single one.
    """
    moved = np.asarray(differences, dtype=float)
    moved = moved[moved != 0]
    if len(moved) < 2:
        return 1.0
    test = permutation_test(
        (moved,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        batch=_FLIPS_AT_ONCE,
        rng=rng,
    )
    return float(test.pvalue)


def sign_test_p(lower: int, higher: int) -> float:
    """Two-sided p-value of the sign test (W. J. Dixon, A. M. Mood, J. Am. Stat. Assoc. 41, 557).

    Args:
        lower: pairs in which the second is lower; ties are left out.
        higher: pairs in which it is higher.

    Returns:
        The exact binomial one; 1 where there are only ties.
    """
    if lower + higher == 0:
        return 1.0
    return float(binomtest(lower, lower + higher, 0.5).pvalue)


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
