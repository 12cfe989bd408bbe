from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.optimize import BFGS, FIRE
from ase.optimize.optimize import Optimizer

from gencsp.calculators.mixing import MixedScoreCalculator
from gencsp.calculators.score import ScoreCalculator
from gencsp.errors import RequestError
from gencsp.testing import WrappedMixture


def copper(scale: float = 0.1, seed: int = 1) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(scale, seed=seed)
    return atoms


def score_calculator(sigma: float = 0.3) -> ScoreCalculator:
    model = WrappedMixture.around([bulk("Cu", cubic=True)], spread=0.1, sigma_max=3.0)
    return ScoreCalculator(model, sigma=sigma)


def with_calculator(calc: Calculator) -> Atoms:
    atoms = copper()
    atoms.calc = calc
    return atoms


def test_energy_and_forces_are_the_weighted_sum() -> None:
    score, emt = with_calculator(score_calculator()), with_calculator(EMT())
    mixed = with_calculator(
        MixedScoreCalculator(score_calculator(), EMT(), weight=0.5, other_weight=2.0)
    )
    assert np.allclose(mixed.get_forces(), 0.5 * score.get_forces() + 2.0 * emt.get_forces())
    energies = score.get_potential_energy(), emt.get_potential_energy()
    assert mixed.get_potential_energy() == pytest.approx(0.5 * energies[0] + 2.0 * energies[1])
    assert mixed.calc.results["energy_contributions"] == pytest.approx(energies)


def test_a_new_noise_level_is_seen_wherever_it_is_set() -> None:
    score = score_calculator()
    mixed = with_calculator(MixedScoreCalculator(score, EMT(), other_weight=0.0))
    forces = [mixed.get_forces()]
    mixed.calc.sigma = 0.6
    forces.append(mixed.get_forces())
    score.sigma = 0.1
    forces.append(mixed.get_forces())
    score.stiffness = 10.0
    forces.append(mixed.get_forces())
    shares = np.array([s**2 / (s**2 + 0.1**2) for s in (0.3, 0.6, 0.1)] + [2 * 0.5])
    for force, share in zip(forces, shares, strict=True):
        assert np.allclose(force, forces[0] * share / shares[0])
    assert mixed.calc.sigma == 0.1


def test_results_are_kept_while_nothing_changes() -> None:
    mixed = with_calculator(MixedScoreCalculator(score_calculator(), EMT()))
    mixed.get_forces()
    assert not mixed.calc.calculation_required(mixed, ["energy", "forces"])
    mixed.positions[0] += 0.01
    assert mixed.calc.calculation_required(mixed, ["forces"])


@pytest.mark.parametrize("optimiser", [FIRE, BFGS])
def test_optimisers_run_on_the_mixture(optimiser: type[Optimizer], tmp_path: Path) -> None:
    atoms = with_calculator(MixedScoreCalculator(score_calculator(), EMT(), other_weight=0.5))
    log = tmp_path / "log"
    assert optimiser(atoms, logfile=str(log)).run(fmax=0.01, steps=300)
    assert np.allclose(atoms.positions, bulk("Cu", cubic=True).positions, atol=0.01)


def test_chgnet_mixes() -> None:
    chgnet = pytest.importorskip("chgnet.model.dynamics")
    potential = chgnet.CHGNetCalculator(use_device="cpu")
    mixed = with_calculator(MixedScoreCalculator(score_calculator(), potential, weight=0.2))
    alone = with_calculator(potential)
    score = with_calculator(score_calculator())
    expected = 0.2 * score.get_forces() + alone.get_forces()
    assert np.allclose(mixed.get_forces(), expected, atol=1e-5)
    assert mixed.calc.implemented_properties
    assert FIRE(mixed, logfile=None).run(fmax=0.1, steps=60)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(RequestError, match="negative"):
        MixedScoreCalculator(score_calculator(), EMT(), weight=-1.0)
