"""The numbers of suites, computed again another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from gencsp.suites.outcome import Kind, Measure, Outcome, Row, number_of


def rows(values: dict[str, list[float | None]]) -> list[Row]:
    """Rows of one measure ``x``: the values of all seeds by crystal."""
    return [
        Row(key=key, seed=seed, values={"x": value})
        for key, several in values.items()
        for seed, value in enumerate(several)
    ]


def number(kind: Kind, values: dict[str, list[float | None]]) -> dict[str, float | None]:
    return number_of(Measure(name="x", kind=kind), rows(values))


@pytest.mark.parametrize("seeds", [1, 4])
@pytest.mark.parametrize(("found", "n"), [(0, 7), (3, 7), (7, 7), (50, 180)])
def test_shares_have_wilsons_interval_over_crystals(found: int, n: int, seeds: int) -> None:
    """Repetitions that all say the same add nothing to what is known."""
    mine = number("share", {f"c{k}": [float(k < found)] * seeds for k in range(n)})
    theirs = binomtest(found, n).proportion_ci(method="wilson")
    assert mine == pytest.approx(
        {"value": found / n, "low": theirs.low, "high": theirs.high, "n": n}
    )


def test_seeds_are_averaged_before_crystals() -> None:
    """One crystal with many seeds weighs as much as another with one."""
    mine = number("share", {"a": [1.0, 1.0, 1.0, 0.0], "b": [0.0]})
    assert (mine["value"], mine["n"]) == (0.375, 2)


def test_means_have_an_interval_of_crystals_drawn_anew() -> None:
    """Against a bootstrap by hand of the means of crystals, None left out."""
    draw = np.random.default_rng(5)
    values: dict[str, list[float | None]] = {
        f"c{k}": [float(v) for v in draw.normal(k, 1, 3)] for k in range(8)
    }
    values["c0"][1] = None
    values["none"] = [None, None]
    known = [[v for v in several if v is not None] for several in values.values()]
    means = np.array([np.mean(several or [np.nan]) for several in known])
    means = means[np.isfinite(means)]
    mine = number("mean", values)
    assert mine["value"] == pytest.approx(means.mean())
    assert mine["n"] == 8
    again = np.random.default_rng(77).choice(means, (20_000, len(means))).mean(axis=1)
    ends = np.quantile(again, [0.025, 0.975])
    assert [mine["low"], mine["high"]] == pytest.approx(ends.tolist(), abs=0.15)
    # Seeds are no crystals: an interval of all values as if independent would be narrower.
    flat = [v for several in values.values() for v in several if v is not None]
    narrow = np.random.default_rng(7).choice(flat, (5000, len(flat))).mean(axis=1)
    assert float(mine["high"] or 0) - float(mine["low"] or 0) > 1.3 * np.ptp(
        np.quantile(narrow, [0.025, 0.975])
    )


def test_what_was_not_found_is_more_than_all_in_medians() -> None:
    assert number("median", {"a": [3.0], "b": [9.0], "c": [None]})["value"] == 9.0
    assert number("median", {"a": [3.0], "b": [None], "c": [None]})["value"] is None
    nine: dict[str, list[float | None]] = {f"c{k}": [float(k)] for k in range(9)}
    few = number("median", {**nine, "d": [None]})
    assert few["value"] == 4.0
    assert few["low"] is not None
    most = number("median", {"a": [1.0], "b": [2.0], "c": [3.0], "d": [None], "e": [None]})
    assert (most["value"], most["high"]) == (3.0, None)


def test_the_interval_of_a_median_draws_crystals_with_all_their_seeds() -> None:
    """By hand: crystals of equal values, so that only whole crystals change the median."""
    values: dict[str, list[float | None]] = {f"c{k}": [10.0 * k] * 3 for k in range(7)}
    mine = number("median", values)
    draw = np.random.default_rng(3)
    again = [
        np.quantile(np.repeat(draw.choice(7, 7) * 10.0, 3), 0.5, method="lower")
        for _ in range(4000)
    ]
    low, high = np.quantile(again, [0.025, 0.975])
    assert mine["value"] == 30.0
    assert abs(float(mine["low"] or 0) - low) <= 10
    assert abs(float(mine["high"] or 0) - high) <= 10


@pytest.mark.parametrize("kind", ["share", "mean", "median"])
def test_nothing_is_no_number(kind: Kind) -> None:
    assert number(kind, {}) == {"value": None, "low": None, "high": None, "n": 0}


def test_an_outcome_shows_its_numbers() -> None:
    outcome = Outcome(
        measures=(
            Measure(name="x <found>", kind="share"),
            Measure(name="seconds", kind="mean", unit="s", better="lower"),
            Measure(name="tries", kind="median", better="lower"),
        ),
        rows=(
            Row(key="a", seed=0, values={"x <found>": 1.0, "seconds": 2.5, "tries": 4.0}),
            Row(key="b", seed=0, values={"x <found>": 0.0, "seconds": 2.5, "tries": None}),
        ),
        sample_size={"crystals": 2},
        protocol={},
    )
    low, high = (100 * end for end in binomtest(1, 2).proportion_ci(method="wilson"))
    shown = repr(outcome).splitlines()
    assert shown[1] == f"x <found>: 50.0 % ({low:.0f} to {high:.0f}), n = 2"
    assert shown[2] == "seconds: 2.5 s (2.5 to 2.5), n = 2"
    assert shown[3] == "tries: 4 (4 to more), n = 2"
    page = outcome._repr_html_()
    assert "x &lt;found&gt;" in page
    assert "50.0 %" in page
    assert "2 crystals" in page
    assert math.isclose(outcome.numbers()["x <found>"]["value"] or 0, 0.5)
