"""Schedule, reverse process and networks of units against what is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from gencsp.diffusion.units.networks import Condition, UnitNetworks, UnitNetworksConfig
from gencsp.diffusion.units.sampler import gradient_of, reverse_process
from gencsp.diffusion.units.schedule import LinearSchedule
from gencsp.diffusion.units.training import Examples, UnitTraining, train
from gencsp.errors import RequestError

SCHEDULE = LinearSchedule()
MEAN = torch.tensor([0.7, -1.2], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.8, 0.5], [0.5, 0.6]], dtype=torch.float64)
#: Of the energy (z - centre)ᵀ K (z - centre) / 2.
STIFFNESS = torch.tensor([[1.5, -0.4], [-0.4, 0.9]], dtype=torch.float64)
CENTRE = torch.tensor([-0.5, 0.8], dtype=torch.float64)
N = 2500


def gaussian_noise(z: Tensor, t: int) -> Tensor:
    """ε of N(MEAN, COVARIANCE): -√(1-ᾱ) times the score of what it is at t."""
    kept = SCHEDULE.alpha_bars[t]
    covariance = kept * COVARIANCE + (1 - kept) * torch.eye(2, dtype=torch.float64)
    away: Tensor = z - kept.sqrt() * MEAN
    noise: Tensor = (1 - kept).sqrt() * away @ torch.linalg.inv(covariance)
    return noise


def pulled_gradient(strength: float) -> Callable[[Tensor, int], Tensor]:
    """Gradient of -ln E[exp(-s E(z_0)) | z_t] / s for the same distribution, E quadratic.

    z_0 given z_t is normal with a mean linear in z_t; the mean of exp of a quadratic form over it
    is known in closed form.
    """

    def energy(z: Tensor, t: int) -> Tensor:
        kept = SCHEDULE.alpha_bars[t]
        noisy = kept * COVARIANCE + (1 - kept) * torch.eye(2, dtype=torch.float64)
        gain = kept.sqrt() * COVARIANCE @ torch.linalg.inv(noisy)
        posterior = COVARIANCE - kept.sqrt() * gain @ COVARIANCE
        mean = MEAN + (z - kept.sqrt() * MEAN) @ gain.T
        width = torch.linalg.inv(torch.linalg.inv(STIFFNESS) / strength + posterior)
        away = mean - CENTRE
        return torch.einsum("bi,ij,bj->b", away, width, away) / (2 * strength)

    return gradient_of(energy)


def sampled(strength: float) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)

    def draw(_: int = 0) -> Tensor:
        return torch.randn((N, 2), generator=generator, dtype=torch.float64)

    return reverse_process(
        gaussian_noise,
        draw(),
        draw,
        schedule=SCHEDULE,
        energy_gradient=pulled_gradient(strength) if strength else None,
        guidance=strength,
    ).numpy()


def test_the_schedule_is_that_of_ho() -> None:
    assert SCHEDULE.steps == 1000
    assert_allclose(SCHEDULE.betas[[0, -1]], [1e-4, 0.02])
    kept = SCHEDULE.alpha_bars
    assert kept[0] == 1
    # The signal that is left at T: exp of the sum of ln(1 - β), 4.0e-5.
    assert_allclose(kept[-1], np.exp(np.log1p(-SCHEDULE.betas.numpy()).sum()), rtol=1e-9)
    assert 3e-5 < kept[-1] < 5e-5


def test_noised_vectors_have_the_mean_and_variance_of_their_step() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((20_000, 1)))
    noisy = SCHEDULE.noised(torch.full_like(noise, 2.0), noise, torch.full((20_000,), 300))
    kept = float(SCHEDULE.alpha_bars[300])
    assert_allclose(noisy.mean(), 2 * kept**0.5, atol=0.02)
    assert_allclose(noisy.var(), 1 - kept, rtol=0.03)


def test_the_reverse_process_recovers_a_gaussian() -> None:
    found = sampled(0.0)
    assert_allclose(found.mean(axis=0), MEAN, atol=0.05)
    assert_allclose(np.cov(found.T), COVARIANCE, atol=0.06)


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_guidance_samples_the_product_of_both_gaussians(strength: float) -> None:
    found = sampled(strength)
    precision = torch.linalg.inv(COVARIANCE) + strength * STIFFNESS
    covariance = torch.linalg.inv(precision)
    pull = torch.linalg.inv(COVARIANCE) @ MEAN + strength * STIFFNESS @ CENTRE
    assert_allclose(found.mean(axis=0), covariance @ pull, atol=0.04)
    assert_allclose(np.cov(found.T), covariance, atol=0.04)


def test_what_is_predicted_stays_within_reach() -> None:
    """A network that predicts no noise at all leads to the edge of the data, not anywhere."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((50, 2), generator=generator)
    reach = torch.tensor([1.0, 2.0])

    def found(within: Tensor | None) -> Tensor:
        return reverse_process(
            lambda z, _: torch.zeros_like(z),
            start,
            lambda _: torch.zeros_like(start),
            schedule=SCHEDULE,
            reach=within,
        ).abs()

    assert (found(reach) <= reach).all()
    assert found(None).max() > 100


def condition(n: int, *, length: int = 3) -> Condition:
    mask = torch.ones(n, length)
    mask[:, -1] = 0
    zeros = torch.zeros(n, length)
    return Condition(mask, zeros, torch.zeros(n, dtype=torch.int64), torch.ones((n, 1)).long())


