"""How many atoms a generated cell has, given targets."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencsp.diffusion.joint.conditions import PROPERTIES, Property
from gencsp.diffusion.joint.sizes import CellSizes, draw_size
from gencsp.errors import RequestError


@pytest.fixture(scope="module")
def training() -> tuple[list[int], np.ndarray]:
    """Sizes, a compactness that rises with them, an energy that is often zero, others unknown."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 21, 5000)
    labels = np.full((5000, len(PROPERTIES)), np.nan)
    labels[:, 0] = 0.03 * sizes + 0.05 * rng.standard_normal(5000)
    labels[:, 2] = np.maximum(0.0, 0.03 * rng.standard_normal(5000))
    return sizes.tolist(), labels


@pytest.fixture(scope="module")
def fitted(training: tuple[list[int], np.ndarray]) -> CellSizes:
    return CellSizes.fit(*training)


def test_without_targets_sizes_are_those_of_training(
    training: tuple[list[int], np.ndarray], fitted: CellSizes
) -> None:
    expected = {n: count / 5000 for n, count in Counter(training[0]).items()}
    assert fitted.shares({}, 2.0) == pytest.approx(expected)
    assert fitted.shares({"compactness": 0.5}, 0.0) == pytest.approx(expected)
    # Nobody knew it, so nothing follows from it.
    assert fitted.shares({"m_led": 9.0}, 2.0) == pytest.approx(expected)
    assert CellSizes.fit(training[0]).shares({"compactness": 0.5}, 2.0) == pytest.approx(expected)


def test_weight_one_is_the_conditional_share_in_training(
    training: tuple[list[int], np.ndarray], fitted: CellSizes
) -> None:
    """Against counting the training crystals of the target's bin."""
    sizes, values = np.array(training[0]), training[1][:, 0]
    inner = np.quantile(values, np.linspace(0, 1, 13))
    low, high = inner[6], inner[7]
    chosen = sizes[(values >= low) & (values < high)]
    shares = fitted.shares({"compactness": float(low + high) / 2}, 1.0)
    for n in range(1, 21):
        assert shares[n] == pytest.approx(np.mean(chosen == n), abs=0.012)


def test_more_weight_comes_nearer_and_the_largest_size_is_kept(fitted: CellSizes) -> None:
    def spread(weight: float) -> float:
        shares = fitted.shares({"compactness": 0.3}, weight)
        mean = sum(n * p for n, p in shares.items())
        assert weight == 0 or mean == pytest.approx(10, abs=0.6)
        return sum((n - mean) ** 2 * p for n, p in shares.items())

    assert spread(2.0) < spread(1.0) < spread(0.0)
    few = fitted.shares({"compactness": 0.3}, 1.0, most=4)
    assert sum(few.values()) == pytest.approx(1.0)
    assert all((share > 0) == (n <= 4) for n, share in few.items())
    with pytest.raises(RequestError, match="most_atoms"):
        fitted.shares({}, 1.0, most=0)


@given(
    target=st.dictionaries(st.sampled_from(PROPERTIES), st.floats(-1e6, 1e6)),
    weight=st.floats(-2.0, 10.0),
)
def test_any_target_gives_probabilities(
    fitted: CellSizes, target: dict[Property, float], weight: float
) -> None:
    shares = np.array(list(fitted.shares(target, weight).values()))
    assert np.isfinite(shares).all()
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1.0)


def test_description_comes_back_and_draws_follow_it(fitted: CellSizes) -> None:
    again = CellSizes.from_description(fitted.describe())
    assert again == fitted
    shares = again.shares({"compactness": 0.3}, 2.0)
    rng = np.random.default_rng(1)
    drawn = Counter(draw_size(shares, rng) for _ in range(4000))
    for n, share in shares.items():
        assert drawn[n] / 4000 == pytest.approx(share, abs=0.035)
    with pytest.raises(ValueError, match="incomplete"):
        CellSizes.from_description({"counts": {"1": 2}, "edges": [], "tables": []})
