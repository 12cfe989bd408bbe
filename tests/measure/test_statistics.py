"""Intervals against their formula and against their own promise."""

from __future__ import annotations

import numpy as np
import pytest

from gencsp.measure.statistics import bootstrap_interval, share, wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (3, 30), (29, 30), (50, 50)])
def test_wilson_interval_solves_its_equation(successes: int, trials: int) -> None:
    # Wilson's bounds are the shares p from which the observed one is just z standard errors away:
    # (k/n - p)² = z² p (1 - p) / n, a quadratic in p.
    z2, observed = 1.959963984540054**2, successes / trials
    roots = np.roots([1 + z2 / trials, -2 * observed - z2 / trials, observed**2])
    assert wilson_interval(successes, trials) == pytest.approx(sorted(roots), abs=1e-12)


def test_nothing_tried_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert np.isnan(share(0, 0)["share"])


def test_bootstrap_interval_is_that_of_percentiles_of_resamples() -> None:
    values = np.random.default_rng(3).normal(size=37)
    for statistic in (np.median, lambda some: some.max() - some.min()):
        rng = np.random.default_rng(5)
        draws = [statistic(values[rng.integers(0, 37, 37)]) for _ in range(2000)]
        found = bootstrap_interval(list(values), statistic, rng=np.random.default_rng(5))
        assert found == pytest.approx(np.percentile(draws, [2.5, 97.5]))


def test_bootstrap_interval_of_one_value_is_the_value() -> None:
    assert bootstrap_interval([2.5], rng=np.random.default_rng(0)) == (2.5, 2.5)


def test_bootstrap_interval_covers_the_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.normal(size=40).tolist(), rng=rng, resamples=200)
        hits += low <= 0 <= high
    assert 85 <= hits <= 100
