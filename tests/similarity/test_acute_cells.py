"""Reduced cells: independent references are pymatgen's lattices and small strains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymatgen.core import Lattice

from gencsp.similarity.cells import acute, compact

ENTRIES = st.lists(st.floats(-4, 4), min_size=9, max_size=9)


def angles(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(Lattice(cell).angles)


@given(ENTRIES)
def test_at_most_one_angle_is_obtuse_and_the_lattice_is_the_same(entries: list[float]) -> None:
    cell = 5 * np.eye(3) + np.array(entries).reshape(3, 3)
    if abs(np.linalg.det(cell)) < 5:
        return
    found = acute(cell)
    assert sum(angles(found) > 90 + 0.01) <= 1
    # The same vectors but for their signs, and the same handedness.
    np.testing.assert_allclose(np.abs(found), np.abs(cell))
    assert np.linalg.det(found) == pytest.approx(np.linalg.det(cell))
    # The obtuse one is the nearest to 90 degrees.
    off = np.abs(angles(found) - 90)
    if (angles(found) > 90.01).any():
        assert off[angles(found) > 90.01][0] == pytest.approx(off.min(), abs=0.02)


def test_a_small_strain_turns_no_angle() -> None:
    """Of a hexagonal-like cell Niggli's reduction makes 60 degrees of 120 and back."""
    turned = {"niggli": 0.0, "acute": 0.0}
    for slant in (89.5, 90.5):
        cell = np.asarray(Lattice.from_parameters(3.0, 3.2, 5.0, slant, 89.9, 65).matrix)
        for name, found in (("niggli", compact(cell)), ("acute", acute(compact(cell)))):
            turned[name] = abs(angles(found)[2] - turned[name])
    assert turned["acute"] < 0.1
    assert turned["niggli"] == pytest.approx(50, abs=0.1)


def test_rounding_does_not_choose_among_equal_angles() -> None:
    """The primitive cell of a body-centred cubic crystal has three angles of 109.47 degrees."""
    cell = np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
    expected = angles(acute(cell))
    assert sorted(expected.round(2)) == [70.53, 70.53, 109.47]
    rng = np.random.default_rng(0)
    for _ in range(20):
        shaken = cell + 1e-6 * rng.standard_normal((3, 3))
        np.testing.assert_allclose(angles(acute(shaken)), expected, atol=1e-3)
