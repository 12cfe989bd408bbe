"""Votes turned into probabilities: the logistic law by hand, and what the fit must have found."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencsp.proposers.crystals.confidence import (
    EDGE,
    LEAST_LIKENESS,
    Votes,
    confidence,
    confidence_table,
)

TABLE = {"bias": 0.4, "share": 0.5, "likeness": 0.7, "free": -0.3, "generated": -0.9}
VOTES = st.builds(
    Votes,
    share=st.floats(0, 1),
    likeness=st.floats(0, 1),
    n_free=st.integers(0, 60),
    generated=st.booleans(),
)


@given(votes=VOTES)
def test_the_law_is_logistic(votes: Votes) -> None:
    share = min(max(votes.share, EDGE), 1 - EDGE)
    linear = 0.4 + 0.5 * math.log(share / (1 - share))
    linear += 0.7 * math.log(votes.likeness + LEAST_LIKENESS) - 0.3 * math.sqrt(votes.n_free)
    linear -= 0.9 * votes.generated
    p = confidence(votes, TABLE)
    assert math.log(p / (1 - p)) == pytest.approx(linear, abs=1e-6)


@given(votes=VOTES)
def test_what_speaks_for_a_structure_raises_its_confidence(votes: Votes) -> None:
    """With the shipped coefficients."""
    p = confidence(votes)
    assert 0 < p < 1
    assert confidence(replace(votes, share=0.1 * votes.share)) <= p
    assert confidence(replace(votes, likeness=0.5 * votes.likeness)) <= p
    assert confidence(replace(votes, n_free=votes.n_free + 1)) < p
    assert confidence(replace(votes, generated=True)) <= p


def test_the_same_elements_on_a_rigid_skeleton_are_sure_and_strangers_are_not() -> None:
    sure = Votes(share=0.97, likeness=0.9, n_free=0, generated=False)
    assert confidence(sure) > 0.9
    assert confidence(replace(sure, likeness=1e-4)) < 0.6
    assert confidence(replace(sure, n_free=40)) < 0.85


def test_the_table_has_a_coefficient_of_each_variable() -> None:
    votes = Votes(share=0.5, likeness=0.5, n_free=1, generated=False)
    assert set(confidence_table()) == {"bias", *votes.terms()}
