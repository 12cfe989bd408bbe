"""Relaxation with a calculator, against ASE's own FIRE and filters; all verdicts."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import spglib
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

from gencsp.errors import DeckError, EngineError
from gencsp.minimise import Outcome, RelaxSettings, relax_with
from gencsp.minimise.minimisers import MINIMISERS
from gencsp.plugins import Choice


def alloy(seed: int = 0) -> Atoms:
    """A strained, rattled cell of four atoms."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[1] = "Au"
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) * 1.04 + 0.04 * rng.normal(size=(3, 3))), scale_atoms=True
    )
    atoms.positions += 0.1 * rng.normal(size=(4, 3))
    return atoms


def by_ase(atoms: Atoms, settings: RelaxSettings) -> tuple[Atoms, FIRE]:
    copy = atoms.copy()
    copy.calc = EMT()
    pressure = settings.pressure * units.GPa
    target = copy if settings.fixed_cell else FrechetCellFilter(copy, scalar_pressure=pressure)
    optimiser = FIRE(target, logfile=None)
    optimiser.run(fmax=settings.fmax, steps=settings.steps)
    return copy, optimiser


@pytest.mark.parametrize(
    "settings",
    [
        RelaxSettings(minimiser="fire", fmax=0.05),
        RelaxSettings(minimiser="fire", fmax=0.05, pressure=30.0),
        RelaxSettings(minimiser="fire", fmax=0.05, fixed_cell=True),
        RelaxSettings(minimiser="fire", fmax=1e-9, steps=25),
    ],
)
@pytest.mark.parametrize("fixed", [[], [0, 2]])
def test_fire_follows_ases_path(settings: RelaxSettings, fixed: list[int]) -> None:
    atoms = alloy()
    if fixed:
        atoms.set_constraint(FixAtoms(fixed))
    expected, optimiser = by_ase(atoms, settings)
    result = relax_with(EMT(), atoms, settings)
    assert result.steps == optimiser.nsteps
    assert result.converged == (settings.steps == 200)
    np.testing.assert_allclose(result.atoms.positions, expected.positions, atol=1e-7)
    np.testing.assert_allclose(result.atoms.cell.array, expected.cell.array, atol=1e-7)
    assert result.energy == pytest.approx(expected.get_potential_energy(), abs=1e-8)
    volume = expected.cell.volume
    assert result.enthalpy == pytest.approx(
        result.energy + settings.pressure * units.GPa * volume, abs=1e-6
    )
    assert result.fmax == pytest.approx(
        np.linalg.norm(optimiser.optimizable.get_gradient().reshape(-1, 3), axis=1).max(), abs=1e-6
    )


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        ({"dt": 0.05}, 0.1),
        ({"maxstep": 0.05}, 0.1),
        ({"dtmax": 0.025}, 0.02),
        ({"Nmin": 1}, 0.1),
        ({"finc": 1.4}, 0.1),
        ({"fdec": 0.3}, 0.1),
        ({"astart": 0.3}, 0.1),
        ({"fa": 0.8}, 0.1),
    ],
)
def test_fire_takes_the_constants_of_ase(changed: dict[str, float], first: float) -> None:
    atoms = alloy()
    ends = []
    settings: list[dict[str, float]] = [{"dt": first}, {"dt": first} | changed]
    for chosen in settings:
        copy = atoms.copy()
        copy.calc = EMT()
        start = {"a": chosen["astart"]} if "astart" in chosen else {}
        expected = FIRE(FrechetCellFilter(copy), logfile=None, **chosen, **start)
        expected.run(fmax=1e-9, steps=40)
        choice = Choice.of("fire", chosen)
        result = relax_with(EMT(), atoms, RelaxSettings(minimiser=str(choice), fmax=1e-9, steps=40))
        np.testing.assert_allclose(result.atoms.positions, copy.positions, atol=1e-7)
        np.testing.assert_allclose(result.atoms.cell.array, copy.cell.array, atol=1e-7)
        ends.append(result.atoms.positions)
    assert np.abs(ends[0] - ends[1]).max() > 1e-5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("fdec=1", "option 'fdec' of the minimiser 'fire'"),
        ("finc=0.9", "option 'finc' of the minimiser 'fire'"),
        ("dt=2", "the minimiser 'fire' do not go together: .*dt is 2.0 and dtmax 1.0"),
        ("a=0.2", "'fire' has no option 'a': known are dt, maxstep"),
    ],
)
def test_constants_of_fire_are_checked(options: str, said: str) -> None:
    with pytest.raises(DeckError, match=said):
        MINIMISERS.configure(f"fire:{options}")


def test_pressure_ends_where_the_stress_balances_it() -> None:
    result = relax_with(EMT(), alloy(), RelaxSettings(fmax=1e-3, pressure=20.0, steps=500))
    assert result.converged
    np.testing.assert_allclose(result.stress[:3] / units.GPa, -20.0, atol=0.05)
    np.testing.assert_allclose(result.stress[3:], 0, atol=3e-4)


def test_the_result_carries_info_constraints_and_numbers() -> None:
    atoms = alloy()
    atoms.info["structure_id"] = "a-1"
    atoms.set_constraint(FixAtoms([1]))
    result = relax_with(EMT(), atoms, RelaxSettings())
    assert result.index == 0
    assert result.atoms.info == {"structure_id": "a-1"}
    assert [c.index.tolist() for c in result.atoms.constraints] == [[1]]
    again = result.atoms.copy()
    again.set_constraint()
    again.calc = EMT()
    stored = result.atoms.calc
    np.testing.assert_allclose(stored.results["forces"], again.get_forces(), atol=1e-9)
    np.testing.assert_allclose(result.atoms.get_stress(), again.get_stress(), atol=1e-9)
    assert result.atoms.get_potential_energy() == result.energy
    assert atoms.calc is None


