"""Properties and Wasserstein distances against values that are known otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import RequestError
from gencsp.measure.property_distances import (
    density,
    element_count,
    property_distance,
)


def test_densities_of_known_crystals() -> None:
    """g/cm³ of handbooks, for the lattice constants of handbooks."""
    assert density(bulk("C", "diamond", a=3.567)) == pytest.approx(3.515, abs=0.002)
    salt = bulk("NaCl", "rocksalt", a=5.6402)
    assert density(salt) == pytest.approx(2.163, abs=0.002)
    assert density(make_supercell(salt, np.diag([2, 1, 1]))) == pytest.approx(density(salt))


def test_elements_are_counted_once() -> None:
    assert element_count(bulk("NaCl", "rocksalt", a=5.64, cubic=True)) == 2
    assert element_count(bulk("C", "diamond", a=3.567)) == 1


def test_a_shifted_distribution_is_as_far_as_the_shift() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = property_distance(values + 0.75, values, rng=np.random.default_rng(1), resamples=50)
    assert found.distance == pytest.approx(0.75)
    assert found.low < 0.75 < found.high
    assert (found.generated, found.known) == (400, 400)


def test_distances_by_hand() -> None:
    rng = np.random.default_rng(0)
    assert property_distance([0, 2], [1, 1, 1], rng=rng, resamples=9).distance == pytest.approx(1.0)
    # 0 and 1 to 0, 0.5 and 1: a third of each stays, what is left moves by a quarter on average.
    found = property_distance([0, 1], [0, 0.5, 1], rng=rng, resamples=9)
    assert found.distance == pytest.approx(1 / 6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 30))
def test_of_as_many_values_it_is_the_mean_difference_of_the_sorted_ones(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=n), rng.exponential(size=n)
    found = property_distance(one, other, rng=rng, resamples=5)
    assert found.distance == pytest.approx(np.abs(np.sort(one) - np.sort(other)).mean())


def test_what_is_not_known_is_left_out() -> None:
    rng = np.random.default_rng(0)
    found = property_distance([1, np.nan, 1], [2, np.inf], rng=rng, resamples=5)
    assert (found.distance, found.generated, found.known) == (1.0, 2, 1)
    with pytest.raises(RequestError):
        property_distance([np.nan], [1.0], rng=rng)


def test_the_interval_is_of_the_generated_ones_and_repeatable() -> None:
    rng = np.random.default_rng(4)
    values, known = rng.normal(size=60), rng.normal(size=500) + 2
    one, two = (property_distance(values, known, rng=np.random.default_rng(7)) for _ in range(2))
    assert one == two
    # 2 ± 1.96/√60, since all of one lie below the other in the mean.
    assert one.high - one.low == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.3)
