"""Potentials in batches: the same numbers, verdicts and relaxations as one structure at a time."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from gencsp.minimise import Outcome, RelaxSettings
from gencsp.minimise.calculator import Numbers
from gencsp.potentials import AseEngine
from gencsp.potentials.base import Engine
from gencsp.potentials.batch_engine import BatchEngine

KNOWN = frozenset({"Cu", "Au", "Ni"})


class Batches:
    """EMT, and the sizes of the batches that it was given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, batch: list[Atoms]) -> list[Numbers]:
        self.sizes.append(sum(map(len, batch)))
        found = []
        for atoms in batch:
            atoms.calc = EMT()
            stress = atoms.get_stress(voigt=False)
            found.append((float(atoms.get_potential_energy()), atoms.get_forces(), stress))
        return found


def crystals() -> list[Atoms]:
    """Some that relax, among others that cannot be evaluated."""
    found = [
        bulk("Cu", "fcc", a=3.8) * (1, 1, 2),
        bulk("Cu", "fcc", a=14.0),
        bulk("Ni", "hcp", a=2.6),
        bulk("Na", "bcc", a=4.2),
        Atoms("Cu2", [(0, 0, 0), (0, 0, 0.1)], cell=[3, 3, 3], pbc=True),
        bulk("Au", "bcc", a=3.2, cubic=True),
        bulk("Cu", "fcc", a=3.6),
    ]
    for seed, atoms in enumerate(found):
        if len(atoms) > 1 and seed != 4:
            atoms.rattle(0.05, seed=seed)
    found[-1].pbc = (True, True, False)
    return found


def engine(batches: Batches, max_atoms: int = 4) -> BatchEngine:
    return BatchEngine(batches, model="emt", digest="d", elements=KNOWN, max_atoms=max_atoms)


def test_it_is_an_engine() -> None:
    assert isinstance(engine(Batches()), Engine)


def test_numbers_and_verdicts_are_those_of_single_structures() -> None:
    batches = Batches()
    found = engine(batches).evaluate(crystals())
    alone = AseEngine(EMT(), model="emt", digest="d").evaluate(crystals())
    assert [one.failure for one in found] == [one.failure for one in alone]
    assert [one.failure for one in found] == [
        None,
        Outcome.ISOLATED,
        None,
        Outcome.BAD_INPUT,
        Outcome.TOO_CLOSE,
        None,
        Outcome.NOT_PERIODIC,
    ]
    for ours, theirs in zip(found, alone, strict=True):
        np.testing.assert_allclose(ours.energy, theirs.energy, atol=1e-10)
        np.testing.assert_allclose(ours.forces, theirs.forces, atol=1e-10)
        np.testing.assert_allclose(ours.stress, theirs.stress, atol=1e-10)
    assert max(batches.sizes) > 2
    assert max(batches.sizes) <= 4


def test_relaxations_are_those_of_single_structures() -> None:
    settings = RelaxSettings(fmax=0.02, steps=100)
    batches = Batches()
    found = {r.index: r for r in engine(batches, 6).relax(crystals(), settings)}
    alone = {
        r.index: r for r in AseEngine(EMT(), model="emt", digest="d").relax(crystals(), settings)
    }
    assert found.keys() == alone.keys() == set(range(7))
    for index, ours in found.items():
        assert (ours.outcome, ours.steps) == (alone[index].outcome, alone[index].steps)
        assert (ours.energy_model, ours.energy_digest) == ("emt", "d")
        np.testing.assert_allclose(ours.energy, alone[index].energy, atol=1e-8)
        np.testing.assert_allclose(ours.atoms.cell, alone[index].atoms.cell, atol=1e-6)
    assert max(batches.sizes) > 2


def test_numbers_that_are_not_finite_are_a_failure() -> None:
    def broken(batch: list[Atoms]) -> list[Numbers]:
        return [(float("nan"), np.zeros((len(a), 3)), np.zeros((3, 3))) for a in batch]

    strange = BatchEngine(broken, model="m", digest="", elements=KNOWN, max_atoms=9)
    (one,) = strange.evaluate([bulk("Cu")])
    assert one.failure is Outcome.NOT_FINITE
    (result,) = strange.relax([bulk("Cu")], RelaxSettings())
    assert result.outcome is Outcome.NOT_FINITE


def test_a_structure_larger_than_a_batch_is_a_batch() -> None:
    batches = Batches()
    engine(batches, 1).evaluate([bulk("Cu") * (1, 1, 3)])
    assert batches.sizes == [3]


@pytest.mark.parametrize("modal", ["PBE", "R2SCAN"])
def test_sevennet_by_name(modal: str) -> None:
    """Where it is installed; elsewhere ``test_potential_clients`` compares its numbers."""
    sevenn = pytest.importorskip("sevenn.calculator", reason="the package sevenn is not installed")
    from gencsp.potentials import get_potential

    salt = bulk("NaCl", "rocksalt", a=5.6) * (1, 1, 2)
    salt.rattle(0.05, seed=1)
    found = get_potential(f"sevennet:model=mf-0,modal={modal}")
    assert found.model == f"sevennet-7net-mf-0-{modal}"
    (one, other) = found.evaluate([salt, bulk("MgO", "rocksalt", a=4.2)])
    salt.calc = sevenn.SevenNetCalculator("7net-mf-0", device="cpu", modal=modal)
    assert one.energy == pytest.approx(salt.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(one.forces, salt.get_forces(), atol=1e-4)
    np.testing.assert_allclose(one.stress, salt.get_stress(), atol=1e-5)
    assert other.failure is None