def test_fixed_atoms_keep_their_fractional_coordinates() -> None:
    atoms = alloy()
    atoms.set_constraint(FixAtoms([0, 3]))
    result = relax_with(EMT(), atoms, RelaxSettings(fmax=0.02))
    assert result.steps > 3
    moved = result.atoms.get_scaled_positions(wrap=False) - atoms.get_scaled_positions(wrap=False)
    np.testing.assert_allclose(moved[[0, 3]], 0, atol=1e-10)
    assert np.abs(moved[[1, 2]]).max() > 1e-3


def test_symmetry_is_kept_where_it_would_break() -> None:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[0] = "Al"
    rng = np.random.default_rng(0)
    atoms.positions += 2e-3 * rng.normal(size=atoms.positions.shape)

    def group(of: Atoms, symprec: float) -> int:
        cell = (of.cell.array, of.get_scaled_positions(), of.numbers)
        return int(spglib.get_symmetry_dataset(cell, symprec=symprec).number)

    wanted = group(atoms, 0.05)
    settings = RelaxSettings(fmax=0.005, keep_symmetry=True, symprec=0.05)
    kept = relax_with(EMT(), atoms, settings)
    free = relax_with(EMT(), atoms, RelaxSettings(fmax=0.005))
    assert kept.converged
    assert wanted > 2
    assert group(kept.atoms, 1e-6) == wanted
    assert group(free.atoms, 1e-6) < wanted
    assert not kept.atoms.constraints


def test_kept_symmetry_follows_ases_path() -> None:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[0] = "Al"
    atoms.set_constraint(FixSymmetry(atoms))
    settings = RelaxSettings(minimiser="fire", fmax=0.01)
    expected, optimiser = by_ase(atoms, settings)
    result = relax_with(EMT(), atoms, settings)
    assert result.steps == optimiser.nsteps
    np.testing.assert_allclose(result.atoms.positions, expected.positions, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_quasi_newton_gets_there_in_fewer_steps(seed: int) -> None:
    fire = relax_with(EMT(), alloy(seed), RelaxSettings(fmax=0.01, steps=500, minimiser="fire"))
    newton = relax_with(EMT(), alloy(seed), RelaxSettings(fmax=0.01, steps=500))
    assert fire.converged
    assert newton.converged
    assert newton.steps < fire.steps
    assert newton.energy_per_atom == pytest.approx(fire.energy_per_atom, abs=2e-3)


class Toy(Calculator):  # type: ignore[misc]
    """A calculator whose energy grows with the volume: any cell collapses under it."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, tension: float = 1.0, poison: float = 0.0, *, fails: bool = False) -> None:
        super().__init__()
        self.tension, self.poison, self.fails = tension, poison, fails

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        if self.fails:
            raise CalculationFailed("no")
        self.results = {
            "energy": self.tension * self.atoms.cell.volume + self.poison,
            "forces": np.zeros((len(self.atoms), 3)),
            "stress": self.tension * np.array([1.0, 1, 1, 0, 0, 0]),
        }


def test_verdicts_on_the_way() -> None:
    atoms = alloy()
    long = RelaxSettings(steps=2000)
    wide = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], cell=[12, 12, 12], pbc=True)
    lone = Atoms("Cu", cell=[4, 4, 4], pbc=True)
    cases = {
        "collapses": (Toy(1.0), atoms, long, Outcome.EXPLODED),
        "widens with neighbours": (Toy(-1e-2), wide, long, Outcome.EXPLODED),
        "widens until alone": (Toy(-1.0), lone, long, Outcome.ISOLATED),
        "not a number": (Toy(poison=float("nan")), atoms, long, Outcome.NOT_FINITE),
        "fails": (Toy(fails=True), atoms, long, Outcome.BAD_INPUT),
        "few steps": (EMT(), atoms, RelaxSettings(steps=3), Outcome.STEP_LIMIT),
        "no time": (EMT(), atoms, RelaxSettings(time_limit=1e-9), Outcome.TIME_LIMIT),
        "too high": (EMT(), atoms, RelaxSettings(fmax=1e-6, ceiling=-1.0), Outcome.HOPELESS),
        "low enough": (EMT(), atoms, RelaxSettings(ceiling=0.5), Outcome.CONVERGED),
    }
    for name, (calculator, start, settings, verdict) in cases.items():
        result = relax_with(calculator, start, settings)
        assert result.outcome is verdict, name
        assert result.converged == (verdict is Outcome.CONVERGED)
        assert np.isfinite(result.energy) == (
            verdict in (Outcome.CONVERGED, Outcome.STEP_LIMIT, Outcome.TIME_LIMIT, Outcome.HOPELESS)
        ), name
        assert (result.atoms.calc is None) == np.isnan(result.energy), name


def test_atoms_on_top_of_each_other_are_no_result() -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 0.3]], cell=[3, 3, 3], pbc=True)
    assert relax_with(Toy(0.0), atoms, RelaxSettings()).outcome is Outcome.TOO_CLOSE


def test_a_calculator_without_stress_relaxes_atoms_only() -> None:
    class NoStress(Toy):
        implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    assert relax_with(NoStress(), alloy(), RelaxSettings(fixed_cell=True)).converged
    with pytest.raises(EngineError, match="NoStress has no stress"):
        relax_with(NoStress(), alloy(), RelaxSettings())