CONFIG = UnitNetworksConfig(length=3, slots=1, groups=2, kinds=2)


def test_networks_have_the_layers_of_the_supplement() -> None:
    networks = UnitNetworks(UnitNetworksConfig())
    widths = [
        [one.out_features for one in part.layers if isinstance(one, torch.nn.Linear)]
        for part in (networks.noise, networks.energy)
    ]
    assert widths == [[64, 64, 64, 1], [128, 128, 128, 1]]
    one = networks.energy.layers[2]
    assert isinstance(one, torch.nn.Linear)
    # He's uniform distribution reaches to √(6 / inputs).
    bound = (6 / one.in_features) ** 0.5
    assert 0.9 * bound < float(one.weight.detach().abs().max()) <= bound


def test_padding_neither_counts_nor_comes_out() -> None:
    networks = UnitNetworks(CONFIG)
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    other = z.clone()
    other[:, -1] = 9.0
    t = torch.full((4,), 10)
    level = SCHEDULE.noise_level(t)
    found = networks.predict_noise(z, t, condition(4), noise_level=level)
    assert (found[:, -1] == 0).all()
    assert torch.equal(found, networks.predict_noise(other, t, condition(4), noise_level=level))
    # With hidden layers that say nothing it is the noise of independent normal numbers.
    last = networks.noise.layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    silent = networks.predict_noise(z, t, condition(4), noise_level=level)
    expected = (1 - SCHEDULE.alpha_bars[10]).sqrt().float() * z[:, :-1]
    assert torch.allclose(silent[:, :-1], expected)
    assert torch.equal(
        networks.predict_energy(z, t, condition(4)), networks.predict_energy(other, t, condition(4))
    )


@pytest.mark.parametrize("part", ["group", "kinds"])
def test_networks_tell_groups_and_sites_apart(part: str) -> None:
    networks = UnitNetworks(CONFIG)
    z, t = torch.zeros(1, 3), torch.full((1,), 10)
    one = condition(1)
    other = one._replace(**{part: getattr(one, part) + 1})
    assert not torch.equal(networks.predict_energy(z, t, one), networks.predict_energy(z, t, other))


def test_training_learns_energies_and_is_the_same_for_the_same_generator() -> None:
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.standard_normal((120, 3))).float() * torch.tensor([1.0, 1.0, 0.0])
    examples = Examples(z, z[:, 0].clone(), condition(120))
    settings = UnitTraining(epochs=40, learning_rate=3e-3, batch_size=16)
    schedule = LinearSchedule(steps=20, beta_last=0.05)
    before = torch.random.get_rng_state()
    runs = [
        train(examples, CONFIG, settings, schedule, rng=np.random.default_rng(7)) for _ in range(2)
    ]
    assert torch.equal(before, torch.random.get_rng_state())
    for name, tensor in runs[0].networks.state_dict().items():
        assert torch.equal(tensor, runs[1].networks.state_dict()[name]), name
    fitted = runs[0]
    assert fitted.energy.validation < 0.3
    assert fitted.noise.validation < 1.0
    found = fitted.networks.predict_energy(z, torch.zeros(120), condition(120))
    assert np.corrcoef(found.numpy(), z[:, 0].numpy())[0, 1] > 0.95


def test_the_noise_network_sees_selected_examples_alone_and_the_other_all() -> None:
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 3))).float()
    z[:, 2] = 0
    changed = z.clone()
    changed[20:] += 1.0
    settings = UnitTraining(epochs=2)

    def weights(z: Tensor, selected: Tensor | None) -> dict[str, Tensor]:
        examples = Examples(z, z[:, 0].clone(), condition(50))
        schedule = LinearSchedule(steps=5)
        rng = np.random.default_rng(1)
        fitted = train(examples, CONFIG, settings, schedule, selected=selected, rng=rng)
        return fitted.networks.state_dict()

    def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> dict[str, bool]:
        return {
            part: all(torch.equal(one[name], two[name]) for name in one if name.startswith(part))
            for part in ("noise.", "energy.")
        }

    some, whole = weights(z, torch.arange(20)), weights(z, None)
    assert same(some, whole) == {"noise.": False, "energy.": True}
    assert same(some, weights(changed, torch.arange(20))) == {"noise.": True, "energy.": False}
    # By which examples are selected, not by the order in which they are named.
    assert all(same(some, weights(z, torch.arange(19, -1, -1))).values())
    assert all(same(whole, weights(z, torch.arange(50))).values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 1e-6}, "least_learning_rate"),
        ({"validation": 1.0}, "validation"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        UnitTraining(**settings)


def test_noise_must_grow() -> None:
    with pytest.raises(RequestError, match="beta_first"):
        LinearSchedule(beta_first=0.1)


def test_one_example_is_too_few() -> None:
    lone = Examples(torch.zeros(1, 3), torch.zeros(1), condition(1))
    with pytest.raises(RequestError, match="at least 2"):
        train(lone, CONFIG, UnitTraining(), LinearSchedule(), rng=np.random.default_rng(0))
    many = Examples(torch.zeros(9, 3), torch.zeros(9), condition(9))
    with pytest.raises(RequestError, match="1 examples are too few"):
        train(
            many, CONFIG, UnitTraining(), LinearSchedule(),
            selected=torch.tensor([3]), rng=np.random.default_rng(0),
        )  # fmt: skip
