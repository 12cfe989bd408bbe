"""Relaxation with rigid units at first: exact forces, exact bonds, nothing ends higher."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixCartesian
from ase.units import GPa
from unit_salts import ammonium_chloride, bond_lengths, sodium_amide

from gencsp.minimise import Outcome, Relaxed, RelaxSettings, relax_with
from gencsp.minimise.calculator import _evaluate, _numbers
from gencsp.minimise.coordinates import Coordinates, Motion
from gencsp.minimise.crystals import Evaluate
from gencsp.minimise.inflight import relax_in_flight, rigid_stage
from gencsp.minimise.rigid import RigidCoordinates
from gencsp.potentials import get_potential
from gencsp.potentials.chgnet.native import NativeEngine
from gencsp.records import record
from gencsp.symmetry.refinement import space_group

#: Å.
EXACT = 1e-6


def lennard_jones() -> Calculator:
    return LennardJones(sigma=2.4, epsilon=0.05, rc=7.0, smooth=True)


def evaluator() -> Evaluate:
    calculator = lennard_jones()
    return lambda crystals: _evaluate(
        lambda bare: _numbers(calculator, bare, need_stress=True), crystals
    )


def enthalpy_and_forces(
    coordinates: Motion, pressure: float, *, fixed_cell: bool
) -> tuple[np.ndarray, np.ndarray]:
    crystals, deformations = coordinates.crystals()
    values = evaluator()(crystals)
    forces = coordinates.forces(
        crystals,
        deformations,
        values.forces,
        values.stresses,
        pressure=pressure,
        fixed_cell=fixed_cell,
    )
    return values.energies + pressure * np.abs(np.linalg.det(crystals.cells)), forces


@pytest.mark.parametrize("fixed_cell", [False, True])
def test_forces_are_the_slope_of_the_enthalpy(fixed_cell: bool) -> None:
    """Two crystals at once, deformed and turned before, against central differences."""
    rng = np.random.default_rng(3)
    pressure = 5 * GPa
    coordinates = RigidCoordinates.of([sodium_amide(), ammonium_chloride(0.2)])
    rows = coordinates.rows + 3
    assert coordinates.rows.tolist() == [12, 3]
    away = 0.1 * rng.normal(size=(int(rows.sum()), 3))
    if fixed_cell:
        away[9 + 3 : 9 + 6] = 0
        away[-3:] = 0
        away[12:15] = 0
    coordinates = coordinates.moved(away)
    _, forces = enthalpy_and_forces(coordinates, pressure, fixed_cell=fixed_cell)
    step = 1e-4
    ends = np.cumsum(rows)
    for trial in range(6):
        direction = rng.normal(size=away.shape)
        # A rotation by a vector is one about the present orientation: to first order they add.
        for one in range(2):
            own = np.zeros_like(direction)
            own[ends[one] - rows[one] : ends[one]] = direction[ends[one] - rows[one] : ends[one]]
            if fixed_cell:
                own[ends[one] - 3 : ends[one]] = 0
            if trial % 3 == 1:
                own[ends[one] - 3 : ends[one]] = 0  # units alone
            elif trial % 3 == 2 and not fixed_cell:
                own[: ends[one] - 3] = 0  # the cell alone
            up, _ = enthalpy_and_forces(coordinates.moved(step * own), pressure, fixed_cell=False)
            down, _ = enthalpy_and_forces(
                coordinates.moved(-step * own), pressure, fixed_cell=False
            )
            slope = (up - down)[one] / (2 * step)
            assert -(forces * own).sum() == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_a_crystal_of_single_atoms_has_the_coordinates_of_its_atoms() -> None:
    atoms = ammonium_chloride()
    atoms.set_array("unit", np.arange(6))
    atoms.set_array("unit_atom", np.zeros(6, dtype=int))
    atoms.info["unit_names"] = "Cl;N;H;H;H;H"
    rng = np.random.default_rng(0)
    move = 0.05 * rng.normal(size=(9, 3))
    move[6:] += move[6:].T
    one, other = (kind.of([atoms]).moved(move) for kind in (RigidCoordinates, Coordinates))
    np.testing.assert_allclose(one.crystals()[0].positions, other.crystals()[0].positions)
    _, ours = enthalpy_and_forces(one, 0.0, fixed_cell=False)
    _, theirs = enthalpy_and_forces(other, 0.0, fixed_cell=False)
    theirs[6:] = (theirs[6:] + theirs[6:].T) / 2  # only symmetric deformations
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def rigid(atoms: Atoms, **settings: object) -> Relaxed:
    how = RelaxSettings(rigid_units=True, steps=60, **settings)  # type: ignore[arg-type]
    stage = rigid_stage(how, evaluator(), max_atoms=1)
    (result,) = stage([atoms], None, None)
    return result


@pytest.mark.parametrize("settings", [{}, {"fixed_cell": True}, {"pressure": 20.0}])
@pytest.mark.parametrize("minimiser", ["quasi-newton", "fire"])
def test_bonds_are_exact_after_the_first_stage_and_the_enthalpy_is_lower(
    settings: dict[str, object], minimiser: str
) -> None:
    start = sodium_amide()
    start.wrap()
    result = rigid(start, minimiser=minimiser, **settings)
    assert result.outcome in (Outcome.CONVERGED, Outcome.STEP_LIMIT)
    assert result.steps > 3
    np.testing.assert_allclose(bond_lengths(result.atoms), 1.03, atol=EXACT)
    before = start.copy()
    before.calc = lennard_jones()
    pressure = float(settings.get("pressure", 0.0)) * GPa  # type: ignore[arg-type]
    assert result.enthalpy < before.get_potential_energy() + pressure * start.cell.volume
    if settings.get("fixed_cell"):
        np.testing.assert_array_equal(result.atoms.cell.array, start.cell.array)
    else:
        assert np.abs(result.atoms.cell.array - start.cell.array).max() > 0.01


def test_symmetry_is_kept_where_it_is_asked_for() -> None:
    engine = get_potential("chgnet", engine="native")
    assert isinstance(engine, NativeEngine)
    evaluate = partial(engine._values, workers=1)
    how = RelaxSettings(rigid_units=True, keep_symmetry=True)
    (result,) = rigid_stage(how, evaluate, max_atoms=1)([sodium_amide()], None, None)
    assert result.converged
    assert space_group(result.atoms, symprec=1e-6).number == 14
    np.testing.assert_allclose(bond_lengths(result.atoms), 1.03, atol=EXACT)


def test_a_start_above_which_nothing_lies_is_where_the_stage_ends() -> None:
    """A minimum in its coordinates, made to look uphill by a huge first step."""
    low = rigid(sodium_amide(), fixed_cell=True).atoms
    again = rigid(low, fixed_cell=True, fmax=1e-9, minimiser="fire:dt=1,dtmax=1,maxstep=2")
    assert again.energy <= low.get_potential_energy() + 1e-9


def test_the_second_stage_frees_the_bonds() -> None:
    atoms = sodium_amide()
    calls: list[tuple[int, int]] = []
    paths: dict[int, list[Atoms]] = {}
    results = relax_in_flight(
        [atoms, ammonium_chloride(0.3)],
        RelaxSettings(rigid_units=True, steps=8),
        evaluator(),
        max_atoms=100,
        first=5,
        on_step=lambda index, step, *_: calls.append((index, step)),
        on_path=lambda index, frames: paths.update({index: frames}),
    )
    found = {result.index: result for result in results}
    assert sorted(found) == sorted(paths) == [5, 6]
    result = found[5]
    assert np.abs(bond_lengths(result.atoms) - 1.03).max() > 0.01
    assert result.steps > 8
    assert max(step for index, step in calls if index == 5) == result.steps
    frames = paths[5]
    np.testing.assert_allclose(frames[0].positions, atoms.positions)
    np.testing.assert_allclose(frames[-1].positions, result.atoms.positions)
    kept = [np.abs(bond_lengths(frame) - 1.03).max() < EXACT for frame in frames]
    assert kept.index(False) > 2  # at first rigid, then never again
    assert not any(kept[kept.index(False) :])


def test_what_names_no_units_is_bad_input_and_the_others_go_on() -> None:
    bare = Atoms("NaCl", scaled_positions=[[0, 0, 0], [0.5] * 3], cell=[3.5] * 3, pbc=True)
    results = relax_in_flight(
        [bare, sodium_amide()],
        RelaxSettings(rigid_units=True, steps=1),
        evaluator(),
        max_atoms=100,
    )
    found = {result.index: result for result in results}
    assert found[0].outcome is Outcome.BAD_INPUT
    assert "--units" in found[0].reason
    assert found[1].steps == 2


def test_a_callback_stops_the_first_stage() -> None:
    calls = []

    def stop(index: int, step: int, energy: float, fmax: float) -> bool:  # noqa: ARG001
        calls.append(step)
        return step < 2

    how = RelaxSettings(rigid_units=True)
    result = relax_with(lennard_jones(), sodium_amide(), how, 7, on_step=stop)
    assert (result.index, result.outcome, calls) == (7, Outcome.STOPPED, [0, 1, 2])


def test_constraints_hold_whole_units_in_a_fixed_cell_and_no_others() -> None:
    atoms = sodium_amide()
    atoms.set_constraint(FixAtoms([4, 5, 6, 0]))
    result = rigid(atoms, fixed_cell=True)
    moved = np.linalg.norm(result.atoms.positions - atoms.positions, axis=1)
    assert moved[[0, 4, 5, 6]].max() < 1e-12
    assert moved[[7, 8, 9]].min() > 1e-3
    for constraint, settings, why in (
        (FixAtoms([4, 5]), {"fixed_cell": True}, "some atoms of a rigid unit"),
        (FixAtoms([0]), {}, "while units are rigid and the cell relaxes"),
        (FixCartesian([0], [True, False, False]), {"fixed_cell": True}, "directions"),
    ):
        atoms.set_constraint(constraint)
        refused = rigid(atoms, **settings)
        assert refused.outcome is Outcome.CONSTRAINED
        assert why in refused.reason


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_chgnet_relaxes_ammonium_chloride_in_two_stages(engine: str) -> None:
    start = ammonium_chloride(0.4)
    potential = get_potential("chgnet", engine=engine)  # type: ignore[arg-type]
    settings = RelaxSettings(rigid_units=True)
    (result,) = potential.relax([start], settings)
    assert result.converged
    assert result.broken_units == ""
    assert 0.01 < np.abs(bond_lengths(result.atoms) - 1.03).max() < 0.1
    (still,) = potential.evaluate([start])
    assert result.energy < still.energy
    assert result.energy_model == "chgnet-0.3.0"
    assert result.atoms.info["unit_names"] == "Cl;NH4"


class Splitting(LennardJones):  # type: ignore[misc]
    """Lennard-Jones and springs that draw the first hydrogen 1.2 Å away from where it was."""

    def calculate(self, atoms=None, properties=None, system_changes=()):  # type: ignore[no-untyped-def]
        super().calculate(atoms, properties, system_changes)
        pull = atoms.positions - self.wanted
        self.results = {
            "energy": float(2 * (pull**2).sum()),
            "free_energy": float(2 * (pull**2).sum()),
            "forces": -4 * pull,
            "stress": np.zeros(6),
        }


def test_broken_units_are_said_or_are_no_result() -> None:
    atoms = ammonium_chloride()
    calculator = Splitting()
    calculator.wanted = atoms.positions.copy()
    calculator.wanted[2] += 0.6 * (atoms.positions[2] - atoms.positions[1])
    for rigid_units in (False, True):
        how = RelaxSettings(fixed_cell=True, fmax=0.01, rigid_units=rigid_units)
        kept = relax_with(calculator, atoms, how)
        dropped = relax_with(calculator, atoms, replace(how, broken_units="drop"))
        assert kept.converged
        assert kept.broken_units.startswith("NH4 2: N-H 1.03 -> 1.6")
        assert dropped.outcome is Outcome.BROKEN_UNITS
        assert dropped.reason == dropped.broken_units == kept.broken_units
        assert kept.unit_bond_change == dropped.unit_bond_change == pytest.approx(0.6, abs=0.02)
        assert record(kept).info["broken_units"] == kept.broken_units
        assert kept.atoms.info["unit_bond_change"] == kept.unit_bond_change
        assert record(dropped).info["outcome"] == "rigid units broken"
        whole = relax_with(lennard_jones(), atoms, replace(how, steps=0))
        assert whole.broken_units == ""


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_chgnets_engines_compare_with_the_start(engine: str) -> None:
    """A bond that begins too short is stretched by its relaxation; a long one is not broken."""
    potential = get_potential("chgnet", engine=engine)  # type: ignore[arg-type]
    for factor, said in ((0.75, "NH4 2: N-H 0.77 -> 1.0"), (1.22, "")):
        atoms = ammonium_chloride()
        atoms.positions[2] = atoms.positions[1] + factor * (atoms.positions[2] - atoms.positions[1])
        (result,) = potential.relax([atoms], RelaxSettings())
        assert result.converged
        assert result.broken_units.startswith(said)
        assert bool(result.broken_units) is bool(said)
