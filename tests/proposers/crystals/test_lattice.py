"""Random lattices: exact volumes, the symmetry asked for (judged by spglib), sane shapes."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.descriptors.distances import min_height
from gencsp.proposers.crystals.lattice import (
    PRIMITIVE,
    Bravais,
    ShapeWindow,
    bravais,
    centring,
    conventional_shape,
    primitive_cell,
    random_lattice,
    space_group_lattice,
)

#: The symmetry of the bare lattice: the space group of one atom at its nodes.
HOLOHEDRY = {
    "cP": 221, "cI": 229, "cF": 225, "tP": 123, "tI": 139, "hP": 191, "hR": 166,
    "oP": 47, "oS": 65, "oI": 71, "oF": 69, "mP": 10, "mS": 12, "aP": 2,
}  # fmt: skip
FIRST_HALL: dict[int, int] = {}
for _hall in range(530, 0, -1):
    FIRST_HALL[spglib.get_spacegroup_type(_hall).number] = _hall
SEEDS = st.integers(0, 2**32 - 1)


def one_atom_space_group(cell: np.ndarray) -> int:
    dataset = spglib.get_symmetry_dataset((cell, [[0, 0, 0]], [1]), symprec=1e-6)
    return int(dataset.number)


@pytest.mark.parametrize("kind", list(Bravais))
@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=SEEDS, volume=st.floats(5.0, 2000.0))
def test_volume_symmetry_and_height(kind: Bravais, seed: int, volume: float) -> None:
    window = ShapeWindow()
    cell = random_lattice(volume, rng=np.random.default_rng(seed), kind=kind, window=window)
    assert cell.volume == pytest.approx(volume, rel=1e-12)
    assert np.linalg.det(cell.array) > 0
    assert min_height(cell.array) >= window.min_height * volume ** (1 / 3) * (1 - 1e-12)
    assert one_atom_space_group(cell.array) == HOLOHEDRY[kind]


def test_all_kinds_are_drawn_alike() -> None:
    rng = np.random.default_rng(0)
    groups = [one_atom_space_group(random_lattice(30.0, rng=rng).array) for _ in range(700)]
    counts = np.array([groups.count(number) for number in HOLOHEDRY.values()])
    assert counts.sum() == 700
    chi2 = np.sum((counts - 50) ** 2 / 50)
    assert chi2 < 34.5  # 99.9 % of chi-squared with 13 degrees of freedom


def test_ratios_fill_the_window_evenly() -> None:
    rng = np.random.default_rng(1)
    window = ShapeWindow(ratio=(0.8, 2.0))
    ratios = []
    for _ in range(400):
        a, _, c, *_ = space_group_lattice(123, volume=40.0, rng=rng, window=window).cellpar()
        ratios.append(c / a)
    assert 0.8 <= min(ratios) < 0.85
    assert 1.95 < max(ratios) <= 2.0
    assert np.mean(ratios) == pytest.approx(1.4, abs=5 * 1.2 / np.sqrt(12 * 400))


@pytest.mark.parametrize("kind", [Bravais.TETRAGONAL_P, Bravais.ORTHORHOMBIC_P])
def test_ratios_are_those_of_the_paper_by_default(kind: Bravais) -> None:
    """CHGGen, "Hyperparameters": c/a and b/a from 0.75 to 1.25, all of it and nothing beyond."""
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(300):
        lengths = random_lattice(40.0, rng=rng, kind=kind).lengths()
        if kind is Bravais.TETRAGONAL_P:
            # The one that occurs once is c; the reduced cell has its vectors in order of length.
            short, middle, long = sorted(lengths)
            single = long if middle - short < long - middle else short
            ratios.append(single / middle)
        else:
            # Of any two vectors one may be a: the extremes are 0.75 / 1.25 and its inverse.
            ratios.append(max(lengths) / min(lengths))
    if kind is Bravais.TETRAGONAL_P:
        assert 0.75 <= min(ratios) < 0.76
        assert 1.24 < max(ratios) <= 1.25
        assert np.mean(ratios) == pytest.approx(1.0, abs=4 * 0.5 / np.sqrt(12 * 300))
    else:
        assert 1.45 < max(ratios) <= 1.25 / 0.75


@pytest.mark.parametrize("number", range(1, 231))
def test_centring_and_system_agree_with_spglib(number: int) -> None:
    first = spglib.get_spacegroup_type(FIRST_HALL[number])
    assert centring(number) == first.international_short[0]
    system = {"a": (1, 2), "m": (3, 15), "o": (16, 74), "t": (75, 142), "h": (143, 194)}
    low, high = system.get(bravais(number)[0], (195, 230))
    assert low <= number <= high


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=SEEDS, number=st.integers(1, 230))
def test_space_group_acts_on_its_lattice(seed: int, number: int) -> None:
    """Every rotation of the group leaves the metric alone; the volume is the primitive one."""
    rng = np.random.default_rng(seed)
    conventional = space_group_lattice(number, volume=300.0, rng=rng)
    n_nodes = round(1 / np.linalg.det(PRIMITIVE[centring(number)]))
    assert conventional.volume == pytest.approx(300.0 * n_nodes)
    operations = spglib.get_symmetry_from_database(FIRST_HALL[number])
    metric = conventional.array @ conventional.array.T
    for rotation in operations["rotations"]:
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-9 * metric.max())


def test_primitive_cell_holds_the_same_lattice() -> None:
    conventional = conventional_shape(Bravais.TETRAGONAL_I, (2.6,))
    cell = primitive_cell(conventional, "I")
    assert cell.volume == pytest.approx(conventional.volume / 2)
    nodes = cell.scaled_positions(conventional.array)
    np.testing.assert_allclose(nodes, np.round(nodes), atol=1e-12)
    atom = Atoms("H", cell=cell, pbc=True)
    assert one_atom_space_group(atom.cell.array) == 139


@pytest.mark.parametrize("volume", [0.0, -3.0, np.nan, np.inf])
def test_bad_volume(volume: float) -> None:
    with pytest.raises(ValueError, match="volume"):
        random_lattice(volume, rng=np.random.default_rng(0), kind=Bravais.CUBIC_P)


def test_impossible_window_is_said() -> None:
    window = ShapeWindow(ratio=(30.0, 40.0), min_height=0.5)
    with pytest.raises(ValueError, match="widen"):
        random_lattice(10.0, rng=np.random.default_rng(0), kind=Bravais.TETRAGONAL_P, window=window)


@pytest.mark.parametrize("number", [0, 231, -5])
def test_bad_space_group(number: int) -> None:
    with pytest.raises(ValueError, match="space-group number"):
        centring(number)
