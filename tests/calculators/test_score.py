"""ScoreCalculator under ASE's own optimisers and dynamics, on a model whose minimum is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms, FixSymmetry
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.optimize import BFGS, FIRE, LBFGS, MDMin
from ase.optimize.optimize import Optimizer
from ase.spacegroup import crystal
from ase.spacegroup.symmetrize import check_symmetry
from torch import Tensor

from gencsp.calculators.score import ScoreCalculator
from gencsp.diffusion.batch import CrystalBatch
from gencsp.errors import RequestError
from gencsp.testing import WrappedMixture


def site() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.0, cubic=True)


def sharp_model(spread: float = 0.01) -> WrappedMixture:
    return WrappedMixture.around([site()], spread=spread, sigma_max=3.0)


def rattled(scale: float = 0.15, seed: int = 0) -> Atoms:
    atoms = site()
    atoms.rattle(scale, seed=seed)
    return atoms


def distance(atoms: Atoms) -> float:
    """Largest distance from the known minimum, Å, by the minimum image."""
    frac = np.linalg.solve(atoms.cell.array.T, (atoms.positions - site().positions).T).T
    return float(np.linalg.norm((frac - np.round(frac)) @ atoms.cell.array, axis=1).max())


@pytest.mark.parametrize("optimiser", [FIRE, BFGS, LBFGS, MDMin])
def test_optimisers_find_the_known_minimum(optimiser: type[Optimizer], tmp_path: Path) -> None:
    atoms = rattled()
    atoms.calc = ScoreCalculator(sharp_model(), sigma=0.3)
    log = tmp_path / "opt.log"
    assert optimiser(atoms, logfile=str(log)).run(fmax=0.001, steps=300)
    # fmax / stiffness is the distance from the denoised position.
    assert distance(atoms) < 0.001 / 5.0 * 1.01
    assert atoms.get_potential_energy() == pytest.approx(0.0, abs=1e-6)
    assert optimiser.__name__ in log.read_text()


def test_forces_are_the_tweedie_displacement_times_the_stiffness() -> None:
    atoms = rattled()
    model = WrappedMixture.around([site(), rattled(seed=5)], spread=0.2)
    sigma = 0.4
    atoms.calc = ScoreCalculator(model, sigma=sigma, stiffness=2.5)
    x = torch.from_numpy(atoms.positions)[None].requires_grad_()
    (score,) = torch.autograd.grad(model.log_density(x, sigma).sum(), x)
    displacement = sigma**2 * score[0].numpy()
    assert np.allclose(atoms.get_forces(), 2.5 * displacement, atol=1e-12)
    assert atoms.get_potential_energy() == pytest.approx(1.25 * (displacement**2).sum())
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()


def test_energy_integrates_the_forces_of_one_sharp_configuration() -> None:
    atoms = rattled()
    atoms.calc = ScoreCalculator(sharp_model(spread=1e-4), sigma=0.3)
    forces = atoms.get_forces()
    step = 1e-4
    for i, axis in ((0, 0), (3, 1), (7, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[i, axis] += sign * step
            moved.calc = atoms.calc
            energies.append(moved.get_potential_energy())
        assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(forces[i, axis], rel=1e-5)


def test_energy_is_no_potential_of_a_broad_distribution() -> None:
    # What the docstring warns of: spread = σ makes the slope of the energy half the force.
    atoms = rattled()
    atoms.calc = ScoreCalculator(sharp_model(spread=0.3), sigma=0.3)
    force = atoms.get_forces()[0, 0]
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[0, 0] += sign * 1e-4
        moved.calc = atoms.calc
        energies.append(moved.get_potential_energy())
    assert -(energies[0] - energies[1]) / 2e-4 == pytest.approx(force / 2, rel=1e-4)


def test_setting_sigma_or_stiffness_discards_old_results() -> None:
    atoms = rattled()
    calc = ScoreCalculator(sharp_model(spread=0.2), sigma=0.3)
    atoms.calc = calc
    first = atoms.get_forces()
    calc.sigma = 0.6
    second = atoms.get_forces()
    # One Gaussian: force = k·Δ·σ²/(σ² + spread²).
    assert np.allclose(second / first, (0.36 / 0.40) / (0.09 / 0.13))
    calc.stiffness = 10.0
    assert np.allclose(atoms.get_forces(), 2 * second)


def test_fix_symmetry_keeps_the_space_group_and_fix_atoms_the_atoms() -> None:
    atoms = crystal(
        ["Ti", "O"], [(0, 0, 0), (0.33, 0.33, 0)], spacegroup=136, cellpar=[4.6, 4.6, 3, 90, 90, 90]
    )
    target = crystal(
        ["Ti", "O"], [(0, 0, 0), (0.3, 0.3, 0)], spacegroup=136, cellpar=[4.6, 4.6, 3, 90, 90, 90]
    )
    target.rattle(0.05, seed=3)  # the model alone would break the symmetry
    model = WrappedMixture.around([target], spread=0.01)
    atoms.set_constraint(FixSymmetry(atoms))
    atoms.calc = ScoreCalculator(model, sigma=0.3)
    groups = [
        check_symmetry(atoms, symprec=1e-5).number
        for _ in BFGS(atoms, logfile=None).irun(fmax=1e-3, steps=50)
    ]
    assert len(groups) > 2
    assert set(groups) == {136}
    assert abs(atoms.get_scaled_positions()[2, 0] - 0.3) < 0.03

    atoms = rattled()
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = ScoreCalculator(sharp_model(), sigma=0.3)
    before = atoms.positions[0].copy()
    FIRE(atoms, logfile=None).run(fmax=0.001, steps=300)
    assert np.array_equal(atoms.positions[0], before)
    atoms.positions[0] = site().positions[0]
    assert distance(atoms) < 0.001


def test_langevin_dynamics_obeys_equipartition() -> None:
    # Springs of stiffness k at temperature T: ⟨Δ²⟩ = k_B T / k for each coordinate.
    atoms = site()
    model = sharp_model(spread=1e-3)
    atoms.calc = ScoreCalculator(model, sigma=0.5, stiffness=5.0)
    rng = np.random.RandomState(4)
    dynamics = Langevin(
        atoms, 4 * units.fs, temperature_K=300, friction=0.05 / units.fs, rng=rng, fixcm=False
    )
    squares = []
    dynamics.attach(
        lambda: squares.append(((atoms.positions - site().positions) ** 2).mean()), interval=3
    )
    dynamics.run(200)
    squares.clear()
    dynamics.run(1200)
    assert np.mean(squares) == pytest.approx(units.kB * 300 / 5.0, rel=0.2)


def test_cell_filters_are_refused_for_want_of_a_stress() -> None:
    atoms = rattled()
    atoms.calc = ScoreCalculator(sharp_model(), sigma=0.3)
    with pytest.raises(NotImplementedError, match="stress"):
        FIRE(FrechetCellFilter(atoms), logfile=None).run(steps=1)


def test_bad_values_are_refused() -> None:
    with pytest.raises(RequestError, match="stay within"):
        ScoreCalculator(sharp_model(), sigma=5.0)
    with pytest.raises(RequestError, match="above zero"):
        ScoreCalculator(sharp_model(), sigma=0.3, stiffness=0.0)
    molecule = Atoms("H2", positions=[[0, 0, 0], [0, 0, 1]])
    molecule.calc = ScoreCalculator(sharp_model(), sigma=0.3)
    with pytest.raises(RequestError, match="not a crystal"):
        molecule.get_forces()


def test_parameters_are_recorded() -> None:
    assert ScoreCalculator(sharp_model(), sigma=0.3).todict() == {
        "sigma": 0.3,
        "stiffness": 5.0,
        "model": "wrapped-mixture",
    }


def test_the_model_sees_the_atoms_as_they_are() -> None:
    seen = []

    class Recorder:
        sigma_min, sigma_max, digest = 0.01, 1.0, "recorder"

        def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
            seen.append((batch, sigma))
            return torch.zeros_like(batch.positions)

    atoms = rattled()
    atoms.calc = ScoreCalculator(Recorder(), sigma=0.25)
    atoms.get_forces()
    atoms.get_potential_energy()
    ((batch, sigma),) = seen  # one evaluation for both
    assert np.array_equal(batch.positions.numpy(), atoms.positions)
    assert np.array_equal(batch.numbers.numpy(), atoms.numbers)
    assert sigma.tolist() == [0.25]
