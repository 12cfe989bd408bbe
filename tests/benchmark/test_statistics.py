"""Intervals against scipy and against their own promise, and what a record holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gencsp.benchmark.record import record
from gencsp.benchmark.statistics import bootstrap_interval, share, wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (3, 30), (29, 30), (50, 50)])
def test_wilson_interval_is_where_the_score_test_turns(successes: int, trials: int) -> None:
    """Each end p lies 1.96 of its own standard errors from the share (Wilson, 1927)."""
    found = successes / trials
    for p in wilson_interval(successes, trials):
        if 0 < p < 1:
            error = np.sqrt(p * (1 - p) / trials)
            assert abs(found - p) / error == pytest.approx(1.959964, abs=1e-5)
        else:
            assert p == found


def test_nothing_tried_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert np.isnan(share(0, 0)["share"])


def test_bootstrap_interval_covers_the_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.normal(size=40), rng=rng, resamples=200)
        hits += low <= 0 <= high
    assert 85 <= hits <= 100


def test_bootstrap_interval_of_a_mean_is_about_that_of_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=200)
    low, high = bootstrap_interval(list(values), np.mean, rng=np.random.default_rng(0))
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    assert bootstrap_interval([2.5], rng=np.random.default_rng(0)) == (2.5, 2.5)


def test_a_record_says_how_and_on_what_it_was_measured(tmp_path: Path) -> None:
    path = record(tmp_path / "new" / "x.json", protocol={"seed": 3}, results=[np.float64(1.5)])
    content = json.loads(path.read_text())
    assert content["protocol"] == {"seed": 3}
    assert content["results"] == [1.5]
    assert content["environment"]["cores"] >= 1
    assert "torch" in content["environment"]["versions"]
