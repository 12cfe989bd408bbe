"""Nearest vectors against comparing with all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.similarity.neighbours import NearestVectors


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_as_comparing_with_all(seed: int, size: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    # Clusters, and exact copies among them.
    vectors = np.repeat(rng.normal(size=(size, 12)), 2, axis=0) * rng.choice([1, 1e-3], 12)
    vectors = vectors[rng.permutation(len(vectors))].astype(np.float32).astype(np.float64)
    kept = NearestVectors()
    for number, vector in enumerate(vectors):
        assert kept.add(vector) == number
        if number % 37 and number != len(vectors) - 1:
            continue
        query = vectors[rng.integers(len(vectors))]
        distances = np.linalg.norm(vectors[: number + 1] - query, axis=1)
        order = np.lexsort((np.arange(number + 1), distances))
        found, how_far = kept.nearest(query, n)
        np.testing.assert_array_equal(found, order[:n])
        np.testing.assert_allclose(how_far, distances[order[:n]], atol=1e-6)
        radius = float(np.median(distances)) + 1e-4
        inside = order[distances[order] <= radius]
        np.testing.assert_array_equal(kept.within(query, radius)[0], inside)
        np.testing.assert_array_equal(kept.nearest(query, n, radius=radius)[0], inside[:n])


def test_empty() -> None:
    kept = NearestVectors()
    assert len(kept) == 0
    assert len(kept.nearest(np.zeros(3), 1)[0]) == 0
    assert len(kept.within(np.zeros(3), 1.0)[0]) == 0


def test_what_is_nearly_equal_and_far_from_zero() -> None:
    """There the squares cancel: what single precision makes of the difference must not decide."""
    rng = np.random.default_rng(3)
    kept = NearestVectors()
    base = 1000 * rng.normal(size=200)
    vectors = (base + rng.normal(size=(300, 200)) * 1e-2).astype(np.float32).astype(np.float64)
    for vector in vectors:
        kept.add(vector)
    distances = np.linalg.norm(vectors - vectors[7], axis=1)
    found, how_far = kept.nearest(vectors[7], 5)
    np.testing.assert_array_equal(found, np.argsort(distances)[:5])
    np.testing.assert_allclose(how_far, np.sort(distances)[:5], atol=1e-6)
