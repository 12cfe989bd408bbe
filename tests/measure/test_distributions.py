"""Measures of generated crystals against worked examples."""

from __future__ import annotations

import numpy as np
import pytest

from gencsp.errors import RequestError
from gencsp.measure.distributions import (
    binned_medians,
    difference_interval,
    greatest_of_stable,
    histogram,
    overlaps,
    rank_correlation,
    what_moved,
)

NAN = float("nan")


def test_a_histogram_counts_what_lies_outside_too() -> None:
    found = histogram([0.5, 1.0, 1.5, 2.0, 2.5, NAN], (1.0, 1.5, 2.0))
    assert found == {
        "n": 5, "edges": [1.0, 1.5, 2.0], "shares": [0.2, 0.4], "below": 0.2, "above": 0.2,
    }  # fmt: skip
    assert histogram([], (0.0, 1.0))["shares"] == [0.0]


def test_regions_of_a_venn_diagram_by_hand() -> None:
    passed = {
        "A": [True, True, False, False, True],
        "B": [True, False, True, False, True],
        "D": [False, False, True, False, True],
    }
    assert overlaps(passed) == {
        "A & B & D": 1, "A & B": 1, "A & D": 0, "A": 1, "B & D": 1, "B": 0, "D": 0, "none": 1,
    }  # fmt: skip
    with pytest.raises(RequestError, match="the same crystals"):
        overlaps({"A": [True], "B": []})


def test_medians_by_bins_by_hand() -> None:
    x, y = [0.1, 0.2, 0.5, 0.5, 1.0, NAN, 0.6], [1.0, 3.0, 5.0, 9.0, 7.0, 0.0, NAN]
    first, second = binned_medians(x, y, (0.0, 0.5, 1.0))
    assert (first["n"], first["median"], first["first_quartile"]) == (2, 2.0, 1.5)
    assert (second["low"], second["n"], second["median"]) == (0.5, 2, 7.0)
    assert binned_medians([2.0], [1.0], (0.0, 1.0)) == []


def test_rank_correlation_is_spearmans_by_its_formula() -> None:
    """ρ = 1 − 6 Σ d² / n(n² − 1) without ties."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = -x + 0.5 * rng.normal(size=60)
    ranks = [np.argsort(np.argsort(v)) for v in (x, y)]
    expected = 1 - 6 * float(((ranks[0] - ranks[1]) ** 2).sum()) / (60 * (60**2 - 1))
    found = rank_correlation([*x, NAN], [*y, 1.0], rng=rng)
    assert found["rho"] == pytest.approx(expected)
    assert found["low"] < expected < found["high"] < 0
    assert found["n"] == 60


def test_f_by_hand() -> None:
    diversity, above = [8.0, 10.7, 9.5, 11.0], [0.0, 0.05, 0.049, NAN]
    assert greatest_of_stable(diversity, above) == 9.5
    assert greatest_of_stable(diversity, above, threshold=0.06) == 10.7
    assert greatest_of_stable([9.0], [0.2]) is None


def test_the_difference_of_shares_has_newcombes_interval() -> None:
    """Newcombe (1998), Table II: 56/70 - 48/80 and 9/10 - 3/10, method 10."""
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert difference_interval(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=1e-4)


def test_what_moved_a_share() -> None:
    found = what_moved((20, 100), (78, 100), (24, 100), (77, 100))
    assert found["moved_by"] == "sizes"
    assert found["both"]["difference"] == pytest.approx(0.57)  # type: ignore[index]
    assert what_moved((20, 100), (24, 100), (90, 100), (92, 100))["moved_by"] == "guidance"
    assert (
        what_moved((50, 100), (20, 100), (90, 100), (90, 100))["moved_by"] == "sizes and guidance"
    )
    assert what_moved((20, 100), (24, 100), (22, 100), (26, 100))["moved_by"] == "neither"
