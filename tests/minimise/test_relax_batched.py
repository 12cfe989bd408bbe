"""Relaxation in flight with CHGNet: against ASE on chgnet's own calculator, and as a stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from chgnet.model.dynamics import CHGNetCalculator

from gencsp.minimise import Outcome, Relaxed, RelaxSettings
from gencsp.minimise.inflight import relax_in_flight
from gencsp.potentials.chgnet.batched import TorchEngine
from gencsp.potentials.chgnet.select import get_engine
from gencsp.runs.relaxing import relax

#: eV/atom. The same minimum, reached by chgnet's forces from the same path.
SAME_MINIMUM = 1e-3


def starts() -> list[Atoms]:
    rng = np.random.default_rng(1)
    out = []
    for atoms in (
        bulk("NaCl", "rocksalt", a=5.9),
        bulk("LiF", "rocksalt", a=3.8),
        bulk("Cu", a=3.9) * (1, 1, 2),
    ):
        strain = np.eye(3) + 0.03 * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


def in_order(results: Iterator[Relaxed]) -> list[Relaxed]:
    return sorted(results, key=lambda result: result.index)


@pytest.mark.parametrize("pressure", [0.0, 20.0])
def test_same_end_as_ase_with_chgnets_calculator(pressure: float) -> None:
    structures = starts()
    results = in_order(relax(structures, pressure=pressure, minimiser="fire", engine="torch"))
    calculator = CHGNetCalculator(use_device="cpu")
    for start, result in zip(structures, results, strict=True):
        atoms = start.copy()
        atoms.calc = calculator
        filtered = FrechetCellFilter(atoms, scalar_pressure=pressure * units.GPa)
        optimiser = FIRE(filtered, logfile=None)
        assert optimiser.run(fmax=0.1, steps=200) == result.converged
        assert abs(result.steps - optimiser.nsteps) <= 1
        energy = float(atoms.get_potential_energy()) / len(atoms)
        assert result.energy_per_atom == pytest.approx(energy, abs=SAME_MINIMUM)
        np.testing.assert_allclose(result.atoms.cell.array, atoms.cell.array, atol=5e-3)


def test_the_batch_does_not_change_the_end() -> None:
    structures = starts()
    together = in_order(relax(structures, engine="torch"))
    for start, result in zip(structures, together, strict=True):
        (alone,) = relax([start], engine="torch")
        assert alone.steps == result.steps
        np.testing.assert_allclose(alone.atoms.positions, result.atoms.positions, atol=1e-3)
        assert alone.energy_per_atom == pytest.approx(result.energy_per_atom, abs=SAME_MINIMUM)


def test_structures_stream_through_a_batch_with_little_room() -> None:
    read = 0

    def stream() -> Iterator[Atoms]:
        nonlocal read
        for atoms in [*starts(), Atoms(), *starts()]:
            read += 1
            yield atoms

    engine = get_engine("torch", device="cpu")
    assert isinstance(engine, TorchEngine)
    flight = relax_in_flight(stream(), RelaxSettings(fmax=0.2), engine.compute, max_atoms=3)
    first = next(flight)
    assert read <= 3
    results = in_order(iter([first, *flight]))
    assert [r.index for r in results] == list(range(7))
    assert [r.outcome for r in results] == [Outcome.CONVERGED] * 3 + [Outcome.BAD_INPUT] + [
        Outcome.CONVERGED
    ] * 3
    for one, other in zip(results[:3], results[4:], strict=True):
        assert one.energy == pytest.approx(other.energy, abs=SAME_MINIMUM)


def test_failures_in_the_stream_are_verdicts() -> None:
    not_a_number = bulk("Si")
    not_a_number.positions[0, 0] = np.nan
    structures = [
        not_a_number,
        Atoms("Si", cell=[20, 20, 20], pbc=True),
        bulk("Si"),
        Atoms("Si", cell=[0.7, 0.7, 0.7], pbc=True),
        Atoms("Si2", [[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True),
        bulk("Si"),
    ]
    results = in_order(relax(structures, engine="torch", keep_symmetry=False))
    assert [r.outcome for r in results] == [
        Outcome.BAD_INPUT,
        Outcome.ISOLATED,
        Outcome.CONVERGED,
        Outcome.EXPLODED,
        Outcome.TOO_CLOSE,
        Outcome.CONVERGED,
    ]
    for result in results:
        assert result.converged == bool(np.isfinite(result.energy))
        assert result.converged == (result.atoms.calc is not None)


def test_minimisers_agree_on_the_minimum() -> None:
    fire = in_order(relax(starts(), fmax=0.02, minimiser="fire", engine="torch"))
    newton = in_order(relax(starts(), fmax=0.02, engine="torch"))
    for one, other in zip(fire, newton, strict=True):
        assert one.converged
        assert other.converged
        assert other.steps < one.steps
        assert one.energy_per_atom == pytest.approx(other.energy_per_atom, abs=2e-3)


def test_nothing_in_nothing_out() -> None:
    assert list(relax([], engine="torch")) == []
