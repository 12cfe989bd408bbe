"""A reverse diffusion that is left at any step and entered again ends where it would have."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixSymmetry
from ase.io import Trajectory
from ase.optimize import FIRE
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dynamics import ReverseDynamics
from gencsp.diffusion.joint.process import JointProcess, JointState
from gencsp.diffusion.joint.reverse import JointReverseDiffusion
from gencsp.diffusion.joint.settings import JointSamplerSettings
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.networks.joint import JointOutput
from gencsp.diffusion.positions.reverse import ReverseDiffusion
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.testing import WrappedMixture

STEPS = 6
SCALE = LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.7), (0.2, 0.2, 0.2, 0.15, 0.3, 0.25))


class Unplugged(Exception):
    """What a model says that fails once."""


class Failing:
    """Counts the calls of a model and lets one of them fail."""

    left = 10**9

    def count(self) -> None:
        self.left -= 1
        if self.left == -1:
            raise Unplugged


class Mixture(Failing):
    """A score model of one crystal."""

    def __init__(self) -> None:
        self.inner = WrappedMixture.around([bulk("NaCl", "rocksalt", a=5.6)], spread=0.3)
        self.digest, self.sigma_min = "0" * 12, self.inner.sigma_min
        self.sigma_max = self.inner.sigma_max

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        self.count()
        return self.inner.score(batch, sigma)


@dataclass
class Pull(Failing):
    """A joint denoiser that pulls coordinates and cell somewhere, and draws any species."""

    process: JointProcess = field(default_factory=lambda: JointProcess(scale=SCALE))

    def predict(self, state: JointState, t: float) -> JointOutput:
        self.count()
        angle = 2 * torch.pi * state.frac
        logits = torch.cos(
            torch.arange(95.0, dtype=torch.float64) + state.frac.sum(1, keepdim=True)
        )
        return JointOutput(-torch.sin(angle) - t, torch.tanh(state.shape), logits)


Walk = tuple[ReverseDynamics, Atoms, Failing]


def positions_walk(kind: str, **options: Any) -> Walk:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.positions += np.random.default_rng(0).normal(scale=0.5, size=(2, 3))
    if kind.endswith("host"):
        atoms.set_constraint(FixAtoms([0]))
    model = Mixture()
    sampler = "heun:churn=4" if kind.startswith("heun") else "predictor-corrector"
    settings = SamplerSettings(sampler=sampler, steps=STEPS, resampling=2)
    rng = np.random.default_rng(3)
    return ReverseDiffusion(atoms, model, settings=settings, rng=rng, **options), atoms, model


def joint_walk(kind: str, **options: Any) -> Walk:
    atoms = Atoms("X2", cell=[3.1, 3.2, 3.3], pbc=True, positions=[(0, 0, 0), (1.5, 1.6, 1.7)])
    if kind == "host":
        atoms.numbers[0] = 11
        atoms.set_constraint(FixAtoms([0]))
    if kind == "symmetric":
        atoms.numbers[:] = 11
        atoms.set_constraint(FixSymmetry(atoms))
    model = Pull()
    settings = JointSamplerSettings(
        sampler="predictor-corrector", steps=STEPS, resampling=2, free_cell=kind != "host"
    )
    rng = np.random.default_rng(3)
    return JointReverseDiffusion(atoms, model, settings=settings, rng=rng, **options), atoms, model


WALKS: dict[str, Callable[..., Walk]] = {
    "positions": lambda **o: positions_walk("plain", **o),
    "positions, host": lambda **o: positions_walk("host", **o),
    "positions, heun, host": lambda **o: positions_walk("heun host", **o),
    "joint": lambda **o: joint_walk("plain", **o),
    "joint, host": lambda **o: joint_walk("host", **o),
    "joint, symmetric": lambda **o: joint_walk("symmetric", **o),
}


def state(atoms: Atoms) -> tuple[object, ...]:
    """Every number in full."""
    return (atoms.numbers.tolist(), atoms.positions.tolist(), atoms.cell.array.tolist())


def watched(name: str, **options: Any) -> tuple[Walk, list[tuple[object, ...]]]:
    """A walk, and what an observer sees of it."""
    dynamics, atoms, model = WALKS[name](**options)
    frames: list[tuple[object, ...]] = []
    dynamics.attach(lambda: frames.append((dynamics.nsteps, *state(atoms))))
    return (dynamics, atoms, model), frames


@pytest.fixture(params=WALKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def whole(name: str) -> list[tuple[object, ...]]:
    """What an observer sees of a walk that nobody left."""
    (dynamics, atoms, _), frames = watched(name)
    assert dynamics.run()
    assert [frame[0] for frame in frames] == list(range(STEPS + 1))
    assert frames[-1][1:] == state(atoms)
    assert len({str(frame) for frame in frames}) == STEPS + 1
    return frames


def leave_after(dynamics: ReverseDynamics, yields: int) -> None:
    for number, _ in enumerate(dynamics.irun(), start=1):
        if number == yields:
            break


def test_left_at_any_step_and_entered_again(name: str, whole: list[tuple[object, ...]]) -> None:
    for yields in range(1, STEPS + 2):
        (dynamics, _, _), frames = watched(name)
        leave_after(dynamics, yields)
        assert dynamics.nsteps == yields - 1
        assert list(dynamics.irun()) == [False] * (STEPS + 1 - yields) + [True]
        assert frames == whole


def test_left_after_every_step(name: str, whole: list[tuple[object, ...]], tmp_path: Path) -> None:
    """By turns at the first line and after a step; log and trajectory have every step once."""
    log, path = io.StringIO(), tmp_path / "walk.traj"
    (dynamics, _, _), frames = watched(name, logfile=log, trajectory=path)
    while not dynamics.finished:
        leave_after(dynamics, 1)
        leave_after(dynamics, 1)
        leave_after(dynamics, 2)
    assert list(dynamics.irun()) == [True]
    assert frames == whole
    with Trajectory(path) as trajectory:
        assert [state(atoms) for atoms in trajectory] == [frame[1:] for frame in whole]
    assert len(log.getvalue().splitlines()) == 1 + STEPS + 1


def test_two_iterators_share_one_walk(name: str, whole: list[tuple[object, ...]]) -> None:
    (dynamics, _, _), frames = watched(name)
    first, second = dynamics.irun(), dynamics.irun(steps=3)
    next(first), next(second)
    assert dynamics.nsteps == 0
    next(first), next(second), next(first)
    assert dynamics.nsteps == 3
    assert list(second) == []
    list(first)
    assert frames == whole


def test_a_model_that_failed_once(name: str, whole: list[tuple[object, ...]]) -> None:
    """A step that broke off is taken again with the noise that it would have had."""
    failures = 0
    for call in range(40):
        (dynamics, _, model), frames = watched(name)
        model.left = call
        with suppress(Unplugged):
            dynamics.run()
        failures += not dynamics.finished
        dynamics.run()
        assert frames == whole, call
    assert failures >= STEPS


def test_an_error_of_an_observer_costs_no_step(name: str, whole: list[tuple[object, ...]]) -> None:
    (dynamics, atoms, _), frames = watched(name)
    dynamics.attach(_fail_at, 1, dynamics, {0, 3, STEPS})
    for _ in range(4):
        with suppress(Unplugged):
            dynamics.run()
    assert frames == whole
    assert state(atoms) == whole[-1][1:]


def _fail_at(dynamics: ReverseDynamics, steps: set[int]) -> None:
    if dynamics.nsteps in steps:
        steps.remove(dynamics.nsteps)
        raise Unplugged


def test_observers_are_called_as_those_of_ase() -> None:
    """Of an optimiser that is left after each step, but for the start."""
    ours, asked = WALKS["positions"]()[0], []
    ours.attach(lambda: asked.append(ours.nsteps), interval=2)
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    theirs, expected = FIRE(atoms, logfile=None), []
    theirs.attach(lambda: expected.append(theirs.nsteps), interval=2)
    for dynamics in (ours, theirs):
        for number, _ in enumerate(dynamics.irun()):
            if number == 1:
                break
        dynamics.run(steps=3)
        dynamics.run(steps=2)
    assert asked == expected == [0, 2, 4, 6]
