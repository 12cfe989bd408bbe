"""Nearest vectors against comparing with all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.similarity import neighbours
from gencsp.similarity.neighbours import NeighbourTrees


@pytest.fixture(autouse=True, scope="module")
def small_buffer() -> object:
    """So that few vectors make many trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BUFFER", 16)
        yield


@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_as_comparing_with_all(seed: int, size: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    # Clusters, and exact copies among them.
    vectors = np.repeat(rng.normal(size=(size, 12)), 2, axis=0) * rng.choice([1, 1e-3], 12)
    vectors = vectors[rng.permutation(len(vectors))].astype(np.float32).astype(np.float64)
    trees = NeighbourTrees()
    for number, vector in enumerate(vectors):
        assert trees.add(vector) == number
        if number % 37 and number != len(vectors) - 1:
            continue
        query = vectors[rng.integers(len(vectors))]
        distances = np.linalg.norm(vectors[: number + 1] - query, axis=1)
        order = np.lexsort((np.arange(number + 1), distances))
        found, how_far = trees.nearest(query, n)
        np.testing.assert_array_equal(found, order[:n])
        np.testing.assert_allclose(how_far, distances[order[:n]], atol=1e-6)
        radius = float(np.median(distances)) + 1e-4
        inside = order[distances[order] <= radius]
        np.testing.assert_array_equal(trees.within(query, radius)[0], inside)
        np.testing.assert_array_equal(trees.nearest(query, n, radius=radius)[0], inside[:n])


def test_empty() -> None:
    trees = NeighbourTrees()
    assert len(trees) == 0
    assert len(trees.nearest(np.zeros(3), 1)[0]) == 0
    assert len(trees.within(np.zeros(3), 1.0)[0]) == 0
