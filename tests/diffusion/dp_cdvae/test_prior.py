"""Draws of z from N(0, I) and from a fitted prior, with species given or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_dp_cdvae import LATTICE, tiny_network

from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae, save_dp_cdvae
from gencsp.diffusion.dp_cdvae.prior import latents
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.networks.dp_cdvae import with_prior
from gencsp.diffusion.networks.latent_prior import LatentPrior, count_species
from gencsp.errors import RequestError

SALT = [11, 17, 11, 17]
PROCESS = DpCdvaeProcess(lattice=LATTICE)


def model_of(prior: LatentPrior | None = None) -> DpCdvaeModel:
    network = tiny_network()
    # Random heads hardly tell one composition from another.
    last = network.composition_head[2]
    assert isinstance(last, torch.nn.Linear)
    last.weight.mul_(3)
    made = with_prior(network, prior).eval().requires_grad_(False)
    return DpCdvaeModel(made, PROCESS, "digest")


def generators(n: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(n)]


class NormalPrior(LatentPrior):
    """The exact flow to N(m, s²) in each active direction; the mean is the share of Cl."""

    width: float = 0.5

    def forward(
        self, x: torch.Tensor, time: torch.Tensor, species: torch.Tensor | None = None
    ) -> torch.Tensor:
        """E[x_1 − x_0 | x_τ] of x_τ = (1 − τ) x_0 + τ x_1, jointly normal."""
        t = time[:, None]
        mean = torch.zeros_like(t) if species is None else species[:, 17:18]
        both = (1 - t) ** 2 + (t * self.width) ** 2
        slope = (t * self.width**2 - (1 - t)) / both
        return mean + slope * (x - t * mean)


def normal_prior() -> LatentPrior:
    made = NormalPrior(latent=8, directions=3, most_atoms=24, channels=4, blocks=1)
    made.mean.copy_(torch.arange(8.0))
    made.scale.copy_(torch.linspace(0.5, 2.0, 8))
    made.active.copy_(torch.tensor([1, 4, 6]))
    return made.requires_grad_(False)


def test_without_a_fitted_prior_z_is_normal_and_each_has_its_own_generator() -> None:
    found = latents(model_of(), generators(5))
    assert np.array_equal(found, [rng.standard_normal(8) for rng in generators(5)])


def test_latent_vectors_are_drawn_by_what_the_heads_give_the_composition() -> None:
    """The mean likelihood of the composition is that of the posterior of z."""
    model = model_of()

    def logs(z: np.ndarray) -> np.ndarray:
        heads = model.heads(z)
        found: np.ndarray = heads.atom_count[:, 3] + heads.composition[:, SALT].sum(1)
        return found

    every = logs(np.random.default_rng(5).standard_normal((20_000, 8)))
    shares = np.exp(every - every.max())
    found = logs(latents(model, generators(200), [SALT] * 200))
    rise = (every * shares).sum() / shares.sum() - every.mean()
    # The best of 20,000 is not among 256.
    assert 0.85 * rise < found.mean() - every.mean() < 1.05 * rise


@pytest.mark.parametrize(("numbers", "mean"), [(None, 0.0), ([17], 1.0), (SALT, 0.5)])
def test_a_flow_gives_the_distribution_that_its_velocity_has(
    numbers: list[int] | None, mean: float
) -> None:
    """Against the normal distribution of which the velocity is the exact one."""
    network = tiny_network()
    network.prior = normal_prior()
    model = DpCdvaeModel(network, PROCESS, "digest")
    n = 4000
    z = latents(model, generators(n), None if numbers is None else [numbers] * n)
    x = (z - np.arange(8)) / np.linspace(0.5, 2.0, 8)
    active = [1, 4, 6]
    expected = np.zeros(8)
    expected[active] = mean
    width = np.ones(8)
    width[active] = NormalPrior.width
    np.testing.assert_allclose(x.mean(0), expected, atol=4 / n**0.5)
    np.testing.assert_allclose(x.std(0), width, rtol=0.05)
    # Each vector is that of its own noise: the flow of a normal distribution is linear.
    noise = np.stack([rng.standard_normal(8) for rng in generators(n)])
    np.testing.assert_allclose(x, expected + width * noise, atol=2e-3)
    np.testing.assert_allclose(model.prior_width, np.linspace(0.5, 2.0, 8), rtol=1e-6)


def test_a_fitted_prior_is_kept_in_the_file(tmp_path: Path) -> None:
    prior = tiny_network().config.new_prior(3)
    prior.mean.uniform_()
    torch.nn.init.normal_(prior.out[1].weight)  # type: ignore[arg-type]
    model = model_of(prior)
    save_dp_cdvae(model.network, PROCESS, tmp_path / "w.safetensors")
    again = load_dp_cdvae(tmp_path / "w.safetensors", device="cpu")
    for numbers in (None, [SALT] * 4):
        found = latents(again, generators(4), numbers)
        np.testing.assert_allclose(found, latents(model, generators(4), numbers), rtol=1e-6)
        assert np.abs(found - latents(model_of(), generators(4))).max() > 0.1
    # A network without one is what it was before there were any.
    plain = with_prior(model.network, None)
    assert not any(name.startswith("prior.") for name in plain.state_dict())
    assert plain.config == tiny_network().config


def test_species_are_known_by_their_shares_and_their_number() -> None:
    prior = normal_prior()
    one, two, other = prior.known_species(count_species([[11, 17], SALT, [11, 17, 17, 17]]))
    assert torch.equal(one[:95], two[:95])
    assert (one[11], one[17], other[17]) == (0.5, 0.5, 0.75)
    assert (one[95 + 1], two[95 + 3], other[95 + 3]) == (1, 1, 1)
    assert one.sum() == two.sum() == other.sum() == 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RequestError, match="2 generators and 1 crystals"):
        latents(model_of(), generators(2), [SALT])
    with pytest.raises(RequestError, match="25 atoms, and this model knows up to 24"):
        latents(model_of(), generators(1), [[11] * 25])
