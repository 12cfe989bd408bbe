"""Whatever can be read can be judged: no structure ends the run, none without a value passes."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.filters import filter_names, get_filter
from gencsp.io.crystals import check_crystal

NAMES = sorted(set(filter_names()) - {"hull_energy"})

#: Coordinates that coincide, lie on corners, or lie anywhere.
fraction = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-2, 2))
#: Å: from much shorter than an atom to much longer than any cutoff.
edge = st.one_of(st.floats(0.3, 1), st.floats(2, 8), st.floats(20, 40))
angle = st.one_of(st.just(90.0), st.floats(65, 115))


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    """One to four atoms of any element up to lawrencium."""
    size = draw(st.integers(1, 4))
    numbers = draw(st.lists(st.integers(1, 103), min_size=size, max_size=size))
    places = draw(st.lists(st.tuples(fraction, fraction, fraction), min_size=size, max_size=size))
    cell = Cell.fromcellpar([draw(edge) for _ in range(3)] + [draw(angle) for _ in range(3)])
    return Atoms(numbers, scaled_positions=places, cell=cell, pbc=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
@given(atoms=crystals())
@settings(max_examples=12, deadline=None)
def test_of_any_structure(name: str, atoms: Atoms) -> None:
    check_crystal(atoms, "it")
    before = atoms.copy()
    verdict = get_filter(name).judge(atoms)
    assert atoms == before
    low, high = verdict.threshold
    if np.isnan(verdict.value):
        assert not verdict.passed
    elif verdict.passed:
        assert low <= verdict.value <= high


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_of_a_cell_below_the_tolerance_of_symmetry(name: str) -> None:
    """spglib 2.8 ends the whole process at such a cell."""
    verdict = get_filter(name).judge(Atoms("H", cell=[0.3, 0.3, 0.3], pbc=True))
    assert verdict.name == name
