"""Radial distribution functions against ASE's, analytic shells, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry.rdf import get_rdf
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import RequestError
from gencsp.measure.radial import (
    TOTAL,
    RadialSettings,
    difference,
    mean_distributions,
    pair_name,
    radial_distributions,
)

SHARP = RadialSettings(reach=8.0, bin_width=0.1, broadening=0)


def rattled(seed: int = 0) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.3, seed=seed)
    return atoms


@pytest.mark.parametrize("elements", [None, ("Na", "Cl"), ("Cl", "Na"), ("Na", "Na")])
def test_is_that_of_ase(elements: tuple[str, str] | None) -> None:
    # ASE asks for cells that hold a sphere of the reach.
    large = rattled().repeat(3)
    large.rattle(0.1, seed=1)
    expected, distances = get_rdf(large, 8.0, 80, elements=elements)
    name = TOTAL if elements is None else pair_name(*elements)
    assert radial_distributions(large, SHARP)[name] == pytest.approx(expected, abs=1e-9)
    assert SHARP.distances == pytest.approx(distances)


@pytest.mark.parametrize("broadening", [0.0, 0.1])
def test_shells_of_fcc(broadening: float) -> None:
    a = 4.0
    where = RadialSettings(reach=7.0, bin_width=0.02, broadening=broadening)
    g = radial_distributions(bulk("Cu", "fcc", a=a), where)["Cu-Cu"]
    edges = where.bin_width * np.arange(where.bins + 1)
    neighbours = g * 4 / 3 * np.pi * np.diff(edges**3) * 4 / a**3
    for shell, count in ((0.5, 12), (1, 6), (1.5, 24), (2, 12)):
        near = np.abs(where.distances - a * np.sqrt(shell)) < 0.35
        assert neighbours[near].sum() == pytest.approx(count, rel=1e-3)
    assert neighbours[where.distances < a / 2].sum() == pytest.approx(0, abs=1e-6)


def test_tends_to_one_of_atoms_anywhere() -> None:
    rng = np.random.default_rng(0)
    gas = [
        Atoms("Na600Cl400", scaled_positions=rng.random((1000, 3)), cell=[32, 34, 36], pbc=True)
        for _ in range(2)
    ]
    far = SHARP.distances > 2
    for name, g in mean_distributions(gas, SHARP).items():
        mean = np.average(g[far], weights=SHARP.distances[far] ** 2)
        assert mean == pytest.approx(1, abs=0.03), name


def test_distances_beyond_the_reach_are_broadened_into_it() -> None:
    near = radial_distributions(rattled(), RadialSettings(reach=5.0, broadening=0.3))
    far = radial_distributions(rattled(), RadialSettings(reach=8.0, broadening=0.3))
    for name, g in near.items():
        assert g == pytest.approx(far[name][: len(g)], abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), repeats=st.tuples(*[st.integers(1, 2)] * 3))
def test_belongs_to_the_crystal_and_not_to_its_cell(
    seed: int, repeats: tuple[int, int, int]
) -> None:
    atoms = rattled(seed)
    other = atoms.repeat(repeats)
    other.rotate(37, (1, 2, 3), rotate_cell=True)
    other.translate((1.0, 2.0, 3.0))
    other = other[np.random.default_rng(seed).permutation(len(other))]
    where = RadialSettings(reach=6.0, broadening=0.2)
    first, second = radial_distributions(atoms, where), radial_distributions(other, where)
    assert first.keys() == second.keys() == {TOTAL, "Na-Na", "Cl-Na", "Cl-Cl"}
    for name, g in first.items():
        assert second[name] == pytest.approx(g, abs=0.02)
    parts = first["Na-Na"] / 4 + first["Cl-Cl"] / 4 + first["Cl-Na"] / 2
    assert first[TOTAL] == pytest.approx(parts)


def test_means_are_over_the_crystals_that_have_the_pair() -> None:
    copper, salt = bulk("Cu"), rattled()
    mean = mean_distributions([copper, salt, rattled(1)], SHARP)
    assert mean["Cu-Cu"] == pytest.approx(radial_distributions(copper, SHARP)["Cu-Cu"])
    both = [radial_distributions(rattled(seed), SHARP)["Cl-Na"] for seed in (0, 1)]
    assert mean["Cl-Na"] == pytest.approx((both[0] + both[1]) / 2)
    assert mean_distributions([], SHARP) == {}


def test_differences() -> None:
    one, other = np.array([0.0, 2.0, 0.0, 2.0]), np.array([0.0, 0.0, 2.0, 2.0])
    assert difference(one, one).rms == 0
    assert difference(one, one).overlap == pytest.approx(1)
    assert difference(one, 2 * one).overlap == pytest.approx(1)
    assert difference(one, other).rms == pytest.approx(np.sqrt(8 / 4))
    assert difference(one, other).overlap == pytest.approx(0.5)
    nothing = np.zeros(4)
    assert difference(one, nothing).overlap == 0
    assert difference(nothing, nothing).overlap == 1


@pytest.mark.parametrize(
    "wrong",
    [{"reach": 0.0}, {"reach": 21.0}, {"bin_width": 0.0}, {"broadening": -0.1}],
)
def test_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        RadialSettings(**wrong)
    with pytest.raises(RequestError, match="narrower"):
        RadialSettings(reach=0.5, bin_width=1.0)
