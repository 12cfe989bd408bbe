"""Langevin dynamics of a shaken crystal at 300 K."""

import numpy as np
from ase.build import bulk
from gencsp.calculators.score import ScoreCalculator
from gencsp.diffusion.positions.model import load_score_model
from ase.md.langevin import Langevin
from ase.units import fs

rng = np.random.default_rng(0)
atoms = bulk("Cu", cubic=True, a=3.6).repeat((2, 1, 1))
atoms.rattle(0.4, rng=rng)
atoms.calc = ScoreCalculator(load_score_model(), sigma=0.3)


def show():
    distances = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
    print(f"step {dynamics.nsteps:4d}: atoms at least {distances.min():.3f} Å apart")


dynamics = Langevin(
    atoms, 2 * fs, temperature_K=300, friction=0.05 / fs, rng=rng, trajectory="langevin.traj"
)
dynamics.attach(show, interval=20)
dynamics.run(60)
