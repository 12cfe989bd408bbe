"""The similarity of powder patterns: what it is of equal, strained, noisy and unlike crystals."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.testing import assert_allclose

from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.reflections import Reflections
from gencsp.powder.similarity import (
    PatternComparison,
    SimilaritySettings,
    _pairs,
    strain_of,
    strain_text,
    strains_of,
)

CU = 1.54184


def profile(
    atoms: Atoms, *, full_width: float = 0.15, noise: float = 0.0, hump: float = 0.0
) -> MeasuredPattern:
    """A pattern as measured: lines of some width, noise, an amorphous hump."""
    grid = np.arange(10.0, 80.0, 0.02)
    angles, strengths = Reflections.of(atoms, longest=1.0).lines(CU)
    width = full_width / 2.3548
    counts = (strengths * np.exp(-0.5 * ((grid[:, None] - angles) / width) ** 2)).sum(axis=1)
    counts *= 1e4 / counts.max()
    counts += hump * np.exp(-0.5 * ((grid - 25) / 8) ** 2) + 100
    rng = np.random.default_rng(0)
    return MeasuredPattern.of(grid, counts + noise * rng.standard_normal(len(grid)), wavelength=CU)


def salt(a: float = 5.64) -> Atoms:
    return bulk("NaCl", "rocksalt", a=a)


def hexagonal() -> Atoms:
    return bulk("ZnO", "wurtzite", a=3.25, c=5.2)


STIFF = SimilaritySettings(breathing=0.0)


@pytest.mark.parametrize("full_width", [0.05, 0.15, 0.4])
def test_a_crystal_is_like_its_own_pattern_however_broad_the_lines(full_width: float) -> None:
    found = PatternComparison(profile(hexagonal(), full_width=full_width), STIFF)(hexagonal())
    assert found.similarity == pytest.approx(1, abs=0.01)


def test_noise_and_an_amorphous_hump_change_little() -> None:
    pattern = profile(hexagonal(), noise=50, hump=3000)
    assert PatternComparison(pattern, STIFF)(hexagonal()).similarity > 0.97


def test_the_cell_breathes_as_far_as_it_may_and_keeps_its_symmetry() -> None:
    pattern = profile(hexagonal())
    other = hexagonal()
    other.set_cell(other.cell.array @ np.diag([1.015, 1.015, 0.985]), scale_atoms=True)
    stiff = PatternComparison(pattern, STIFF)(other).similarity
    found = PatternComparison(pattern)(other)
    assert stiff < 0.75
    assert found.similarity > 0.97
    assert_allclose(np.diag(found.strain), [1 / 1.015 - 1, 1 / 1.015 - 1, 1 / 0.985 - 1], atol=2e-3)
    assert_allclose(found.strain - np.diag(np.diag(found.strain)), 0, atol=1e-9)
    far = hexagonal()
    far.set_cell(far.cell.array * 1.08, scale_atoms=True)
    assert PatternComparison(pattern)(far).similarity < 0.8


def test_another_crystal_is_less_alike() -> None:
    pattern = profile(salt(), noise=30)
    others = [bulk("NaCl", "cesiumchloride", a=3.4), bulk("NaCl", "zincblende", a=6.1), hexagonal()]
    compare = PatternComparison(pattern)
    known = compare(salt(5.7)).similarity
    assert all(compare(other).similarity < known - 0.2 for other in others)


def test_it_is_the_sum_of_de_gelder() -> None:
    """Against the double sum of eqs. 4-6 over the profiles themselves."""
    mine, theirs = profile(salt(5.62)), profile(salt())
    grid, step = mine.angles, mine.step
    weights = np.clip(1 - np.abs(grid[:, None] - grid) / STIFF.reach, 0, None)
    f, g = mine.intensities / step, theirs.intensities / step
    wanted = f @ weights @ g / np.sqrt((f @ weights @ f) * (g @ weights @ g))
    found = PatternComparison(theirs, STIFF)(salt(5.62)).similarity
    assert found == pytest.approx(wanted, abs=0.01)


def test_pairs_of_lines_are_counted_once_each_way() -> None:
    rng = np.random.default_rng(3)
    angles, strengths = np.sort(rng.uniform(0, 10, 40)), rng.random(40)
    weight = (np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    table = np.clip(1 - np.abs(angles[:, None] - angles), 0, None)
    assert _pairs(angles, strengths, weight) == pytest.approx(strengths @ table @ strengths)


def triclinic() -> Atoms:
    cell = [4, 5, 6, 80, 85, 95]
    return Atoms("NaCl", [(0, 0, 0), (1.2, 0.8, 2.1)], cell=cell, pbc=True)


@pytest.mark.parametrize(
    ("atoms", "free"),
    [(salt(), 1), (hexagonal(), 2), (triclinic(), 6)],
    ids=["cubic", "hexagonal", "triclinic"],
)
def test_strains_are_those_that_the_symmetry_leaves_free(atoms: Atoms, free: int) -> None:
    basis = strains_of(atoms)
    assert len(basis) == free
    assert_allclose(basis[0], np.eye(3))
    assert np.linalg.matrix_rank(basis.reshape(free, 9)) == free
    assert_allclose(basis, basis.transpose(0, 2, 1), atol=1e-12)


def test_no_direction_is_strained_further_than_allowed() -> None:
    crystal = triclinic()
    wider = triclinic()
    # Together 5 % along x: each of the free strains alone could be within 3 %.
    wider.set_cell(crystal.cell.array @ np.diag([1.05, 1.0, 0.97]), scale_atoms=True)
    found = PatternComparison(profile(wider), SimilaritySettings(breathing=0.03))(crystal)
    assert np.abs(np.linalg.eigvalsh(found.strain)).max() <= 0.03 + 1e-9


def test_a_strain_comes_back_from_its_text() -> None:
    strain = np.array([[0.01, 0.004, 0.002], [0.004, -0.02, 0.003], [0.002, 0.003, 0.03]])
    text = strain_text(strain)
    assert text.split(";")[3:] == ["0.003000", "0.002000", "0.004000"]  # yz, xz, xy
    back = strain_of(text)
    assert back is not None
    assert_allclose(back, strain)
    for other in ("", "1;2;3", "a;b;c;d;e;f", "nan;0;0;0;0;0"):
        assert strain_of(other) is None
