"""Several draws of noise for each encoded crystal, and the time steps that they are drawn from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from tiny_dp_cdvae import LATTICE, tiny_network

import gencsp
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.dp_cdvae_draws import Draws
from gencsp.diffusion.training.dp_cdvae_objective import LOST, DpCdvaeObjective

PROCESS = DpCdvaeProcess(lattice=LATTICE)
CPU = torch.device("cpu")


def crystals() -> CrystalSet:
    found = [bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21), bulk("Cu")]
    return CrystalSet.gather(iter(found), held_out=frozenset()).reduced()


def objective(draws: int = 1, late_share: float | None = None) -> DpCdvaeObjective:
    return DpCdvaeObjective(process=PROCESS, draws=draws, late_share=late_share)


@given(copies=st.integers(1, 6), share=st.sampled_from([None, 0.0, 0.2, 0.9]), seed=st.integers(0))
def test_a_copy_of_each_crystal_falls_in_each_part_of_the_time(
    copies: int, share: float | None, seed: int
) -> None:
    some, times = crystals(), objective(copies, share).times()
    batch = some.batch(np.tile(np.arange(3), copies))
    draws = Draws.spread(batch, 4, times=times, copies=copies, rng=np.random.default_rng(seed))
    below = np.concatenate(([0.0], np.cumsum(times)))
    first, last = below[draws.t - 1], below[draws.t]
    for k in range(copies):  # the part of the k-th copies, which a time step may straddle
        own = slice(3 * k, 3 * k + 3)
        assert (last[own] >= k / copies - 1e-9).all()
        assert (first[own] <= (k + 1) / copies + 1e-9).all()


def test_time_steps_have_the_share_that_is_asked_for() -> None:
    lost = PROCESS.schedule.time_of(LOST)
    noise = (1 - PROCESS.schedule.alpha_bar(torch.tensor([lost - 1, lost]))).sqrt()
    assert noise[0] < LOST <= noise[1]
    times = objective(late_share=0.15).times()
    assert times.sum() == pytest.approx(1)
    assert times[lost:].sum() == pytest.approx(0.15)
    assert np.ptp(times[:lost]) == np.ptp(times[lost:]) == 0
    np.testing.assert_allclose(objective(4).times(), 1e-3)
    some = crystals()
    rng = np.random.default_rng(0)
    t = np.concatenate(
        [
            Draws.spread(some.batch(np.arange(3).repeat(4)), 1, times=times, copies=4, rng=rng).t
            for _ in range(400)
        ]
    )
    edges = [1, 200, lost + 1, 800, 1001]
    counts, _ = np.histogram(t, edges)
    expected = [times[a - 1 : b - 1].sum() * len(t) for a, b in pairwise(edges)]
    # Stratified draws scatter less than independent ones, for which this is the test.
    assert chisquare(counts, expected).pvalue > 0.01


@pytest.mark.parametrize(("draws", "share"), [(3, None), (2, 0.25), (1, 0.25)])
def test_draws_of_a_crystal_count_as_so_many_crystals(draws: int, share: float | None) -> None:
    """Loss and gradients are the mean over copies that are encoded and noised one by one."""
    network, some = tiny_network().requires_grad_(True), crystals()
    how, indices = objective(draws, share), np.array([2, 0])

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        network.zero_grad()
        torch.autograd.backward(loss)
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    found = how.loss(network, some, indices, np.random.default_rng(5), CPU, step=9)
    assert found.shape == (2,)
    mine = gradients(found.mean())

    copies = some.batch(np.tile(indices, draws))
    drawn = Draws.spread(
        copies,
        network.config.latent,
        times=how.times(),
        copies=draws,
        rng=np.random.default_rng(5),
    )
    expected = how.total(how.terms(network, copies, drawn, CPU, true_lattice=False))
    torch.testing.assert_close(found, expected.view(draws, 2).mean(0))
    for one, other in zip(mine, gradients(expected.mean()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_one_draw_of_even_times_is_the_loss_of_the_paper() -> None:
    network, some = tiny_network(), crystals()
    found = objective().loss(network, some, np.arange(3), np.random.default_rng(1), CPU, step=0)
    clean = some.batch(np.arange(3))
    drawn = Draws.of(clean, network.config.latent, 1, 1000, np.random.default_rng(1))
    terms = objective().terms(network, clean, drawn, CPU, true_lattice=False)
    torch.testing.assert_close(found, objective().total(terms))


def test_without_draws_encoder_and_heads_are_trained_alone() -> None:
    network, some = tiny_network().requires_grad_(True), crystals()
    how, latent = objective(0), network.config.latent
    found = how.loss(network, some, np.arange(3), np.random.default_rng(1), CPU, step=0)
    clean = some.batch(np.arange(3))
    z = torch.as_tensor(np.random.default_rng(1).standard_normal((3, latent)))
    drawn = replace(Draws.of(clean, latent, 1, 1000, np.random.default_rng(2)), z=z)
    terms = how.terms(network, clean, drawn, CPU, true_lattice=True)
    read = terms._replace(coordinates=0 * terms.kl, species=0 * terms.kl)
    torch.testing.assert_close(found, how.total(read))
    torch.autograd.backward(found.mean())
    trained = {
        name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None
    }
    assert trained == {"dimenet", "join", "lattice_head", "atom_count_head", "composition_head"}


def test_a_run_keeps_its_draws_and_an_older_one_has_one() -> None:
    how = objective(3, 0.25)
    assert DpCdvaeObjective.from_description(how.describe()) == how
    older = {k: v for k, v in how.describe().items() if k not in ("draws", "late_share")}
    assert DpCdvaeObjective.from_description(older) == objective()


def test_a_training_is_resumed_with_its_draws(tmp_path: Path) -> None:
    some: list[Atoms] = [bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)]
    run: dict[str, Any] = {"size": "tiny", "batch_size": 2, "warmup": 1, "cooldown": 0.0}
    own: dict[str, Any] = {"draws": 3, "late_share": 0.2}
    whole = gencsp.train_dp_cdvae(some, tmp_path / "a", held_out=(), steps=4, **run, **own)
    gencsp.train_dp_cdvae(some, tmp_path / "b", held_out=(), steps=2, **run, **own)
    rest = gencsp.train_dp_cdvae(some, tmp_path / "b", held_out=(), steps=4, resume=True)
    assert (rest.digest, rest.step) == (whole.digest, 4)
    one = gencsp.train_dp_cdvae(some, tmp_path / "c", held_out=(), steps=4, **run)
    assert one.digest != whole.digest
