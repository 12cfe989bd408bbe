"""Denoising losses: against what a network that knows nothing must have, and of real crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from torch import Tensor, nn

from gencsp.diffusion.joint.denoising_loss import denoising_losses
from gencsp.diffusion.joint.model import JointModel, load_joint_model
from gencsp.diffusion.joint.process import JointProcess, JointState
from gencsp.diffusion.networks.joint import JointOutput
from gencsp.diffusion.networks.layers import N_ELEMENTS

PEROVSKITE = Atoms(
    "SrTiO3",
    scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
    cell=[3.91] * 3,
    pbc=True,
)


class Blind(nn.Module):
    """Predicts nothing, and remembers at which times it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.zeros(1))
        self.times: list[float] = []

    def forward(
        self, state: JointState, t: Tensor, conditions: Tensor, process: JointProcess
    ) -> JointOutput:
        del process
        assert torch.isnan(conditions).all(), "no target is given"
        self.times.append(float(t[0]))
        n = len(state.numbers)
        return JointOutput(torch.zeros(n, 3), torch.zeros(len(t), 6), torch.zeros(n, N_ELEMENTS))


@pytest.fixture(scope="module")
def shipped() -> JointModel:
    return load_joint_model(device="cpu")


def rattled(atoms: Atoms, by: float) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).normal(0, by, moved.positions.shape)
    return moved


def test_a_network_that_knows_nothing_has_the_variance_of_the_noise(shipped: JointModel) -> None:
    # σ is far below the cell here, so σ·score is normal noise without its mean over n atoms.
    blind = replace(shipped, network=Blind())
    crystals = [bulk("NaCl", "rocksalt", 5.6), bulk("Cu") * (2, 2, 2)]
    losses = denoising_losses(blind, crystals, times=(0.1,), draws=4000)
    assert losses == pytest.approx([1 / 2, 7 / 8], rel=0.03)


def test_times_and_draws_are_those_asked_for(shipped: JointModel) -> None:
    blind = Blind()
    denoising_losses(replace(shipped, network=blind), [bulk("Cu")], times=(0.2, 0.5), draws=3)
    assert blind.times == pytest.approx([0.2] * 3 + [0.5] * 3)


def test_the_shipped_network_prefers_crystals_to_what_was_shaken(shipped: JointModel) -> None:
    for crystal in (
        bulk("NaCl", "rocksalt", 5.6, cubic=True),
        bulk("ZnS", "zincblende", 5.4, cubic=True),
        PEROVSKITE,
    ):
        losses = denoising_losses(
            shipped, [crystal, rattled(crystal, 0.4), rattled(crystal, 0.8)], draws=16
        )
        assert losses[0] < 0.1 * losses[1:].min()


def test_the_same_seed_gives_the_same_numbers_and_none_give_none(shipped: JointModel) -> None:
    crystals = [bulk("NaCl", "rocksalt", 5.6), bulk("Cu")]
    once, again = (denoising_losses(shipped, crystals) for _ in range(2))
    assert once.tolist() == again.tolist()
    assert once.tolist() != denoising_losses(shipped, crystals, seed=1).tolist()
    assert denoising_losses(shipped, []).shape == (0,)
