"""Reliability diagrams and the calibration error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencsp.errors import RequestError
from gencsp.measure.reliability import calibration_error, draw_reliability, reliability


def test_bins_by_hand() -> None:
    said = [0.05, 0.15, 0.2, 0.9, 0.9, 1.0]
    right = [False, True, True, True, False, True]
    low, middle, high = reliability(said, right)
    assert (low["low"], low["high"]) == (0.0, 0.2)
    assert low["said"] == pytest.approx(0.1)
    assert low["right"]["successes"] == 1
    assert low["right"]["trials"] == 2
    assert (middle["low"], middle["right"]["share"]) == (0.2, 1.0)
    assert high["said"] == pytest.approx(2.8 / 3)
    assert high["right"]["share"] == pytest.approx(2 / 3)
    # (|0.2 - 1| + |0.2 - 1| + |2.8 - 2|) / 6
    assert calibration_error(said, right) == pytest.approx(2.4 / 6)


def test_true_probabilities_are_calibrated_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(40_000)
    right = rng.random(40_000) < said
    assert calibration_error(said.tolist(), right.tolist()) == pytest.approx(0.0, abs=0.01)
    for one in reliability(said.tolist(), right.tolist()):
        assert one["right"]["low"] - 0.01 < one["said"] < one["right"]["high"] + 0.01
    # Twice as sure as it may be: the mean distance of p from p/2 is a quarter.
    over = rng.random(40_000) < said / 2
    assert calibration_error(said.tolist(), over.tolist()) == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_nothing_is_lost(pairs: list[tuple[float, bool]]) -> None:
    said, right = [p for p, _ in pairs], [r for _, r in pairs]
    bins = reliability(said, right)
    assert sum(one["right"]["trials"] for one in bins) == len(pairs)
    assert sum(one["right"]["successes"] for one in bins) == sum(right)
    assert all(one["low"] <= one["said"] <= one["high"] for one in bins)
    error = calibration_error(said, right)
    assert error is not None
    assert 0 <= error <= 1


def test_nothing_was_said() -> None:
    assert calibration_error([], []) is None
    assert reliability([], []) == []


@pytest.mark.parametrize(
    ("said", "right"), [([0.5], []), ([1.2], [True]), ([float("nan")], [True])]
)
def test_what_is_no_probability(said: list[float], right: list[bool]) -> None:
    with pytest.raises(RequestError):
        reliability(said, right)


def test_the_diagram_is_drawn(tmp_path: Path) -> None:
    for path in draw_reliability(reliability([0.1, 0.9], [False, True]), tmp_path / "figure"):
        assert path.stat().st_size > 0
