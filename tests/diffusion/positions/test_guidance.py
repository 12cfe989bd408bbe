"""Energy guidance: potentials of every kind, and their pull on a score model."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.noise import randomise
from gencsp.diffusion.positions.guidance import EnergyGuidedScore
from gencsp.diffusion.positions.sampler import SamplerSettings, sample
from gencsp.diffusion.pull import CalculatorPotential, EnginePotential, bounded_lengths
from gencsp.errors import RequestError
from gencsp.potentials.chgnet.select import get_engine


class Still:
    """A model that has no opinion: every configuration is as likely."""

    sigma_min, sigma_max, digest = 0.001, 5.0, "still"

    def score(self, batch: CrystalBatch, _: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(batch.positions)


def crystals() -> list[Atoms]:
    made = [bulk("Ar", "fcc", a=5.3, cubic=True), bulk("Ne", "fcc", a=4.4, cubic=True)]
    for k, atoms in enumerate(made):
        atoms.rattle(0.1, seed=k)
    return made


def test_a_calculator_gives_its_own_forces_and_stress() -> None:
    forces, stress = CalculatorPotential(LennardJones(sigma=3.4, rc=8.0)).pull(crystals())
    for k, atoms in enumerate(crystals()):
        atoms.calc = LennardJones(sigma=3.4, rc=8.0)
        np.testing.assert_allclose(forces[4 * k : 4 * k + 4], atoms.get_forces())
        np.testing.assert_allclose(stress[k], atoms.get_stress(voigt=False))


def test_an_engine_agrees_with_the_calculator_and_passes_over_what_it_refuses() -> None:
    from gencsp.calculators.potential import CHGNetCalculator

    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.rattle(0.1, seed=0)
    broken = salt.copy()
    broken.positions[:] = np.nan
    forces, stress = EnginePotential(get_engine()).pull([salt, broken])
    salt.calc = CHGNetCalculator()
    np.testing.assert_allclose(forces[:2], salt.get_forces(), atol=1e-5)
    np.testing.assert_allclose(stress[0], salt.get_stress(voigt=False), atol=1e-6)
    assert forces[2:].abs().max() == 0
    assert stress[1].abs().max() == 0


def test_forces_are_bounded_and_keep_their_direction() -> None:
    vectors = torch.tensor([[3.0, 4.0, 0.0], [0.3, 0.4, 0.0], [0.0, 0.0, 0.0]])
    found = bounded_lengths(vectors, 1.0)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8, 0.0], [0.3, 0.4, 0.0], [0, 0, 0]]))


def test_the_pull_is_the_force_over_the_temperature_and_acts_below_the_onset() -> None:
    batch = CrystalBatch.from_atoms(crystals())
    potential = CalculatorPotential(LennardJones(sigma=3.4, rc=8.0))
    guided = EnergyGuidedScore(Still(), potential, temperature=0.5, onset=0.4, longest=1e6)
    score = guided.score(batch, torch.tensor([0.1, 0.9], dtype=torch.float64))
    forces, _ = potential.pull(crystals())
    torch.testing.assert_close(score[:4], forces[:4] / 0.5)
    assert score[4:].abs().max() == 0
    assert score[:4].sum(0).abs().max() < 1e-9
    assert (guided.sigma_min, guided.sigma_max, guided.digest) == (0.001, 5.0, "still")
    with pytest.raises(RequestError, match="temperature"):
        EnergyGuidedScore(Still(), potential, temperature=0.0)


def test_guided_samples_lie_lower() -> None:
    cell = bulk("Ar", "fcc", a=5.3, cubic=True)
    settings = SamplerSettings(
        sampler="predictor-corrector:langevin=noise-level", steps=60, sigma_max=0.6
    )
    potential = CalculatorPotential(LennardJones(sigma=3.4, epsilon=0.01, rc=8.0))
    energies = {}
    models: dict[str, ScoreModel] = {
        "free": Still(),
        "guided": EnergyGuidedScore(Still(), potential, temperature=0.005, onset=1.0),
    }
    for name, model in models.items():
        starts = [randomise(cell, rng=np.random.default_rng(k)) for k in range(4)]
        rngs = [np.random.default_rng([7, k]) for k in range(4)]
        made = sample(model, starts, settings=settings, rngs=rngs)
        for atoms in made:
            atoms.calc = LennardJones(sigma=3.4, epsilon=0.01, rc=8.0)
        energies[name] = np.median([a.get_potential_energy() for a in made])
    assert energies["guided"] < energies["free"] - 0.05
