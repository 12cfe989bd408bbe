"""Fitting the prior of z: to data of known distributions, and at the end of a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy.stats import wasserstein_distance
from tiny_dp_cdvae import LATTICE, tiny_network, write_tiny_dp_cdvae

import gencsp
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.prior import latents
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.networks.latent_prior import count_species
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.dp_cdvae_prior import Posteriors, fit_prior
from gencsp.diffusion.training.trainer import TrainingProgress

RUN: dict[str, Any] = {"held_out": (), "size": "tiny", "batch_size": 2, "warmup": 1}


def crystals() -> list[Atoms]:
    return [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("ZnS", "zincblende", a=5.41),
        bulk("CaF2", "fluorite", a=5.46),
    ]


def two_kinds(n: int = 2000) -> Posteriors:
    """Crystals of H at −2 and of He at 2 in one direction, a ring of both in two others."""
    rng = np.random.default_rng(0)
    helium = rng.random(n) < 0.5
    angle = rng.uniform(0, 2 * np.pi, n)
    mean = np.zeros((n, 8))
    mean[:, 2] = np.where(helium, 2.0, -2.0)
    mean[:, 5], mean[:, 7] = 3 + np.cos(angle), np.sin(angle)
    std = np.ones((n, 8))
    std[:, [2, 5, 7]] = 0.1
    counts = count_species([[2] if one else [1] for one in helium])
    return Posteriors(torch.as_tensor(mean).float(), torch.as_tensor(std).float(), counts)


def test_the_fitted_prior_is_the_distribution_of_the_posteriors() -> None:
    """In every direction, together in a ring, and by species; N(0, I) is far from it."""
    data = two_kinds()
    wide = tiny_network()
    wide.config = wide.config.model_copy(update={"prior_channels": 64, "prior_blocks": 2})
    network = fit_prior(wide, data, steps=1500, seed=0)
    assert network.prior.active.tolist() == [2, 5, 7]
    model = DpCdvaeModel(network, DpCdvaeProcess(lattice=LATTICE), "digest")
    n = 1000
    rngs = [np.random.default_rng([1, k]) for k in range(n)]
    rng = np.random.default_rng(2)
    drawn = data.mean.numpy()[:n] + data.std.numpy()[:n] * rng.standard_normal((n, 8))
    z = latents(model, rngs)
    for k in range(8):
        assert wasserstein_distance(z[:, k], drawn[:, k]) < 0.2
    assert wasserstein_distance(rng.standard_normal(n), drawn[:, 2]) > 1
    radius = np.hypot(z[:, 5] - 3, z[:, 7])
    assert np.quantile(abs(radius - 1), 0.8) < 0.4
    for number, place in ((1, -2.0), (2, 2.0)):
        rngs = [np.random.default_rng([number, k]) for k in range(200)]
        found = latents(model, rngs, [[number]] * 200)
        assert np.mean(abs(found[:, 2] - place) < 0.6) > 0.95


def test_posteriors_are_those_of_the_encoder() -> None:
    network = tiny_network()
    data = CrystalSet.gather(iter(crystals()), held_out=frozenset())
    found = Posteriors.of(network, data)
    mean, std = DpCdvaeModel(network, DpCdvaeProcess(lattice=LATTICE), "").encode(crystals())
    np.testing.assert_allclose(found.mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.std, std, rtol=1e-4)
    assert torch.equal(found.counts, count_species([a.numbers for a in crystals()]))
    assert len(found) == 4


def test_where_no_crystal_differs_the_prior_stays_as_it_is() -> None:
    data = two_kinds(50)
    flat = Posteriors(torch.zeros_like(data.mean), torch.ones_like(data.std), data.counts)
    network = tiny_network()
    assert fit_prior(network, flat, steps=5, seed=0) is network


def test_a_prior_can_be_fitted_to_weights_that_are_there(tmp_path: Path) -> None:
    """Nothing else of them changes; the seed decides, and the report names the stage."""
    weights = write_tiny_dp_cdvae(tmp_path / "w.safetensors")
    old = load_dp_cdvae(weights, device="cpu")
    seen: list[TrainingProgress] = []
    run: dict[str, Any] = {"start": weights, "steps": 0, "held_out": (), "prior_steps": 3}
    one = gencsp.train_dp_cdvae(crystals(), tmp_path / "a", report=seen.append, **run)
    assert [(p.stage, p.step, p.steps) for p in seen] == [("prior", k, 3) for k in (1, 2, 3)]
    new = load_dp_cdvae(one.file, device="cpu")
    assert new.network.prior.fitted
    # Stoichiometries are those of the crystals that it is fitted to.
    assert (one.step, replace(new.process, stoichiometries=None)) == (0, old.process)
    assert new.process.stoichiometries is not None
    kept = new.network.state_dict()
    for name, value in old.network.state_dict().items():
        assert torch.equal(value, kept[name])
    again = gencsp.train_dp_cdvae(crystals(), tmp_path / "b", **run)
    other = gencsp.train_dp_cdvae(crystals(), tmp_path / "c", seed=1, **run)
    assert again.digest == one.digest != other.digest
    # Trained on, the encoder is another one, and the prior is fitted anew or is N(0, I).
    more: dict[str, Any] = {**run, "start": one.file, "steps": 1, "batch_size": 2}
    fitted = gencsp.train_dp_cdvae(crystals(), tmp_path / "d", **more)
    assert load_dp_cdvae(fitted.file, device="cpu").network.prior.fitted
    plain = gencsp.train_dp_cdvae(crystals(), tmp_path / "e", **{**more, "prior_steps": 0})
    assert not load_dp_cdvae(plain.file, device="cpu").network.prior.fitted


def test_a_training_that_ended_can_fit_its_prior_again(tmp_path: Path) -> None:
    run: dict[str, Any] = {**RUN, "start": write_tiny_dp_cdvae(tmp_path / "w.safetensors")}
    del run["size"]
    gencsp.train_dp_cdvae(crystals(), tmp_path / "a", steps=2, prior_steps=2, **run)
    longer = gencsp.train_dp_cdvae(
        crystals(), tmp_path / "a", held_out=(), resume=True, prior_steps=4
    )
    whole = gencsp.train_dp_cdvae(crystals(), tmp_path / "b", steps=2, prior_steps=4, **run)
    assert longer.digest == whole.digest


def test_the_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(gencsp.errors.DeckError, match="prior_steps"):
        gencsp.train_dp_cdvae(crystals(), tmp_path / "a", steps=1, prior_steps=-1, **RUN)
