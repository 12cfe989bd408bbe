"""The decision on two reduced cells, against pymatgen's matcher on the same cells."""

from __future__ import annotations

import numpy as np
import pytest
from disguise import polymorphs, random_crystal, skewed
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from gencsp.similarity.fitting import fits
from gencsp.similarity.matching import (
    LOOSE,
    STANDARD,
    CrystalMatcher,
    Reduced,
    Tolerances,
    structure_matcher,
)


def as_pymatgen(cell: Reduced) -> Structure:
    return Structure(Lattice(cell.cell), cell.numbers, cell.fractional)


@pytest.mark.parametrize(
    "tolerances", [STANDARD, LOOSE, Tolerances(scale=False)], ids=["standard", "loose", "volumes"]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    moved=st.sampled_from([0.0, 0.05, 0.2, 0.3, 0.5]),
    strained=st.sampled_from([0.0, 0.02, 0.08]),
)
@settings(deadline=None, max_examples=60)
def test_decides_as_pymatgen_does(
    tolerances: Tolerances, seed: int, moved: float, strained: float
) -> None:
    """Distances near the tolerance, other cells of the lattice, strain, and swapped species."""
    rng = np.random.default_rng(seed)
    one = random_crystal(rng, int(rng.integers(2, 9)))
    if rng.random() < 0.3:
        one = polymorphs()[rng.integers(5)]
    other = skewed(one, rng)
    other.rattle(moved, rng=rng)
    other.set_cell(other.cell.array @ (np.eye(3) + rng.normal(0, strained, (3, 3))), True)
    if rng.random() < 0.2:
        other.numbers = rng.permutation(other.numbers)
    matching = CrystalMatcher(structure_matcher(tolerances))
    first, second = matching.reduced(one), matching.reduced(other)
    expected = len(first.numbers) == len(second.numbers) and structure_matcher(tolerances).fit(
        as_pymatgen(first), as_pymatgen(second), skip_structure_reduction=True
    )
    assert fits(first, second, tolerances) == expected


def test_other_species_and_numbers_of_atoms_are_no_match() -> None:
    matching = CrystalMatcher()
    zincblende, wurtzite, *_ = (matching.reduced(atoms) for atoms in polymorphs())
    assert fits(zincblende, zincblende, STANDARD)
    assert not fits(zincblende, wurtzite, STANDARD)
    doped = Reduced(np.array([30, 34]), zincblende.fractional, zincblende.cell)
    assert not fits(zincblende, doped, STANDARD)
