"""What constraints fix does not move, in every engine; what cannot be held is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import (
    FixAtoms,
    FixBondLengths,
    FixCartesian,
    FixConstraint,
    FixedLine,
    FixedPlane,
    FixScaled,
    FixSymmetry,
)
from ase.optimize import BFGS
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import ConstraintError
from gencsp.minimise import Outcome, Relaxed, RelaxSettings
from gencsp.minimise.restraints import Restraints
from gencsp.potentials import AseEngine
from gencsp.potentials.chgnet.select import engine_status, get_engine

Run = Callable[[list[Atoms], RelaxSettings], list[Relaxed]]
STILL = RelaxSettings(fixed_cell=True, fmax=0.02, steps=60)


def by_ase(structures: list[Atoms], how: RelaxSettings) -> list[Relaxed]:
    return list(AseEngine(EMT(), model="emt", digest="").relax(structures, how))


def by_torch(structures: list[Atoms], how: RelaxSettings) -> list[Relaxed]:
    return list(get_engine("torch", device="cpu").relax(structures, how))


def by_native(structures: list[Atoms], how: RelaxSettings) -> list[Relaxed]:
    return list(get_engine("native").relax(structures, how, workers=2))


@pytest.fixture(params=[by_ase, by_torch, by_native])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param is by_native and engine_status().name != "native":
        pytest.skip("the extension is not built")
    chosen: Run = request.param
    return chosen


def copper(*constraints: FixConstraint, seed: int = 1) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.08, seed=seed)
    atoms.set_constraint(list(constraints))
    return atoms


def directions(draw: st.DrawFn) -> np.ndarray:
    vector = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 3)))
    return vector if np.linalg.norm(vector) > 0.1 else np.array([0.0, 0, 1])


@st.composite
def one_constraint(draw: st.DrawFn) -> FixConstraint:
    atoms = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True))
    kind = draw(st.sampled_from(["atoms", "cartesian", "plane", "line"]))
    if kind == "atoms":
        return FixAtoms(atoms)
    if kind == "cartesian":
        return FixCartesian(atoms, draw(st.tuples(*[st.booleans()] * 3)))
    return (FixedPlane if kind == "plane" else FixedLine)(atoms, directions(draw))


@given(constraint=one_constraint(), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_forces_are_projected_as_ase_does(constraint: FixConstraint, seed: int) -> None:
    atoms = copper(constraint)
    forces = np.random.default_rng(seed).normal(size=(4, 3))
    restraints, start = Restraints.of(atoms, STILL)
    ours, _ = restraints.project(start.cell.array, forces, np.zeros((3, 3)))
    constraint.adjust_forces(atoms, forces)
    np.testing.assert_allclose(ours, forces, atol=1e-10)


@given(several=st.lists(one_constraint(), min_size=2, max_size=3), seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_several_constraints_hold_at_once(several: list[FixConstraint], seed: int) -> None:
    """ASE applies them one after another, so that the first may be broken by the next; here the
    projection obeys each: none of them takes anything more away, and twice is as once."""
    atoms = copper(*several)
    forces = np.random.default_rng(seed).normal(size=(4, 3))
    restraints, start = Restraints.of(atoms, STILL)
    ours, _ = restraints.project(start.cell.array, forces, np.zeros((3, 3)))
    for constraint in several:
        left = ours.copy()
        constraint.adjust_forces(atoms, left)
        np.testing.assert_allclose(left, ours, atol=1e-7)
    again, _ = restraints.project(start.cell.array, ours, np.zeros((3, 3)))
    np.testing.assert_allclose(again, ours, atol=1e-10)


def test_what_is_fixed_does_not_move(run: Run) -> None:
    slope = np.array([1.0, 2.0, -0.5])
    structures = [
        copper(FixAtoms([0, 2])),
        copper(FixCartesian([1, 3], (True, False, True))),
        copper(FixedPlane([0, 1], slope)),
        copper(FixedLine([2], slope)),
    ]
    results = {r.index: r for r in run(structures, STILL)}
    moved = [results[k].atoms.positions - a.positions for k, a in enumerate(structures)]
    along = slope / np.linalg.norm(slope)
    np.testing.assert_allclose(moved[0][[0, 2]], 0, atol=1e-10)
    np.testing.assert_allclose(moved[1][[1, 3]][:, [0, 2]], 0, atol=1e-10)
    np.testing.assert_allclose(moved[2][[0, 1]] @ along, 0, atol=1e-10)
    np.testing.assert_allclose(np.cross(moved[3][2], along), 0, atol=1e-10)
    for k, displacement in enumerate(moved):
        assert results[k].steps > 1
        assert np.abs(displacement).max() > 0.01  # the others did move
        names = [type(c).__name__ for c in results[k].atoms.constraints]
        assert names == [type(c).__name__ for c in structures[k].constraints]


@pytest.mark.parametrize(
    "constraint",
    [
        FixAtoms([0, 2]),
        FixCartesian([1, 3], (True, False, True)),
        FixedPlane([0, 1], (1, 2, -0.5)),
        FixedLine([2], (1, 2, -0.5)),
    ],
    ids=lambda c: type(c).__name__,
)
def test_minima_are_those_of_ases_optimiser(constraint: FixConstraint) -> None:
    settings = RelaxSettings(fixed_cell=True, fmax=1e-4, steps=300)
    (found,) = by_ase([copper(constraint)], settings)
    theirs = copper(constraint)
    theirs.calc = EMT()
    BFGS(theirs, logfile=None).run(fmax=1e-4, steps=300)
    assert found.converged
    assert found.energy == pytest.approx(theirs.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(found.atoms.positions, theirs.positions, atol=1e-3)


def test_one_bad_structure_does_not_end_the_others(run: Run) -> None:
    slab = copper()
    slab.pbc = (True, True, False)
    molecule = Atoms("CuAu", [[0, 0, 0], [0, 0, 2.5]])
    other = copper()
    other.set_constraint(FixSymmetry(bulk("Cu")))
    structures = [
        copper(),
        copper(FixCartesian([1], (True, False, False))),
        copper(FixBondLengths([[0, 1]])),
        slab,
        copper(FixScaled([0])),
        molecule,
        other,
        copper(seed=2),
    ]
    results = {r.index: r for r in run(structures, RelaxSettings(fmax=0.05, steps=100))}
    assert sorted(results) == list(range(8))
    assert [results[k].outcome for k in (0, 7)] == [Outcome.CONVERGED] * 2
    for k, name in ((1, "FixCartesian"), (2, "FixBondLengths"), (4, "FixScaled"), (6, "1 atoms")):
        assert results[k].outcome is Outcome.CONSTRAINED
        assert name in results[k].reason
        assert results[k].steps == 0
        np.testing.assert_array_equal(results[k].atoms.positions, structures[k].positions)
    for k in (3, 5):
        assert results[k].outcome is Outcome.NOT_PERIODIC
        assert np.isnan(results[k].energy)
        assert results[k].atoms.calc is None
    for result in results.values():
        assert result.energy_model


def group(atoms: Atoms, symprec: float) -> int:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return int(spglib.get_symmetry_dataset(cell, symprec=symprec).number)


def rutile_like() -> Atoms:
    """Two orbits, one of which can move within the group."""
    u = 0.27
    frac = [(0, 0, 0), (0.5, 0.5, 0.5), (u, u, 0), (-u, -u, 0), (0.5 + u, 0.5 - u, 0.5),
            (0.5 - u, 0.5 + u, 0.5)]  # fmt: skip
    return Atoms("Au2Cu4", scaled_positions=frac, cell=[4.9, 4.9, 3.3], pbc=True)


def test_fixing_part_of_an_orbit_is_refused(run: Run) -> None:
    """No displacement that keeps the group leaves one of four equivalent atoms where it is."""
    part, whole = rutile_like(), rutile_like()
    part.set_constraint([FixAtoms([2]), FixSymmetry(part)])
    whole.set_constraint([FixAtoms([2, 3, 4, 5]), FixSymmetry(whole)])
    results = {r.index: r for r in run([part, whole], RelaxSettings(fixed_cell=True, steps=20))}
    assert results[0].outcome is Outcome.CONSTRAINED
    assert "(atoms [3, 4, 5]): fix whole orbits" in results[0].reason
    assert results[1].outcome is not Outcome.CONSTRAINED
    np.testing.assert_allclose(results[1].atoms.positions[2:], whole.positions[2:], atol=1e-10)
    keep = RelaxSettings(keep_symmetry=True)
    part.set_constraint(FixAtoms([2]))
    assert next(iter(run([part], keep))).outcome is Outcome.CONSTRAINED


def test_a_fixed_atom_is_not_moved_onto_its_site(run: Run) -> None:
    atoms = rutile_like()
    atoms.positions += 1e-3 * np.random.default_rng(0).normal(size=(6, 3))
    atoms.set_constraint(FixAtoms([0, 1]))
    how = RelaxSettings(fixed_cell=True, steps=20, keep_symmetry=True, symprec=0.05)
    (result,) = run([atoms], how)
    np.testing.assert_allclose(result.atoms.positions[:2], atoms.positions[:2], atol=1e-10)
    assert np.abs(result.atoms.positions - atoms.positions).max() > 1e-2
    assert group(result.atoms, 0.05) == 136


def test_directions_and_symmetry_contradict_each_other() -> None:
    atoms = rutile_like()
    atoms.set_constraint(FixedPlane([0], (0, 0, 1)))
    with pytest.raises(ConstraintError, match="FixedPlane"):
        Restraints.of(atoms, RelaxSettings(fixed_cell=True, keep_symmetry=True))
    with pytest.raises(ConstraintError, match="fixed_cell=True"):
        Restraints.of(atoms, RelaxSettings())
