"""The batched engine against chgnet itself, finite differences, and the symmetries of space."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from chgnet.model.model import CHGNet
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial.transform import Rotation

from gencsp.errors import EngineError
from gencsp.minimise.result import Outcome
from gencsp.potentials.base import Evaluation, ModelName
from gencsp.potentials.chgnet.batched import TorchEngine

# chgnet computes in float32, and its own rounding is of this size.
ENERGY_TOLERANCE = 2e-5  # eV/atom
FORCE_TOLERANCE = 1e-3  # eV/Å
STRESS_TOLERANCE = 2e-3  # GPa
MOMENT_TOLERANCE = 1e-5  # μ_B


@cache
def engine(
    model: ModelName = "0.3.0", dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> TorchEngine:
    return TorchEngine(model, device=device, dtype=dtype)


def crystals() -> list[Atoms]:
    rng = np.random.default_rng(0)
    skewed = np.array([[3.0, 0, 0], [7, 3.5, 0], [-9, 8, 4.0]])
    silicon = bulk("Si", cubic=True)
    silicon.rattle(0.1, seed=1)
    iron = bulk("Fe", cubic=True)
    iron.rattle(0.05, seed=2)
    return [
        bulk("Cu"),
        bulk("CsCl", "cesiumchloride", a=4.1),
        bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 3),
        silicon,
        iron,
        Atoms("LiO", positions=rng.random((2, 3)) @ skewed, cell=skewed, pbc=True),
        bulk("K", "bcc", a=5.3),  # bonds all longer than the bond cutoff: no angles
        Atoms("HPu", [[0, 0, 0], [1.6, 1.6, 1.6]], cell=[3.2, 3.3, 3.4], pbc=True),
    ]


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0", "r2scan"])
def test_agrees_with_chgnet(model: ModelName) -> None:
    reference = CHGNet.load(model_name=model, use_device="cpu", verbose=False)
    structures = crystals()
    results = engine(model).evaluate(structures, magmoms=True)
    for atoms, ours in zip(structures, results, strict=True):
        theirs = reference.predict_structure(AseAtomsAdaptor.get_structure(atoms), task="efsm")
        stress = full_3x3_to_voigt_6_stress(theirs["s"])
        assert ours.failure is None
        assert ours.energy / len(atoms) == pytest.approx(float(theirs["e"]), abs=ENERGY_TOLERANCE)
        np.testing.assert_allclose(ours.forces, theirs["f"], atol=FORCE_TOLERANCE)
        np.testing.assert_allclose(ours.stress / units.GPa, stress, atol=STRESS_TOLERANCE)
        assert ours.magmoms is not None
        np.testing.assert_allclose(ours.magmoms, theirs["m"], atol=MOMENT_TOLERANCE)


def energies64(structures: list[Atoms]) -> np.ndarray:
    return np.array([e.energy for e in engine(dtype=torch.float64).evaluate(structures)])


def test_forces_are_minus_the_slope_of_the_energy() -> None:
    step = 1e-5
    for atoms in (crystals()[5], crystals()[3]):
        forces = engine(dtype=torch.float64).evaluate([atoms])[0].forces
        moved = []
        for i, axis, sign in np.ndindex(min(len(atoms), 2), 3, 2):
            copy = atoms.copy()
            copy.positions[i, axis] += step * (1 - 2 * sign)
            moved.append(copy)
        energy = energies64(moved).reshape(-1, 3, 2)
        slope = (energy[..., 0] - energy[..., 1]) / (2 * step)
        np.testing.assert_allclose(forces[: len(slope)], -slope, atol=2e-5)


def test_stress_is_the_slope_of_the_energy_by_strain() -> None:
    step = 1e-5
    for atoms in (crystals()[5], crystals()[4]):
        stress = voigt_6_to_full_3x3_stress(engine(dtype=torch.float64).evaluate([atoms])[0].stress)
        strained = []
        for a, b, sign in np.ndindex(3, 3, 2):
            strain = np.zeros((3, 3))
            strain[a, b] += step * (1 - 2 * sign) / 2
            strain[b, a] += step * (1 - 2 * sign) / 2
            copy = atoms.copy()
            copy.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            strained.append(copy)
        energy = energies64(strained).reshape(3, 3, 2)
        slope = (energy[..., 0] - energy[..., 1]) / (2 * step) / atoms.cell.volume
        np.testing.assert_allclose(stress, slope, atol=1e-6)


def assert_same(one: Evaluation, other: Evaluation, n: int, *, atol: float) -> None:
    assert one.failure is None
    assert other.failure is None
    assert one.energy / n == pytest.approx(other.energy / n, abs=atol)
    np.testing.assert_allclose(one.forces, other.forces, atol=20 * atol)
    np.testing.assert_allclose(one.stress, other.stress, atol=20 * atol)


def test_neighbours_in_the_batch_do_not_matter() -> None:
    structures = crystals()
    together = engine().evaluate(structures)
    for atoms, ours in zip(structures, together, strict=True):
        assert_same(ours, engine().evaluate([atoms])[0], len(atoms), atol=5e-6)


def test_a_broken_crystal_leaves_the_others_whole() -> None:
    good = crystals()[3]
    overlapping = Atoms("Si2", [[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True)
    results = engine().evaluate([overlapping, good, overlapping])
    assert [r.failure for r in results] == [Outcome.TOO_CLOSE, None, Outcome.TOO_CLOSE]
    assert_same(results[1], engine().evaluate([good])[0], len(good), atol=5e-6)


def test_more_workers_give_the_same() -> None:
    atoms = crystals()[3]
    threads = torch.get_num_threads()
    one, two = (engine().evaluate([atoms], workers=w)[0] for w in (1, 2))
    assert_same(one, two, len(atoms), atol=5e-6)
    assert torch.get_num_threads() == threads


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_turned_moved_and_permuted_crystals_have_the_same_energy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = Atoms(
        "LiOSi", rng.random((3, 3)) * 4, cell=np.eye(3) * 4 + rng.random((3, 3)), pbc=True
    )
    turn = Rotation.random(random_state=seed).as_matrix()
    order = rng.permutation(3)
    other = atoms[order]
    other.positions = (other.positions + rng.normal(size=3)) @ turn.T
    other.set_cell(atoms.cell.array @ turn.T)
    one, two = engine(dtype=torch.float64).evaluate([atoms, other])
    assert one.failure is two.failure
    assume(one.failure is None)
    assert two.energy == pytest.approx(one.energy, abs=1e-8)
    scale = max(1.0, float(np.abs(one.forces).max()))
    np.testing.assert_allclose(two.forces, one.forces[order] @ turn.T, atol=1e-8 * scale)
    turned = turn @ voigt_6_to_full_3x3_stress(one.stress) @ turn.T
    np.testing.assert_allclose(voigt_6_to_full_3x3_stress(two.stress), turned, atol=1e-8 * scale)


def test_a_supercell_has_as_many_times_the_energy() -> None:
    atoms = crystals()[5]
    one, many = energies64([atoms, atoms * (2, 1, 2)])
    assert many == pytest.approx(4 * one, abs=1e-8)


def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    small = TorchEngine(device="cpu")
    network, sizes = small._network, []

    class Cramped:
        settings = network.settings

        def __call__(self, numbers: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if len(numbers) > 12:
                raise torch.OutOfMemoryError
            sizes.append(len(numbers))
            return network(numbers, *args, **kwargs)

    monkeypatch.setattr(small, "_network", Cramped())
    structures = [*crystals(), bulk("Si", cubic=True) * (2, 1, 1)]
    results = small.evaluate(structures)
    assert len(sizes) > 1
    assert results[-1].failure is Outcome.BAD_INPUT  # 16 atoms never fit
    for atoms, ours, whole in zip(
        structures[:-1], results[:-1], engine().evaluate(structures[:-1]), strict=True
    ):
        assert_same(ours, whole, len(atoms), atol=5e-6)


def test_what_cannot_be_evaluated_gets_its_verdict() -> None:
    not_a_number = bulk("Si")
    not_a_number.positions[0, 0] = np.nan
    unknown = bulk("Si")
    unknown.numbers[0] = 118
    cases = {
        Outcome.BAD_INPUT: [
            not_a_number,
            unknown,
            Atoms(),
            Atoms("Si", cell=[3, 3, 0], pbc=True),
        ],
        Outcome.NOT_PERIODIC: [
            Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], cell=[5, 5, 5]),
            Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], cell=[5, 5, 5], pbc=(True, True, False)),
        ],
        Outcome.ISOLATED: [
            Atoms("Si", cell=[20, 20, 20], pbc=True),
            Atoms("Si2Na", [[0, 0, 0], [2.3, 0, 0], [9, 9, 9]], cell=[18, 18, 18], pbc=True),
        ],
        Outcome.EXPLODED: [
            Atoms("Si", cell=[0.6, 0.6, 0.6], pbc=True),
            Atoms("H2", [[0, 0, 0], [0, 0, 0.74]], cell=[20, 20, 20], pbc=True),
            Atoms("H99", np.random.default_rng(0).random((99, 3)), cell=[9, 9, 9], pbc=True),
        ],
    }
    for verdict, structures in cases.items():
        for atoms, result in zip(structures, engine().evaluate(structures), strict=True):
            assert result.failure is verdict, atoms
            assert np.isnan(result.energy)
            assert result.forces.shape == (len(atoms), 3)
            assert np.isnan(result.forces).all()


def test_an_absent_device_is_refused() -> None:
    with pytest.raises(EngineError, match="'cpu'"):
        TorchEngine(device="cuda:99")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same() -> None:
    structures = crystals()
    for atoms, here, there in zip(
        structures,
        engine().evaluate(structures),
        engine(device="cuda").evaluate(structures),
        strict=True,
    ):
        assert_same(here, there, len(atoms), atol=2e-5)
