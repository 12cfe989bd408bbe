"""ReverseDiffusion: the batched path seen as an ASE dynamics."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.constraints import FixAtoms, FixCartesian, FixSymmetry
from ase.io import Trajectory
from ase.spacegroup import crystal
from scipy import stats

from gencsp.diffusion.networks import build_network
from gencsp.diffusion.noise import randomise
from gencsp.diffusion.positions.model import NetworkScoreModel
from gencsp.diffusion.positions.reverse import ReverseDiffusion
from gencsp.diffusion.positions.run import Run
from gencsp.diffusion.positions.sampler import SamplerSettings, State, sample
from gencsp.errors import ConstraintError
from gencsp.testing import WrappedMixture

#: Single-precision networks round differently in batches: Å over a short run.
NETWORK_TOLERANCE = 1e-3


class NeverCalled(Calculator):  # type: ignore[misc]
    """A calculator that must not be asked for anything."""

    implemented_properties = ("energy", "forces")

    def calculate(
        self,
        atoms: Atoms | None = None,  # noqa: ARG002
        properties: Sequence[str] = ("energy",),  # noqa: ARG002
        system_changes: Sequence[str] = all_changes,  # noqa: ARG002
    ) -> None:
        raise AssertionError("The dynamics asked for an energy or forces.")


def make(kind: str) -> tuple[Atoms, WrappedMixture]:
    """A crystal with the constraints named, and a model that knows nothing of its symmetry."""
    atoms = crystal(
        ["Si", "Li"], [(0.1, 0.2, 0.3), (0.4, 0.15, 0.8)], spacegroup=14,
        cellpar=[4, 4.5, 5, 90, 100, 90],
    )  # fmt: skip
    constraints = []
    if "symmetric" in kind:
        constraints.append(FixSymmetry(atoms))
    if "host" in kind:
        constraints.append(FixAtoms([i for i, s in enumerate(atoms.symbols) if s == "Si"]))
    atoms.set_constraint(constraints)
    rng = np.random.default_rng(6)
    sites = [
        Atoms(atoms.numbers, scaled_positions=rng.random((8, 3)), cell=atoms.cell, pbc=True)
        for _ in range(2)
    ]
    return randomise(atoms, rng=rng), WrappedMixture.around(sites, spread=0.2, sigma_max=2.5)


ANCESTRAL = "predictor-corrector:corrector_steps=0"
SETTINGS = {
    "ddim": SamplerSettings(sampler="ddim:renewal=0.5", steps=12, resampling=2),
    "predictor-corrector": SamplerSettings(steps=12, resampling=2),
    "heun": SamplerSettings(sampler="heun:churn=5", steps=12, resampling=2),
}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("constraints", ["plain", "host", "symmetric", "symmetric host"])
def test_equals_the_batched_path_at_every_step(kind: str, constraints: str) -> None:
    atoms, model = make(constraints)
    settings = SETTINGS[kind]
    batched = []

    def watch(_process: Run, state: State) -> None:
        batched.append(state.positions.numpy().copy())

    others = [np.random.default_rng(s) for s in (1, 2)]
    rngs = [others[0], np.random.default_rng(3), others[1]]
    results = sample(model, [atoms] * 3, settings=settings, rngs=rngs, callback=watch)

    alone = atoms.copy()
    dynamics = ReverseDiffusion(alone, model, settings=settings, rng=np.random.default_rng(3))
    stepped = [alone.positions.copy() for _ in dynamics.irun()]
    assert len(stepped) == len(batched) == settings.steps + 1
    for one, many in zip(stepped, batched, strict=True):
        assert np.allclose(one, many[8:16], rtol=0, atol=1e-10)
    assert np.allclose(results[1].positions, alone.positions, rtol=0, atol=1e-10)
    assert dynamics.finished
    assert dynamics.sigma == 0.0


def test_equals_the_batched_path_for_a_network() -> None:
    atoms, _ = make("host")
    model = NetworkScoreModel(build_network("density"), sigma_min=0.01, sigma_max=1.0)
    settings = SamplerSettings(steps=4)
    rngs = [np.random.default_rng(s) for s in (1, 2)]
    _, batched = sample(model, [atoms] * 2, settings=settings, rngs=rngs)
    ReverseDiffusion(atoms, model, settings=settings, rng=np.random.default_rng(2)).run()
    assert np.allclose(batched.positions, atoms.positions, rtol=0, atol=NETWORK_TOLERANCE)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize(
    ("number", "basis", "cellpar"),
    [
        (14, [(0.1, 0.2, 0.3), (0.4, 0.15, 0.8)], [4, 4.5, 5, 90, 100, 90]),
        (4, [(0.1, 0.2, 0.3), (0.4, 0.15, 0.8)], [4, 4.5, 5, 90, 100, 90]),
        (166, [(0, 0, 0.2), (0.2, -0.2, 0.1)], [5, 5, 9, 90, 90, 120]),
        (227, [(0.125, 0.125, 0.125), (0.3, 0.3, 0.3)], [8, 8, 8, 90, 90, 90]),
    ],
)
def test_the_space_group_holds_at_every_step(
    kind: str, number: int, basis: list[tuple[float, float, float]], cellpar: list[float]
) -> None:
    atoms = crystal(["Si", "Li"], basis, spacegroup=number, cellpar=cellpar, primitive_cell=True)
    atoms.rotate(20, (1, 2, 3), rotate_cell=True)
    atoms.set_constraint(FixSymmetry(atoms))
    rng = np.random.default_rng(number)
    site = Atoms(
        atoms.numbers, scaled_positions=rng.random((len(atoms), 3)), cell=atoms.cell, pbc=True
    )
    model = WrappedMixture.around([site], spread=0.2, sigma_max=2.5)
    atoms = randomise(atoms, rng=rng)
    dynamics = ReverseDiffusion(atoms, model, settings=SETTINGS[kind], rng=rng)
    found = []
    for _ in dynamics.irun():
        crystal_cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        found.append(spglib.get_symmetry_dataset(crystal_cell, symprec=1e-6).number)
    assert found == [number] * 13


def symmetric_pair() -> tuple[Atoms, WrappedMixture]:
    """Two atoms ±x about an inversion centre, and a model that spreads each by 0.3 Å."""
    cell = np.diag([6.0, 6.0, 6.0])
    pair = Atoms(
        "Li2Si", positions=[[1.1, 1.2, 1.3], [4.9, 4.8, 4.7], [0, 0, 0]], cell=cell, pbc=True
    )
    model = WrappedMixture.around([pair], spread=0.3, sigma_max=4.0)
    start = pair.copy()
    start.positions[:2] += [[0.35, -0.2, 0.1], [-0.35, 0.2, -0.1]]
    start.set_constraint(FixSymmetry(start))
    return start, model


@pytest.mark.parametrize(
    ("settings", "spread"),
    [
        # p(x, −x) ∝ exp(−2|d|²/2τ²): the mixture restricted to the symmetry.
        (SamplerSettings(sampler=ANCESTRAL, steps=60, sigma_min=0.01), 0.3 / np.sqrt(2)),
        (SamplerSettings(steps=60, sigma_min=0.01), 0.3 / np.sqrt(2)),
        (SamplerSettings(sampler="heun:churn=20", steps=20, sigma_min=0.01), 0.3 / np.sqrt(2)),
        # The noiseless flow carries a uniform start to the spread of one atom alone.
        (SamplerSettings(sampler="heun", steps=20, sigma_min=0.01), 0.3),
    ],
    ids=["ancestral", "predictor-corrector", "heun-churn", "heun"],
)
def test_symmetric_samples_follow_the_restricted_distribution(
    settings: SamplerSettings, spread: float
) -> None:
    start, model = symmetric_pair()
    rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(2).spawn(300)]
    starts = [randomise(start, rng=rng) for rng in rngs]
    results = sample(model, starts, settings=settings, rngs=rngs)
    off = np.stack([a.positions[0] for a in results]) - model.sites[0, 0].numpy()
    off -= 6.0 * np.round(off / 6.0)
    assert stats.kstest(off.ravel() / spread, "norm").pvalue > 1e-3
    wrong = 0.3 if spread < 0.3 else 0.3 / np.sqrt(2)
    assert stats.kstest(off.ravel() / wrong, "norm").pvalue < 1e-3


def test_trajectory_log_and_observers(tmp_path: Path) -> None:
    atoms, model = make("symmetric host")
    atoms.calc = NeverCalled()
    log = io.StringIO()
    path = tmp_path / "walk.traj"
    dynamics = ReverseDiffusion(
        atoms, model, settings=SamplerSettings(steps=6), rng=np.random.default_rng(0),
        trajectory=path, logfile=log,
    )  # fmt: skip
    sigmas = []
    dynamics.attach(lambda: sigmas.append(dynamics.sigma), interval=2)
    assert dynamics.run(steps=2) is False
    assert dynamics.nsteps == 2
    assert dynamics.run() is True
    assert list(dynamics.irun()) == [True]
    with Trajectory(path) as trajectory:
        assert len(trajectory) == 7
        assert np.array_equal(trajectory[-1].positions, atoms.positions)
        assert len(trajectory[-1].constraints) == 2
        assert trajectory.description["type"] == "reverse-diffusion"
        assert trajectory.description["sampler"] == "predictor-corrector"
    lines = log.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[0].split() == ["step", "sigma/A", "moved/A"]
    assert lines[-1].split()[:3] == ["ReverseDiffusion:", "6", "0.00000"]
    assert sigmas == [dynamics._process.levels[k] for k in (0, 2, 4, 6)]


def test_loginterval_thins_log_and_trajectory(tmp_path: Path) -> None:
    atoms, model = make("plain")
    log = io.StringIO()
    path = tmp_path / "walk.traj"
    ReverseDiffusion(
        atoms, model, settings=SamplerSettings(steps=6), rng=np.random.default_rng(0),
        trajectory=path, logfile=log, loginterval=3,
    ).run()  # fmt: skip
    with Trajectory(path) as trajectory:
        assert len(trajectory) == 3
    assert [line.split()[1] for line in log.getvalue().splitlines()[1:]] == ["0", "3", "6"]


def test_unknown_constraints_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    atoms, model = make("plain")
    atoms.set_constraint(FixCartesian(0, (True, False, False)))
    path = tmp_path / "walk.traj"
    with pytest.raises(ConstraintError, match="FixCartesian"):
        ReverseDiffusion(
            atoms, model, settings=SamplerSettings(), rng=np.random.default_rng(0),
            trajectory=path,
        )  # fmt: skip
    assert not path.exists()
