"""The ASE calculator against chgnet's own."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import CalculationFailed
from ase.stress import full_3x3_to_voigt_6_stress
from chgnet.model.dynamics import CHGNetCalculator as Original

from gencsp.calculators.potential import CHGNetCalculator
from gencsp.deck import EngineName
from gencsp.errors import EngineError, RequestError
from gencsp.potentials.chgnet.select import engine_status

ENGINES: list[EngineName] = ["native", "torch"] if engine_status().name == "native" else ["torch"]


def iron() -> Atoms:
    atoms = bulk("Fe", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.symbols[0] = "Mn"
    return atoms


@pytest.mark.parametrize("engine", ENGINES)
def test_drop_in_for_chgnet(engine: EngineName) -> None:
    theirs, ours = iron(), iron()
    theirs.calc = Original(use_device="cpu")
    ours.calc = CHGNetCalculator(engine=engine)
    assert ours.get_potential_energy() == pytest.approx(theirs.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(ours.get_forces(), theirs.get_forces(), atol=1e-3)
    expected = full_3x3_to_voigt_6_stress(theirs.calc.results["stress"])
    np.testing.assert_allclose(ours.get_stress(), expected, atol=0.01 * units.GPa)
    np.testing.assert_allclose(
        ours.get_magnetic_moments(), theirs.get_magnetic_moments(), atol=1e-4
    )
    assert ours.calc.version == theirs.calc.version


def test_moments_are_computed_only_when_asked_for() -> None:
    atoms = iron()
    atoms.calc = CHGNetCalculator()
    atoms.get_forces()
    assert "magmoms" not in atoms.calc.results
    atoms.get_magnetic_moments()
    assert atoms.calc.results["magmoms"].shape == (2,)


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built")
def test_site_energies_agree_with_chgnet() -> None:
    theirs, ours = iron(), iron()
    theirs.calc = Original(use_device="cpu", return_site_energies=True)
    ours.calc = CHGNetCalculator(engine="native")
    np.testing.assert_allclose(
        ours.get_potential_energies(), theirs.get_potential_energies(), atol=1e-4
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_failure_says_why(engine: EngineName) -> None:
    atoms = Atoms("Na", cell=[20, 20, 20], pbc=True)
    atoms.calc = CHGNetCalculator(engine=engine)
    with pytest.raises(CalculationFailed, match="no neighbour"):
        atoms.get_potential_energy()


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(EngineError, match="abacus"):
        CHGNetCalculator(engine="abacus")  # type: ignore[arg-type]


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built")
def test_threads_share_a_large_structure_and_change_no_number() -> None:
    atoms = bulk("MgO", "rocksalt", a=4.3, cubic=True).repeat((3, 2, 2))
    atoms.rattle(0.1, seed=1)
    found = []
    for threads in (1, 2):
        atoms.calc = CHGNetCalculator(engine="native", threads=threads)
        found.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    assert atoms.calc.set(threads=3) == {"threads": 3}
    with pytest.raises(RequestError, match="threads is 0"):
        atoms.calc.set(threads=0)
    assert atoms.calc.set(threads=3) == {}
