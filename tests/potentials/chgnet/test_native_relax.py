"""The native relaxations against ASE's own minimiser and filter on the same forces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLength, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

native = pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")

from gencsp.calculators.potential import CHGNetCalculator  # noqa: E402
from gencsp.minimise.result import Outcome, Relaxed  # noqa: E402
from gencsp.minimise.settings import Minimiser, RelaxSettings  # noqa: E402

MINIMISERS: tuple[Minimiser, ...] = ("fire", "quasi-newton")


def distorted(seed: int = 0, *, repeat: tuple[int, int, int] = (2, 1, 1)) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = bulk("NaCl", "rocksalt", a=5.9) * repeat
    atoms.positions += rng.normal(0, 0.2, atoms.positions.shape)
    atoms.set_cell(atoms.cell.array + rng.normal(0, 0.1, (3, 3)), scale_atoms=True)
    return atoms


def relax(atoms: Atoms, settings: RelaxSettings) -> Relaxed:
    result: Relaxed
    (result,) = native.NativeEngine().relax([atoms], settings)
    return result


def relax_with_ase(atoms: Atoms, settings: RelaxSettings) -> tuple[Atoms, FIRE]:
    atoms = atoms.copy()
    atoms.calc = CHGNetCalculator(engine="native")
    target = (
        atoms
        if settings.fixed_cell
        else FrechetCellFilter(atoms, scalar_pressure=settings.pressure * units.GPa)
    )
    minimiser = FIRE(target, logfile=None)
    minimiser.run(fmax=settings.fmax, steps=settings.steps)
    return atoms, minimiser


@pytest.mark.parametrize(
    "settings",
    [
        RelaxSettings(minimiser="fire", fmax=0.05),
        RelaxSettings(minimiser="fire", fmax=0.05, pressure=20.0),
        RelaxSettings(minimiser="fire", fmax=0.05, fixed_cell=True),
        RelaxSettings(minimiser="fire", fmax=1e-6, steps=17),
    ],
    ids=["plain", "pressure", "fixed cell", "step limit"],
)
def test_fire_follows_ase_step_by_step(settings: RelaxSettings) -> None:
    expected, minimiser = relax_with_ase(distorted(), settings)
    found = relax(distorted(), settings)
    assert found.steps == minimiser.nsteps
    assert found.converged == (minimiser.nsteps < settings.steps)
    np.testing.assert_allclose(found.atoms.positions, expected.positions, atol=1e-7)
    np.testing.assert_allclose(found.atoms.cell.array, expected.cell.array, atol=1e-7)
    energy = expected.get_potential_energy()
    assert found.energy == pytest.approx(energy, abs=1e-6)
    pressure = settings.pressure * units.GPa
    assert found.enthalpy == pytest.approx(energy + pressure * expected.cell.volume, abs=1e-5)
    np.testing.assert_allclose(found.stress, expected.get_stress(), atol=1e-6)
    np.testing.assert_allclose(found.atoms.get_forces(), expected.get_forces(), atol=1e-5)


def test_fire_with_other_constants_follows_ase() -> None:
    atoms = distorted()
    atoms.calc = CHGNetCalculator()
    FIRE(FrechetCellFilter(atoms), logfile=None, dt=0.05, maxstep=0.1).run(fmax=1e-6, steps=17)
    settings = RelaxSettings(minimiser="fire:dt=0.05,maxstep=0.1", fmax=1e-6, steps=17)
    found = relax(distorted(), settings)
    assert found.steps == 17
    np.testing.assert_allclose(found.atoms.positions, atoms.positions, atol=1e-6)
    plain = relax(distorted(), RelaxSettings(minimiser="fire", fmax=1e-6, steps=17))
    assert np.abs(plain.atoms.positions - atoms.positions).max() > 1e-4


@pytest.mark.parametrize("minimiser", ["fire", "quasi-newton"])
def test_threads_that_share_a_large_structure_take_the_same_path(minimiser: str) -> None:
    start = bulk("MgO", "rocksalt", a=4.3, cubic=True).repeat((2, 2, 2))
    start.rattle(0.1, seed=1)
    settings = RelaxSettings(minimiser=minimiser, steps=4)
    engine = native.NativeEngine()
    alone, shared = (next(engine.relax([start], settings, workers=n)) for n in (1, 3))
    assert alone.steps == shared.steps == 4
    assert alone.energy == shared.energy
    np.testing.assert_array_equal(alone.atoms.positions, shared.atoms.positions)
    np.testing.assert_array_equal(alone.atoms.cell.array, shared.atoms.cell.array)


def test_fire_follows_ase_with_fixed_atoms() -> None:
    start = distorted()
    start.set_constraint(FixAtoms([0, 2]))
    settings = RelaxSettings(minimiser="fire", fmax=0.05)
    expected, minimiser = relax_with_ase(start, settings)
    found = relax(start, settings)
    assert found.steps == minimiser.nsteps
    np.testing.assert_allclose(found.atoms.positions, expected.positions, atol=1e-7)
    np.testing.assert_allclose(
        found.atoms.get_scaled_positions()[[0, 2]], start.get_scaled_positions()[[0, 2]], atol=1e-9
    )


def symmetric_start() -> Atoms:
    """Rutile with a cell and an internal parameter away from the minimum; strained along z."""
    u = 0.33
    scaled = [[0, 0, 0], [0.5, 0.5, 0.5], [u, u, 0], [-u, -u, 0], [0.5 + u, 0.5 - u, 0.5],
              [0.5 - u, 0.5 + u, 0.5]]  # fmt: skip
    return Atoms("Ti2O4", scaled_positions=scaled, cell=[4.9, 4.9, 2.7], pbc=True)


@pytest.mark.parametrize("minimiser", MINIMISERS)
def test_symmetry_is_kept(minimiser: Minimiser) -> None:
    import spglib

    def group(atoms: Atoms) -> str:
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        return str(spglib.get_spacegroup(cell, symprec=1e-6))

    start = symmetric_start()
    settings = RelaxSettings(fmax=0.01, keep_symmetry=True, minimiser=minimiser)
    found = relax(start, settings)
    assert found.converged
    assert group(found.atoms) == group(start)
    # A FixSymmetry that the structure carries does the same.
    carried = symmetric_start()
    carried.set_constraint(FixSymmetry(carried))
    other = relax(carried, RelaxSettings(fmax=0.01, minimiser=minimiser))
    np.testing.assert_allclose(other.atoms.positions, found.atoms.positions, atol=1e-9)


def test_symmetric_fire_follows_ase() -> None:
    start = symmetric_start()
    start.set_constraint(FixSymmetry(start))
    settings = RelaxSettings(minimiser="fire", fmax=0.05)
    expected, minimiser = relax_with_ase(start, settings)
    found = relax(start, settings)
    assert found.steps == minimiser.nsteps
    np.testing.assert_allclose(found.atoms.positions, expected.positions, atol=1e-6)
    np.testing.assert_allclose(found.atoms.cell.array, expected.cell.array, atol=1e-6)


def test_symmetry_averages_out_what_breaks_it() -> None:
    """A symmetric crystal whose atoms were displaced keeps exactly that displacement."""
    start = symmetric_start()
    held = FixSymmetry(start)
    moved = start.copy()
    moved.positions[2] += [0.02, -0.01, 0.03]
    moved.set_constraint(held)
    found = relax(moved, RelaxSettings(fmax=1e-9, steps=5, fixed_cell=True))
    moves = found.atoms.positions - moved.positions
    held.adjust_forces(start, averaged := moves.copy())
    np.testing.assert_allclose(averaged, moves, atol=1e-10)
    assert np.abs(moves).max() > 1e-4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_minimisers_find_the_same_minimum(seed: int) -> None:
    fire = relax(distorted(seed), RelaxSettings(fmax=0.005, steps=600, minimiser="fire"))
    newton = relax(distorted(seed), RelaxSettings(fmax=0.005, steps=600))
    assert fire.converged
    assert newton.converged
    assert newton.steps < fire.steps
    assert newton.energy_per_atom == pytest.approx(fire.energy_per_atom, abs=1e-3)


@pytest.mark.parametrize("minimiser", MINIMISERS)
def test_result_is_what_its_structure_evaluates_to(minimiser: Minimiser) -> None:
    found = relax(distorted(), RelaxSettings(minimiser=minimiser))
    again = native.NativeEngine().evaluate([found.atoms])[0]
    assert found.energy == pytest.approx(again.energy, abs=1e-5)
    np.testing.assert_allclose(found.stress, again.stress, atol=1e-5)


@pytest.mark.parametrize("minimiser", MINIMISERS)
def test_results_do_not_depend_on_the_number_of_threads(minimiser: Minimiser) -> None:
    structures = [distorted(seed) for seed in range(6)]
    settings = RelaxSettings(minimiser=minimiser, steps=40)
    engine = native.NativeEngine()
    one = {r.index: r for r in engine.relax(structures, settings, workers=1)}
    two = {r.index: r for r in engine.relax(structures, settings, workers=2)}
    assert set(one) == set(two) == set(range(6))
    for i in one:
        np.testing.assert_array_equal(one[i].atoms.positions, two[i].atoms.positions)
        assert one[i].energy == two[i].energy
        assert one[i].outcome is two[i].outcome


def test_stream_is_read_as_room_comes_free() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Atoms]:
        for seed in range(10**9):
            taken.append(seed)
            yield distorted(seed)

    results = native.NativeEngine().relax(endless(), RelaxSettings(steps=2), workers=2)
    for _ in range(5):
        next(results)
    results.close()
    assert len(taken) <= 5 + 8


def test_path_is_handed_over() -> None:
    paths: dict[int, list[Atoms]] = {}
    (found,) = native.NativeEngine().relax(
        [distorted()], RelaxSettings(), on_path=lambda i, path: paths.__setitem__(i, path)
    )
    path = paths[0]
    assert len(path) == found.steps + 1
    np.testing.assert_allclose(path[0].positions, distorted().positions, atol=1e-12)
    assert path[-1].get_potential_energy() == found.energy
    assert path[0].get_potential_energy() > found.energy


def test_info_and_constraints_are_carried() -> None:
    start = distorted()
    start.info["tag"] = "kept"
    start.set_constraint(FixAtoms([1]))
    found = relax(start, RelaxSettings(steps=1))
    assert found.atoms.info["tag"] == "kept"
    assert isinstance(found.atoms.constraints[0], FixAtoms)
    assert start.calc is None


def test_other_constraints_are_refused() -> None:
    start = distorted()
    start.set_constraint(FixBondLength(0, 1))
    refused = relax(start, RelaxSettings())
    assert refused.outcome is Outcome.CONSTRAINED
    assert "FixBondLength" in refused.reason


def test_hopeless_candidates_stop_early() -> None:
    far = relax(distorted(), RelaxSettings(fmax=1e-5, steps=200, ceiling=-100.0))
    assert far.outcome is Outcome.HOPELESS
    assert far.steps < 100
    fine = relax(distorted(), RelaxSettings(ceiling=-3.0))
    assert fine.converged


def test_time_limit() -> None:
    found = relax(distorted(), RelaxSettings(fmax=1e-9, steps=10**6, time_limit=0.2))
    assert found.outcome is Outcome.TIME_LIMIT
    assert np.isfinite(found.energy)


@pytest.mark.parametrize("minimiser", MINIMISERS)
@pytest.mark.parametrize(
    ("atoms", "verdict"),
    [
        (Atoms("Na", cell=[20, 20, 20], pbc=True), Outcome.ISOLATED),
        (Atoms("Na", [[np.nan, 0, 0]], cell=[3, 3, 3], pbc=True), Outcome.BAD_INPUT),
        (Atoms("Na2", [[0, 0, 0], [0, 0, 1]]), Outcome.NOT_PERIODIC),
        (Atoms([0, 1], cell=[3, 3, 3], pbc=True), Outcome.BAD_INPUT),
        (Atoms(), Outcome.BAD_INPUT),
        (Atoms("Na", cell=[0.3, 0.3, 0.3], pbc=True), Outcome.EXPLODED),
    ],
    ids=["isolated", "NaN", "no cell", "no element", "empty", "collapsed"],
)
def test_bad_input_ends_in_a_verdict(atoms: Atoms, verdict: Outcome, minimiser: Minimiser) -> None:
    results = native.NativeEngine().relax(
        [distorted(), atoms, distorted()], RelaxSettings(steps=3, minimiser=minimiser)
    )
    found = {r.index: r for r in results}
    assert found[1].outcome is verdict
    assert np.isnan(found[1].energy)
    assert found[1].steps == 0
    assert found[0].energy == found[2].energy


@pytest.mark.parametrize("minimiser", MINIMISERS)
def test_explosion_is_a_verdict(minimiser: Minimiser) -> None:
    """Under huge tension the cell flies apart; under huge pressure it collapses."""
    for pressure in (-2000.0, 1e4):
        found = relax(distorted(), RelaxSettings(pressure=pressure, minimiser=minimiser))
        assert found.outcome in (Outcome.EXPLODED, Outcome.ISOLATED, Outcome.NOT_FINITE)


def test_keeping_symmetry_leaves_the_input_alone() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.positions += 1e-3 * np.random.default_rng(0).normal(size=atoms.positions.shape)
    before = atoms.copy()
    (result,) = native.NativeEngine().relax(
        [atoms], RelaxSettings(keep_symmetry=True, symprec=0.05)
    )
    assert result.converged
    np.testing.assert_array_equal(atoms.positions, before.positions)
    np.testing.assert_array_equal(atoms.cell.array, before.cell.array)


def test_a_structure_without_a_space_group_to_keep_is_a_verdict() -> None:
    overlapping = bulk("NaCl", "rocksalt", a=5.6)
    overlapping.positions[1] = (0.0, 0.0, 0.05)
    keep = RelaxSettings(keep_symmetry=True, symprec=0.1)
    results = list(native.NativeEngine().relax([overlapping, bulk("Cu")], keep))
    assert {r.index: r.outcome for r in results} == {
        0: Outcome.BAD_INPUT,
        1: Outcome.CONVERGED,
    }
