from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.diffusion.positions.schedule import noise_levels


@settings(deadline=None, max_examples=30)
@given(
    steps=st.integers(2, 200),
    low=st.floats(1e-4, 0.1),
    ratio=st.floats(1.5, 1e4),
    spacing=st.sampled_from(["geometric", "karras"]),
)
def test_levels_descend_from_sigma_max_to_sigma_min_to_zero(
    steps: int, low: float, ratio: float, spacing: Literal["geometric", "karras"]
) -> None:
    levels = noise_levels(steps, sigma_min=low, sigma_max=low * ratio, spacing=spacing)
    assert len(levels) == steps + 1
    assert levels[0] == pytest.approx(low * ratio)
    assert levels[-2] == pytest.approx(low)
    assert levels[-1] == 0.0
    assert (np.diff(levels) < 0).all()


def test_geometric_levels_grow_exponentially() -> None:
    levels = np.array(noise_levels(5, sigma_min=0.001, sigma_max=10.0))
    assert levels[:-1] == pytest.approx([10.0, 1.0, 0.1, 0.01, 0.001])


def test_karras_levels_obey_equation_5() -> None:
    levels = noise_levels(4, sigma_min=0.01, sigma_max=8.0, spacing="karras")
    roots = np.array(levels[:-1]) ** (1 / 7)
    assert np.diff(roots) == pytest.approx(np.full(3, (0.01 ** (1 / 7) - 8.0 ** (1 / 7)) / 3))


@pytest.mark.parametrize(
    ("steps", "low", "high"), [(0, 0.1, 1.0), (5, 0.0, 1.0), (5, 2.0, 1.0), (5, 0.1, np.inf)]
)
def test_a_range_that_makes_no_schedule_is_refused(steps: int, low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"step|sigma"):
        noise_levels(steps, sigma_min=low, sigma_max=high)
