"""Intervals against scipy and against their own promise, and what a record holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from gencsp.benchmark.record import record
from gencsp.benchmark.statistics import bootstrap_interval, share, wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (3, 30), (29, 30), (50, 50)])
def test_wilson_interval_is_that_of_scipy(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high))


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


def test_a_record_says_how_and_on_what_it_was_measured(tmp_path: Path) -> None:
    path = record(tmp_path / "new" / "x.json", protocol={"seed": 3}, results=[np.float64(1.5)])
    content = json.loads(path.read_text())
    assert content["protocol"] == {"seed": 3}
    assert content["results"] == [1.5]
    assert content["environment"]["cores"] >= 1
    assert "torch" in content["environment"]["versions"]
