"""The nearest operation, against spglib on crystals that are known to have it."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.symmetry.near import average_cell, symmetrise_nearly
from gencsp.symmetry.refinement import LADDER, refine, space_group

TIGHT = 1e-4

#: One operation besides the lattice's translations and the number of the group that it makes.
OPERATIONS = {
    2: (-np.eye(3), (0.0, 0.0, 0.0)),  # P-1
    3: (np.diag([-1.0, 1.0, -1.0]), (0.0, 0.0, 0.0)),  # P2
    4: (np.diag([-1.0, 1.0, -1.0]), (0.0, 0.5, 0.0)),  # P2_1
    6: (np.diag([1.0, -1.0, 1.0]), (0.0, 0.0, 0.0)),  # Pm
    7: (np.diag([1.0, -1.0, 1.0]), (0.0, 0.0, 0.5)),  # Pc
}


def crystal(group: int, rng: np.random.Generator) -> Atoms:
    """Sixteen atoms at general positions of a group with one operation, kept apart."""
    rotation, translation = OPERATIONS[group]
    cell = [6, 7, 8, 80, 75, 95] if group == 2 else [6.1, 7, 8.2, 90, 104, 90]
    while True:
        half = rng.random((8, 3))
        both = np.concatenate([half, half @ rotation.T + translation])
        atoms = Atoms("P2S6P2S6", scaled_positions=both, cell=cell, pbc=True)
        if len(neighbor_list("i", atoms, 1.2)) == 0:
            return atoms


@pytest.mark.parametrize("group", OPERATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_a_rattled_crystal_gets_its_operation_back(group: int, seed: int) -> None:
    rng = np.random.default_rng([group, seed])
    exact = crystal(group, rng)
    rattled = exact.copy()
    rattled.positions += rng.normal(scale=0.1, size=(len(exact), 3)) + np.array([0.3, 0.2, 0.1])
    rattled.set_cell(exact.cell.array @ (np.eye(3) + 0.005 * rng.normal(size=(3, 3))), True)
    found = symmetrise_nearly(rattled, 1.0, 10.0)
    assert found is not None
    assert space_group(found, symprec=TIGHT, angle_tolerance=-1).number == group
    moved = found.get_scaled_positions(wrap=False) - rattled.get_scaled_positions(wrap=False)
    moved = (moved - moved.mean(axis=0)) @ found.cell.array
    # Averaging over the two images moves an atom by no more than the rattle of both.
    assert np.linalg.norm(moved, axis=1).max() < 0.6


def test_a_crystal_without_symmetry_is_left_at_small_tolerances() -> None:
    rng = np.random.default_rng(5)
    atoms = Atoms(
        "P4S12", scaled_positions=rng.random((16, 3)), cell=[6, 7, 8, 80, 75, 95], pbc=True
    )
    assert symmetrise_nearly(atoms, 0.1, 10.0) is None


def test_frameworks_that_spglib_gives_up_are_refined() -> None:
    """A rattle of 0.25 Å on sixteen atoms: spglib says P1 on every rung."""
    rng = np.random.default_rng(2)
    atoms = crystal(4, rng)
    atoms.positions += rng.normal(scale=0.25, size=(16, 3))
    for symprec, angle_tolerance in LADDER:
        assert space_group(atoms, symprec=symprec, angle_tolerance=angle_tolerance).number == 1
    refined = refine(atoms, cell="input")
    assert refined.refined
    assert refined.space_group.number > 1


@given(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 10_000), st.floats(0, 0.4))
@settings(deadline=None, max_examples=25)
def test_what_comes_back_is_symmetric_and_the_same_atoms(
    group: int, seed: int, rattle: float
) -> None:
    rng = np.random.default_rng(seed)
    atoms = crystal(group, rng)
    atoms.positions += rng.normal(scale=rattle, size=(16, 3))
    before = atoms.copy()
    found = symmetrise_nearly(atoms, 2.0, 30.0)
    assert atoms == before
    if found is not None:
        assert (found.numbers == atoms.numbers).all()
        assert space_group(found, symprec=TIGHT, angle_tolerance=-1).number > 1


def test_the_average_of_a_symmetric_cell_is_that_cell() -> None:
    cell = np.diag([3.0, 3.0, 5.0])
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    group = np.array([np.linalg.matrix_power(quarter, k) for k in range(4)])
    assert np.allclose(average_cell(cell, group), cell)
    strained = average_cell(np.diag([2.9, 3.1, 5.0]), group)
    lengths = np.linalg.norm(strained, axis=1)
    assert lengths[0] == pytest.approx(lengths[1])
    assert lengths[0] == pytest.approx(np.sqrt((2.9**2 + 3.1**2) / 2))
