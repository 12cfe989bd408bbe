"""Space groups and refinement, on crystals whose symmetry is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from gencsp.symmetry.refinement import (
    LADDER,
    LOW_SYMMETRY,
    SpaceGroup,
    refine,
    space_group,
    symmetry_success_rate,
)


def rutile() -> Atoms:
    cell = (4.594, 4.594, 2.959, 90, 90, 90)
    return Atoms(crystal("TiO", [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=cell))


def quartz() -> Atoms:
    sites = [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.4524)]
    cell = (4.916, 4.916, 5.405, 90, 90, 120)
    return Atoms(crystal("SiO", sites, spacegroup=152, cellpar=cell))


CRYSTALS = {
    227: bulk("Si", "diamond", a=5.431),
    225: bulk("NaCl", "rocksalt", a=5.64),
    194: bulk("Ti", "hcp", a=2.95, c=4.68),
    136: rutile(),
    152: quartz(),
}


def rattled(atoms: Atoms, size: float, seed: int = 0) -> Atoms:
    """Every atom moved by exactly ``size`` Å in a random direction."""
    moved = atoms.copy()
    moves = np.random.default_rng(seed).normal(size=moved.positions.shape)
    moved.positions += size * moves / np.linalg.norm(moves, axis=1, keepdims=True)
    return moved


def triclinic() -> Atoms:
    cell = [[3.1, 0.2, 0.3], [0.4, 4.3, 0.5], [0.6, 0.7, 5.2]]
    return Atoms(
        "HeNeAr",
        scaled_positions=[[0, 0, 0], [0.3, 0.4, 0.6], [0.8, 0.2, 0.3]],
        cell=cell,
        pbc=True,
    )


@pytest.mark.parametrize("number", CRYSTALS)
def test_space_groups_are_those_known_and_pymatgens(number: int) -> None:
    atoms = CRYSTALS[number]
    found = space_group(atoms)
    analyzer = SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(atoms), symprec=0.1)
    assert found.number == number == analyzer.get_space_group_number()
    assert found.symbol == analyzer.get_space_group_symbol()


def test_what_spglib_cannot_name_is_p1() -> None:
    on_each_other = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.01]], cell=[3, 4, 5], pbc=True)
    assert space_group(on_each_other) == SpaceGroup(1, "P1")


def test_the_ladder_is_the_papers() -> None:
    assert LADDER[0] == (0.1, 10.0)
    assert LADDER[-1] == (2.0, 30.0)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(LADDER))


@pytest.mark.parametrize("number", CRYSTALS)
def test_symmetry_comes_back_above_the_rattle_and_not_below(number: int) -> None:
    supercell = CRYSTALS[number].repeat((2, 1, 1))
    noisy = rattled(supercell, 0.02)
    below = refine(noisy, ladder=[(0.002, 10.0)])
    assert not below.refined
    assert below.space_group.number == 1
    above = refine(noisy, ladder=[(0.002, 10.0), (0.2, 10.0)])
    assert above.refined
    assert above.symprec == 0.2
    assert above.space_group.number == number
    assert len(above.atoms) == len(CRYSTALS[number])
    assert 0.005 < above.displacement < 0.05


@pytest.mark.parametrize("number", CRYSTALS)
def test_refined_crystal_is_the_one_that_was_rattled(number: int) -> None:
    original = CRYSTALS[number].repeat((2, 1, 1))
    refined = refine(rattled(original, 0.02), ladder=[(0.2, 10.0)], cell="input").atoms
    assert refined.numbers.tolist() == original.numbers.tolist()
    assert space_group(refined, symprec=1e-4, angle_tolerance=-1).number == number
    assert np.abs(refined.cell.cellpar() - original.cell.cellpar()).max() < 1e-6
    to_structure = AseAtomsAdaptor.get_structure
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    rms, largest = matcher.get_rms_dist(to_structure(original), to_structure(refined))
    # Sites without a free parameter return exactly; the others within the rattle (0.02 Å, here
    # in units of the mean atomic spacing).
    assert largest < (1e-6 if number in {227, 225, 194} else 0.02)
    assert rms <= largest


def test_a_strained_cell_is_made_cubic_without_rotation() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    strain = np.array([[0.004, 0.003, 0.0], [0.003, -0.004, 0.002], [0.0, 0.002, 0.001]])
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    refinement = refine(strained, cell="input")
    assert refinement.space_group.number == 225
    assert refinement.atoms.cell.angles() == pytest.approx([90, 90, 90], abs=1e-9)
    assert np.ptp(refinement.atoms.cell.lengths()) < 1e-9
    # A symmetric strain is a pure stretch: undoing it must leave the axes where they were.
    assert np.abs(refinement.atoms.cell.array - 5.64 * np.eye(3)).max() < 0.03


def test_standard_cells_have_spglibs_sizes() -> None:
    noisy = rattled(bulk("Si", "diamond", a=5.431).repeat((2, 2, 1)), 0.01)
    sizes = {c: len(refine(noisy, cell=c).atoms) for c in ("input", "primitive", "conventional")}
    assert sizes == {"input": 8, "primitive": 2, "conventional": 8}


def test_refinement_keeps_info_and_arrays_and_leaves_its_input_alone() -> None:
    noisy = rattled(quartz(), 0.02)
    noisy.info["structure_id"] = "g0001"
    noisy.set_array("place", np.arange(len(noisy)))
    before = noisy.positions.copy()
    refined = refine(noisy, cell="input").atoms
    assert refined.info["structure_id"] == "g0001"
    assert refined.get_array("place").tolist() == list(range(len(noisy)))
    assert np.array_equal(noisy.positions, before)


def test_p1_stays_p1_and_says_so() -> None:
    refinement = refine(triclinic(), ladder=LADDER[:3], cell="input")
    assert not refinement.refined
    assert refinement.space_group.number == 1
    assert np.allclose(refinement.atoms.positions, triclinic().positions)


def test_a_higher_bar_goes_up_the_ladder() -> None:
    """A crystal with inversion at once, and mirrors at a larger tolerance."""
    atoms = rutile()
    atoms.positions[2:] += np.array([0.25, 0, 0.15]) * np.array([[1], [-1], [1], [-1]])
    low = refine(atoms)
    high = refine(atoms, low=frozenset(range(1, 16)))
    assert low.refined
    assert high.symprec > low.symprec
    assert high.space_group.number > 15


def random_crystal(rng: np.random.Generator, n: int) -> Atoms:
    return Atoms(
        rng.choice([3, 14, 16], n),
        scaled_positions=rng.random((n, 3)),
        cell=[*rng.uniform(3.5, 7, 3), *rng.uniform(65, 115, 3)],
        pbc=True,
    )


def test_a_rung_that_puts_atoms_on_each_other_fails() -> None:
    """At large tolerances spglib names groups that random crystals have by merging their atoms."""
    refused = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        atoms = random_crystal(rng, int(rng.integers(2, 9)))
        refinement = refine(atoms, ladder=[(2.0, 30.0)], cell="input")
        named = space_group(atoms, symprec=2.0, angle_tolerance=30.0).number
        refused += named != 1 and not refinement.refined
        if refinement.refined:
            assert shortest(refinement.atoms) > min(0.95 * shortest(atoms), 0.7)
    assert refused > 0


def shortest(atoms: Atoms) -> float:
    """Shortest distance in Å, images included."""
    return float(neighbor_list("d", atoms, 7.1).min())


@st.composite
def crystals(draw: st.DrawFn) -> Atoms:
    n = draw(st.integers(2, 8))
    return random_crystal(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), n)


@given(crystals())
@settings(deadline=None, max_examples=40)
def test_refinement_preserves_composition_and_reports_what_is_there(atoms: Atoms) -> None:
    refinement = refine(atoms, cell="input")
    assert refinement.atoms.numbers.tolist() == atoms.numbers.tolist()
    assert refinement.refined == (refinement.space_group.number != 1)
    tight = space_group(refinement.atoms, symprec=1e-3, angle_tolerance=-1)
    assert tight == refinement.space_group
    smaller = refine(atoms).atoms
    multiple, rest = divmod(len(atoms), len(smaller))
    assert rest == 0
    assert sorted(smaller.numbers.tolist() * multiple) == sorted(atoms.numbers.tolist())


@given(st.sampled_from(sorted(CRYSTALS)), st.integers(0, 1000))
@settings(deadline=None, max_examples=15)
def test_refinement_does_not_depend_on_place_and_order(number: int, seed: int) -> None:
    """At small tolerances: at large ones spglib's own answer depends on the order of the atoms."""
    rng = np.random.default_rng(seed)
    atoms = rattled(CRYSTALS[number].repeat((1, 2, 1)), 0.02, seed)
    other = atoms[rng.permutation(len(atoms))]
    other.positions += rng.normal(size=3)
    a, b = refine(atoms, cell="input"), refine(other, cell="input")
    assert a.space_group == b.space_group == SpaceGroup(number, a.space_group.symbol)
    assert a.symprec == b.symprec
    assert a.displacement == pytest.approx(b.displacement, abs=1e-4)


def test_symmetry_success_rate() -> None:
    groups = [SpaceGroup(n, "") for n in (1, 2, 6, 12)]
    assert symmetry_success_rate(groups) == 0.5
    assert symmetry_success_rate(groups, low=LOW_SYMMETRY | {6}) == 0.25
    with pytest.raises(ValueError, match="no structures"):
        symmetry_success_rate([])
