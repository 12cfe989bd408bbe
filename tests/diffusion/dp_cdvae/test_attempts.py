"""The choice between decodings of one latent vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.stats import norm
from tiny_dp_cdvae import write_tiny_dp_cdvae

import gencsp
from gencsp.diffusion.dp_cdvae.attempts import likeliest_decoding, log_posterior
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.sampler import Given, decode

SAMPLING = DpCdvaeSampling(steps=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DpCdvaeModel:
    path: Path = tmp_path_factory.mktemp("w") / "w.safetensors"
    return load_dp_cdvae(write_tiny_dp_cdvae(path))


def salts() -> list[Atoms]:
    return [bulk("NaCl", "rocksalt", a=5.64), bulk("CaF2", "fluorite", a=5.46), bulk("Cu")]


def test_density_is_that_of_the_encoders_normal_distribution(model: DpCdvaeModel) -> None:
    z = np.random.default_rng(1).standard_normal((3, model.latent))
    mean, spread = model.encode(salts())
    expected = norm.logpdf(z, mean, spread).sum(axis=1) + 0.5 * model.latent * np.log(2 * np.pi)
    np.testing.assert_allclose(log_posterior(model, salts(), z), expected, rtol=1e-6)


def test_what_cannot_be_encoded_is_never_chosen(model: DpCdvaeModel) -> None:
    z = np.zeros((3, model.latent))
    large = bulk("Cu").repeat((4, 4, model.most_atoms))
    molecule = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]])
    found = log_posterior(model, [large, bulk("Cu"), molecule], z)
    assert np.isfinite(found).tolist() == [False, True, False]
    assert (found[[0, 2]] == -np.inf).all()
    assert (log_posterior(model, [molecule], z[:1]) == -np.inf).all()


def test_the_likeliest_of_decodings_in_a_row_is_kept(model: DpCdvaeModel) -> None:
    z = np.random.default_rng(2).standard_normal((3, model.latent))
    given = [Given(numbers=atoms.numbers) for atoms in salts()]

    def generators() -> list[np.random.Generator]:
        return [np.random.default_rng([3, k]) for k in range(3)]

    rngs = generators()
    rounds = [decode(model, z, sampling=SAMPLING, rngs=rngs, given=given) for _ in range(4)]
    best = np.argmax([log_posterior(model, made, z) for made in rounds], axis=0)
    assert len(set(best.tolist())) > 1
    found = likeliest_decoding(
        model, z, attempts=4, sampling=SAMPLING, rngs=generators(), given=given
    )
    for k, atoms in enumerate(found):
        np.testing.assert_array_equal(atoms.positions, rounds[best[k]][k].positions)
    once = likeliest_decoding(
        model, z, attempts=1, sampling=SAMPLING, rngs=generators(), given=given
    )
    for atoms, first in zip(once, rounds[0], strict=True):
        np.testing.assert_array_equal(atoms.positions, first.positions)


def test_attempts_do_not_depend_on_the_rest_of_a_pool(model: DpCdvaeModel) -> None:
    whole, parts = (
        list(
            gencsp.reconstruct(
                salts(), model=model, levels=3, attempts=3, batch_size=size, keep_species=True
            )
        )
        for size in (3, 1)
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-4)
