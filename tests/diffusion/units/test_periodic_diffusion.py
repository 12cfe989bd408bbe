"""Noise on circles against what is known exactly: mixtures, von Mises distributions, autograd."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import ive
from scipy.stats import kstest, norm, vonmises
from torch import Tensor

from gencsp.diffusion.units.networks import Condition, UnitNetworks, UnitNetworksConfig
from gencsp.diffusion.units.periodic import PartlyPeriodic, WrappedSchedule
from gencsp.diffusion.units.sampler import gradient_of, reverse_process
from gencsp.diffusion.units.schedule import LinearSchedule, Schedule
from gencsp.diffusion.units.training import Examples, FittedNetworks, UnitTraining, train
from gencsp.errors import RequestError

SCHEDULE = WrappedSchedule()
#: Steps that are short enough for what is sampled.
COARSE = WrappedSchedule(steps=300)
N = 1500
IMAGES = torch.arange(-4, 5, dtype=torch.float64)

#: Weights, means and widths of a mixture of wrapped normal distributions, one across 0.
WEIGHTS, MEANS, WIDTHS = (0.3, 0.7), (0.98, 0.4), (0.04, 0.09)


def log_wrapped_normal(z: Tensor, mean: float, sigma: Tensor | float) -> Tensor:
    """By the sum over images, which autograd goes through."""
    sigma = torch.as_tensor(sigma, dtype=torch.float64)
    away = z[..., None] - mean - torch.round(z[..., None].detach() - mean) + IMAGES
    normal = -(away**2) / (2 * sigma[..., None] ** 2) - torch.log(sigma[..., None])
    return torch.logsumexp(normal, dim=-1) - math.log(math.sqrt(2 * math.pi))


def log_mixture(z: Tensor, t: int) -> Tensor:
    """Of the mixture after t steps of noise, shape of z."""
    sigma = float(COARSE.sigmas[t])
    parts = [
        math.log(weight) + log_wrapped_normal(z, mean, math.hypot(width, sigma))
        for weight, mean, width in zip(WEIGHTS, MEANS, WIDTHS, strict=True)
    ]
    return torch.logsumexp(torch.stack(parts), dim=0)


def series(z: Tensor, t: int, kappa: float, mean: float) -> Tensor:
    """Density of a von Mises distribution after t steps of noise, by its Fourier series."""
    n = torch.arange(1, 16, dtype=torch.float64)
    bessel = torch.from_numpy(ive(n.numpy(), kappa) / ive(0, kappa))
    decay = torch.exp(-2 * (math.pi * n * float(COARSE.sigmas[t])) ** 2)
    waves = torch.cos(2 * math.pi * n * (z[..., None] - mean))
    return 1 + 2 * (bessel * decay * waves).sum(-1)


def sampled(
    log_density: Callable[[Tensor, int], Tensor],
    energy: Callable[[Tensor, int], Tensor] | None = None,
    guidance: float = 0.0,
) -> np.ndarray:
    """Of the reverse process with the exact score, in [0, 1)."""
    generator = torch.Generator().manual_seed(5)
    sizes = COARSE.score_sizes

    def draw(_: int = 0) -> Tensor:
        return torch.randn((N, 1), generator=generator, dtype=torch.float64)

    found = reverse_process(
        lambda z, t: -gradient_of(log_density)(z, t) / sizes[t - 1],
        draw(),
        draw,
        schedule=COARSE,
        energy_gradient=None if energy is None else gradient_of(energy),
        guidance=guidance,
    )
    return found[:, 0].numpy() % 1.0


def test_the_noise_is_that_of_diffcsp() -> None:
    sigmas = SCHEDULE.sigmas
    assert len(sigmas) == 1001
    assert_allclose(sigmas[[0, 1, -1]], [0.0, 0.005, 0.5])
    assert_allclose(sigmas[2:] / sigmas[1:-1], 100 ** (1 / 999))
    assert torch.equal(SCHEDULE.noise_level(torch.tensor([3, 0])), sigmas[[3, 0]])


@pytest.mark.parametrize("t", [1, 500, 800, 1000])
def test_noised_numbers_are_those_of_a_wrapped_normal(t: int) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((20_000, 1)))
    noisy = SCHEDULE.noised(torch.full_like(noise, 0.9), noise, torch.full((20_000,), t))
    sigma = float(SCHEDULE.sigmas[t])
    moment = torch.exp(2j * math.pi * (noisy - 0.9)).mean()
    # The first circular moment; its error is at most 1/√n.
    assert abs(complex(moment) - math.exp(-2 * (math.pi * sigma) ** 2)) < 0.02
    if sigma < 0.1:
        assert_allclose(noisy.std(), sigma, rtol=0.02)


@pytest.mark.parametrize("t", [1, 400, 700, 850, 900, 1000])
def test_what_is_to_be_found_is_the_score_of_a_wrapped_normal(t: int) -> None:
    """By autograd of the sum over images, in units of its root mean square by quadrature."""
    sigma = float(SCHEDULE.sigmas[t])

    def score(displacement: Tensor) -> Tensor:
        at = displacement.clone().requires_grad_(True)
        (found,) = torch.autograd.grad(log_wrapped_normal(at, 0.0, sigma).sum(), at)
        return found

    circle = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000 - 0.5
    density = log_wrapped_normal(circle, 0.0, sigma).exp()
    assert_allclose(density.mean(), 1.0, rtol=1e-9)
    size = float((score(circle) ** 2 * density).mean().sqrt())
    assert_allclose(SCHEDULE.score_sizes[t - 1], size, rtol=1e-6)
    noise = torch.from_numpy(np.random.default_rng(t).standard_normal((40, 3)))
    found = SCHEDULE.target(noise, torch.full((40,), t))
    assert_allclose(found, -score(sigma * noise) / size, atol=1e-8)
    if sigma < 0.03:
        assert_allclose(found, noise, atol=1e-9)
    single = SCHEDULE.target(noise.float(), torch.full((40,), t))
    assert single.dtype == torch.float32
    assert_allclose(single, found, atol=1e-4)


def test_every_step_weighs_the_same() -> None:
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((200_000, 1)))
    for t in (100, 900, 1000):
        found = SCHEDULE.target(noise, torch.full((200_000,), t))
        assert_allclose(found.square().mean(), 1.0, rtol=0.02)


def test_sampling_begins_evenly() -> None:
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal((4000, 1)))
    assert kstest(SCHEDULE.start(noise)[:, 0].numpy(), "uniform").pvalue > 0.01


def test_the_reverse_process_recovers_a_mixture() -> None:
    found = sampled(log_mixture)

    def below(x: np.ndarray) -> np.ndarray:
        at = np.arange(-3, 4)[:, None]
        parts = [
            weight * (norm.cdf(x + at, mean, width) - norm.cdf(at, mean, width)).sum(axis=0)
            for weight, mean, width in zip(WEIGHTS, MEANS, WIDTHS, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    assert kstest(found, below).pvalue > 0.01


@pytest.mark.parametrize("strength", [0.7, 3.0])
def test_guidance_samples_the_distribution_times_that_of_the_energy(strength: float) -> None:
    """Von Mises times exp(s cos) is von Mises; E at t is -ln E[exp(-s E(z_0)) | z_t] / s."""
    kappa, mean, lowest = 1.2, 0.9, 0.2
    # kappa cos 2π(z - mean) + s cos 2π(z - lowest), as one wave.
    whole = kappa * np.exp(2j * np.pi * mean) + strength * np.exp(2j * np.pi * lowest)
    product, at = float(abs(whole)), float(np.angle(whole) / (2 * np.pi))

    def energy(z: Tensor, t: int) -> Tensor:
        ratio = series(z, t, product, at).log() - series(z, t, kappa, mean).log()
        return (-ratio / strength).sum(dim=1)

    def log_density(z: Tensor, t: int) -> Tensor:
        return series(z, t, kappa, mean).log()

    clean = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    given = -torch.cos(2 * math.pi * (clean[:, 0] - lowest))
    assert_allclose(energy(clean, 0) - energy(clean, 0)[0], given - given[0], atol=1e-9)
    found = sampled(log_density, energy, strength)

    def probability(of_kappa: float, of_mean: float) -> float:
        angles = np.angle(np.exp(2j * np.pi * (found - of_mean)))  # from -π, as scipy has them
        return float(kstest(angles, vonmises(of_kappa).cdf).pvalue)

    assert probability(product, at) > 0.01
    assert probability(kappa, mean) < 1e-6


LINEAR = LinearSchedule(steps=30, beta_last=0.3)
WRAPPED = WrappedSchedule(steps=30)
PERIODIC = torch.tensor([0, 2])
MIXED = PartlyPeriodic(LINEAR, WRAPPED, PERIODIC)


def test_each_number_has_the_noise_of_its_kind() -> None:
    """Vectors of both kinds are as those of one kind beside those of the other."""
    rng = np.random.default_rng(0)
    clean, noise, start = (torch.from_numpy(rng.standard_normal((6, 4))) for _ in range(3))
    t = torch.tensor([1, 2, 15, 29, 30, 30])
    steps = torch.from_numpy(rng.standard_normal((31, 6, 4)))
    reach = torch.full((4,), 0.8, dtype=torch.float64)

    def found(schedule: Schedule, own: Tensor) -> list[Tensor]:
        return [
            schedule.noised(clean[:, own], noise[:, own], t),
            schedule.target(noise[:, own], t),
            schedule.start(start[:, own]),
            reverse_process(
                lambda z, _: torch.sin(z),
                start[:, own],
                lambda t: steps[t][:, own],
                schedule=schedule,
                energy_gradient=lambda z, _: torch.cos(z),
                guidance=0.7,
                reach=reach[own],
            ),
        ]

    whole = found(MIXED, torch.arange(4))
    others = torch.tensor([1, 3])
    for mixed, linear, wrapped in zip(
        whole, found(LINEAR, others), found(WRAPPED, PERIODIC), strict=True
    ):
        assert_allclose(mixed[:, others], linear, rtol=1e-12)
        assert_allclose(mixed[:, PERIODIC], wrapped, rtol=1e-12)
    assert (whole[-1][:, others].abs() > 0).all()
    assert torch.equal(MIXED.noise_level(t), LINEAR.noise_level(t))


def test_the_last_step_is_pulled_by_the_noise_of_the_first() -> None:
    """Where z_0 has no width any more, as in a schedule of a single step."""
    one = WrappedSchedule(steps=1, sigma_first=0.1, sigma_last=0.1)
    z = torch.full((1, 1), 0.4, dtype=torch.float64)
    step = one.reverse_step(z, torch.full_like(z, 2.0), 1, None)
    assert step.variance == 0
    assert_allclose(step.pull, 0.01)
    # 1/σ is the size of the score: z - σ² · 2/σ.
    assert_allclose(step.mean, 0.4 - 0.1 * 2.0, atol=1e-4)


CONFIG = UnitNetworksConfig(length=4, slots=1, groups=1, kinds=1, periodic=(0, 2))


def condition(n: int) -> Condition:
    mask = torch.ones(n, 4)
    mask[0, 2] = 0
    return Condition(mask, torch.zeros(n, 4), torch.zeros(n).long(), torch.ones((n, 1)).long())


def test_networks_are_periodic_in_what_is() -> None:
    networks = UnitNetworks(CONFIG)
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    t = torch.full((5,), 20)
    level = MIXED.noise_level(t)

    def found(moved: Tensor) -> tuple[Tensor, Tensor]:
        return (
            networks.predict_noise(moved, t, condition(5), noise_level=level),
            networks.predict_energy(moved, t, condition(5)),
        )

    turned = found(z + torch.tensor([3.0, 0.0, -2.0, 0.0]))
    for one, other in zip(found(z), turned, strict=True):
        assert_allclose(one.detach(), other.detach(), atol=1e-5)
    # In all others, and by parts of a period, they are not.
    for k in range(4):
        elsewhere = z + 0.25 * torch.eye(4)[k]
        assert (found(elsewhere)[1] - found(z)[1]).abs()[1:].min() > 1e-5
    # Behind the mask nothing counts.
    hidden = z.clone()
    hidden[0, 2] = 0.3
    assert torch.equal(found(hidden)[1], found(z)[1])
    # Layers that say nothing leave the noise of normal numbers, and none of periodic ones.
    last = networks.noise.layers[-1]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    silent = found(z)[0]
    assert torch.equal(silent[:, PERIODIC], torch.zeros(5, 2))
    assert_allclose(silent[:, 1].detach(), level.float() * z[:, 1], rtol=1e-6)


def test_weights_do_not_tell_which_numbers_are_periodic() -> None:
    """The configuration does, so that the files of others have not changed."""
    names = UnitNetworks(CONFIG).state_dict()
    assert set(names) == set(UnitNetworks(replaced(CONFIG)).state_dict())
    assert not any("periodic" in name for name in names)


def replaced(config: UnitNetworksConfig) -> UnitNetworksConfig:
    return config.model_copy(update={"periodic": ()})


def test_training_does_not_see_whole_periods_and_learns_across_zero() -> None:
    """Numbers about 0, half of which are written as about 1; multiples of 1/1024 stay exact."""
    rng = np.random.default_rng(0)
    values = np.round(1024 * rng.normal(0, 0.05, (150, 4))) / 1024
    z = torch.from_numpy(values).float()
    turns = torch.from_numpy(rng.integers(-2, 3, (150, 4))).float()
    turns[:, [1, 3]] = 0
    some = condition(150)

    def fit(z: Tensor, epochs: int) -> FittedNetworks:
        settings = UnitTraining(epochs=epochs, learning_rate=3e-3)
        whole = Examples(z, z[:, 1], some)
        return train(whole, CONFIG, settings, MIXED, rng=np.random.default_rng(1))

    one, other = fit(z, 2), fit(z + turns, 2)
    assert_allclose(one.noise.validation, other.noise.validation, rtol=1e-4)
    assert_allclose(one.energy.validation, other.energy.validation, rtol=1e-4)
    networks = fit(z + turns, 40).networks
    generator = torch.Generator().manual_seed(0)
    asked = condition(400)

    def draw(_: int = 0) -> Tensor:
        return torch.randn((400, 4), generator=generator) * asked.mask

    def noise(z: Tensor, t: int) -> Tensor:
        steps = torch.full((len(z),), t)
        level = MIXED.noise_level(steps)
        return networks.predict_noise(z, steps, asked, noise_level=level)

    found = reverse_process(noise, draw(), draw, schedule=MIXED)
    about = torch.exp(2j * math.pi * found[1:, PERIODIC]).mean(dim=0)
    # It is exp(-2 π² 0.05²) = 0.95 in the examples, and 0 of what is evenly distributed.
    assert (about.real > 0.8).all()


def test_unlike_numbers_of_steps_and_shrinking_noise_are_refused() -> None:
    with pytest.raises(RequestError, match="29 steps"):
        PartlyPeriodic(replace(LINEAR, steps=29), WRAPPED, PERIODIC)
    with pytest.raises(RequestError, match="sigma_first"):
        WrappedSchedule(sigma_first=0.6)
