"""Generalised forces and projections against ASE's filter and constraint."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import ConstraintError
from gencsp.minimise.cell import cell_forces, deformation, largest_row
from gencsp.minimise.restraints import NoSymmetryFound, Restraints
from gencsp.minimise.settings import RelaxSettings


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), pressure=st.floats(-0.1, 0.5))
def test_cell_forces_are_those_of_the_frechet_filter(seed: int, pressure: float) -> None:
    rng = np.random.default_rng(seed)
    atoms = Atoms("Cu3", rng.random((3, 3)), cell=np.eye(3) * 4 + rng.random((3, 3)), pbc=True)
    filtered = FrechetCellFilter(atoms, scalar_pressure=pressure)
    logarithms = 0.2 * rng.normal(size=(1, 3, 3))
    deformations = deformation(logarithms)
    cells = atoms.cell.array[None] @ deformations.transpose(0, 2, 1)
    stress, forces = rng.normal(size=6), rng.normal(size=(3, 3))
    atoms.set_cell(cells[0])
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=forces, stress=stress)
    expected = filtered.get_forces()
    stresses = voigt_6_to_full_3x3_stress(stress)[None]
    ours = cell_forces(logarithms, deformations, cells, stresses, pressure)[0] / 3
    np.testing.assert_allclose(ours, expected[3:], atol=1e-8)
    np.testing.assert_allclose(forces @ deformations[0], expected[:3], atol=1e-8)


def test_convergence_measure_is_the_largest_row_of_each_structure() -> None:
    rows = np.array([[3.0, 4, 0], [0, 0, 1], [0, 0, 7], [2, 0, 0]])
    np.testing.assert_array_equal(largest_row(rows, np.array([2, 1, 1])), [5, 7, 2])


def deformed_alongside(atoms: Atoms) -> Atoms:
    """The same structure under a strain that keeps the symmetry of any cubic cell."""
    other = atoms.copy()
    other.set_constraint()
    other.set_cell(atoms.cell.array * 1.07, scale_atoms=True)
    return other


@pytest.mark.parametrize(
    "atoms", [bulk("NaCl", "rocksalt", a=5.6), bulk("Si", cubic=True), bulk("Mg") * (2, 1, 1)]
)
def test_projections_are_those_of_fix_symmetry(atoms: Atoms) -> None:
    rng = np.random.default_rng(3)
    restraints, start = Restraints.of(atoms, RelaxSettings(keep_symmetry=True, symprec=1e-3))
    constraint = FixSymmetry(start.copy(), symprec=1e-3)
    here = deformed_alongside(start)
    forces, stress = rng.normal(size=(len(atoms), 3)), rng.normal(size=6)
    ours, our_stress = restraints.project(
        here.cell.array, forces, voigt_6_to_full_3x3_stress(stress)
    )
    constraint.adjust_forces(here, forces)
    constraint.adjust_stress(here, stress)
    np.testing.assert_allclose(ours, forces, atol=1e-10)
    np.testing.assert_allclose(full_3x3_to_voigt_6_stress(our_stress), stress, atol=1e-10)


def test_a_fix_symmetry_on_the_structure_is_used_as_it_is() -> None:
    atoms = bulk("Si", cubic=True)
    atoms.set_constraint(FixSymmetry(atoms))
    restraints, _ = Restraints.of(atoms, RelaxSettings())
    assert restraints.symmetry is not None
    assert len(restraints.symmetry.rotations) == 192


def test_fixed_atoms_feel_no_force() -> None:
    atoms = bulk("Si", cubic=True)
    atoms.set_constraint([FixAtoms([0, 2]), FixAtoms([-1])])
    restraints, start = Restraints.of(atoms, RelaxSettings())
    forces, _ = restraints.project(start.cell.array, np.ones((8, 3)), np.eye(3))
    np.testing.assert_array_equal(np.flatnonzero(~forces.any(axis=1)), [0, 2, 7])


def test_other_constraints_are_refused_by_name() -> None:
    atoms = bulk("Si")
    atoms.set_constraint(FixCartesian(0, mask=(True, False, False)))
    with pytest.raises(ConstraintError, match="FixCartesian"):
        Restraints.of(atoms, RelaxSettings())


def test_atoms_on_one_site_have_no_symmetry() -> None:
    atoms = Atoms("Si2", [[0, 0, 0], [0, 0, 1e-5]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(NoSymmetryFound):
        Restraints.of(atoms, RelaxSettings(keep_symmetry=True))


def test_the_users_structure_is_left_alone() -> None:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(1e-3, seed=0)
    before = atoms.positions.copy()
    _, start = Restraints.of(atoms, RelaxSettings(keep_symmetry=True, symprec=0.05))
    np.testing.assert_array_equal(atoms.positions, before)
    assert not np.array_equal(start.positions, before)
