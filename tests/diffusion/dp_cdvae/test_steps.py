"""Schedule, forward process and reverse steps of DP-CDVAE against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gencsp.diffusion.dp_cdvae.process import (
    centred,
    drawn_species,
    noised_coordinates,
    species_shares,
    wrapped,
)
from gencsp.diffusion.dp_cdvae.schedule import NoiseSchedule
from gencsp.diffusion.dp_cdvae.steps import ancestral, denoised, modified, renewing
from gencsp.diffusion.training.dp_cdvae_objective import divergence
from gencsp.errors import RequestError

SCHEDULE = NoiseSchedule()


def test_betas_are_those_of_the_authors_formula() -> None:
    logits = np.linspace(-10, 6, 1000)
    betas = 1 / (np.exp(-logits) + 1) * (0.01 - 1e-10) + 1e-10
    np.testing.assert_allclose(SCHEDULE.betas.numpy(), betas, rtol=1e-12)
    bars = np.cumprod(1 - betas)
    t = torch.tensor([0, 1, 500, 1000])
    expected = [1.0, bars[0], bars[499], bars[999]]
    np.testing.assert_allclose(SCHEDULE.alpha_bar(t).numpy(), expected, rtol=1e-12)
    assert float(SCHEDULE.beta(torch.tensor([1]))) == betas[0]


def test_species_noise_runs_from_001_to_5() -> None:
    t = torch.tensor([1, 1000])
    np.testing.assert_allclose(SCHEDULE.species_noise(t).numpy(), [0.01, 5.0], rtol=1e-12)


def test_times_are_all_or_evenly_chosen() -> None:
    assert SCHEDULE.times(1000) == tuple(range(1000, -1, -1))
    assert SCHEDULE.times(4) == (1000, 750, 500, 250, 0)
    with pytest.raises(RequestError, match="1 to 1000"):
        SCHEDULE.times(1001)
    assert SCHEDULE.times(3, 300) == (300, 200, 100, 0)
    with pytest.raises(RequestError, match="1 to 300"):
        SCHEDULE.times(301, 300)
    with pytest.raises(RequestError, match="time steps 1 to 1000"):
        SCHEDULE.times(1, 1001)


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.3, 0.9, 0.999, 1.0])
def test_the_time_step_of_a_noise_is_the_first_that_has_it(noise: float) -> None:
    levels = np.sqrt(1 - SCHEDULE.alpha_bar(torch.arange(1, 1001)).numpy())
    reached = np.flatnonzero(levels >= noise)
    assert SCHEDULE.time_of(noise) == (reached[0] + 1 if len(reached) else 1000)


def test_many_small_forward_steps_are_the_one_of_eq_2() -> None:
    """Eq. 1, step by step, has the mean and variance of eq. 2."""
    rng = torch.Generator().manual_seed(0)
    r = torch.full((40_000, 1), 0.3, dtype=torch.float64)
    x = r.clone()
    for beta in SCHEDULE.betas[:600].tolist():
        noise = torch.randn(x.shape, generator=rng, dtype=x.dtype)
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * noise
    bar = SCHEDULE.alpha_bar(torch.tensor([600]))
    at_once = noised_coordinates(r, torch.randn(r.shape, generator=rng, dtype=x.dtype), bar)
    for found in (x, at_once):
        assert float(found.mean()) == pytest.approx(0.3 * math.sqrt(float(bar)), abs=0.01)
        assert float(found.var()) == pytest.approx(1 - float(bar), rel=0.03)


def test_wrapping_is_the_part_above_the_floor() -> None:
    found = wrapped(torch.tensor([-0.25, 1.5, 0.0, 2.0], dtype=torch.float64))
    assert found.tolist() == [0.75, 0.5, 0.0, 0.0]


@given(shift=st.integers(-3, 3))
def test_centred_coordinates_have_no_mean_and_forget_the_cell(shift: int) -> None:
    frac = torch.tensor([[0.1, 0.2, 0.3], [0.6, 0.1, 0.9], [0.5, 0.5, 0.5]]).double()
    owner = torch.tensor([0, 0, 1])
    found = centred(frac + shift, owner, 2)
    torch.testing.assert_close(found[0], -found[1])
    assert float(found[2].abs().max()) < 1e-12
    torch.testing.assert_close(found, centred(frac, owner, 2))


def test_species_are_drawn_as_often_as_their_shares_say() -> None:
    """(A + σ' A_z)/(1 + σ'): the true species 8 at σ' = 1, and a composition of 1 and 8."""
    composition = torch.zeros(95, dtype=torch.float64)
    composition[1], composition[8] = 0.75, 0.25
    n = 20_000
    numbers = torch.full((n,), 8)
    shares = species_shares(numbers, composition.expand(n, 95), torch.ones(n).double())
    torch.testing.assert_close(shares[0, [1, 8]], torch.tensor([0.375, 0.625]).double())
    drawn = drawn_species(shares, torch.as_tensor(np.random.default_rng(0).random(n)))
    assert set(drawn.tolist()) == {1, 8}
    assert float((drawn == 8).double().mean()) == pytest.approx(0.625, abs=0.01)


def _exact_noise(x: Tensor, bar: float, mean: float, spread: float) -> Tensor:
    """E[ε | r_t] for data that are N(mean, spread²): what a perfect network would give."""
    variance = bar * spread**2 + 1 - bar
    return math.sqrt(1 - bar) * (x - math.sqrt(bar) * mean) / variance


@pytest.mark.parametrize(("rule", "steps"), [("ancestral", 1000), ("ancestral", 400)])
def test_the_ancestral_steps_give_a_known_distribution_back(rule: str, steps: int) -> None:
    mean, spread = 0.4, 0.15
    found = _sampled(rule, steps, mean, spread)
    assert float(found.mean()) == pytest.approx(mean, abs=0.02)
    assert float(found.std()) == pytest.approx(spread, rel=0.05)


def test_eq_7_is_sharper_than_the_distribution_it_samples() -> None:
    """It ends at the mean, with a spread that the posterior does not have: no sampler of the data.

    The expected spread follows step by step from the rule, which is linear for normal data.
    """
    mean, spread = 0.4, 0.15
    found = _sampled("modified", 1000, mean, spread)
    bars = SCHEDULE.alpha_bar(torch.arange(1001)).tolist()
    variance = 1.0
    for t in range(1000, 0, -1):
        gain = (1 - (1 - bars[t]) / (bars[t] * spread**2 + 1 - bars[t])) / math.sqrt(bars[t])
        added = (1 - bars[t - 1]) * (1 - bars[t] / bars[t - 1]) / (1 - bars[t])
        variance = gain**2 * variance + added
    assert float(found.std()) == pytest.approx(math.sqrt(variance), rel=0.05)
    assert float(found.std()) < 0.7 * spread
    assert float(found.mean()) == pytest.approx(mean, abs=0.02)


def _sampled(rule: str, steps: int, mean: float, spread: float) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn((20_000, 1), generator=rng, dtype=torch.float64)
    times = SCHEDULE.times(steps)
    bars = SCHEDULE.alpha_bar(torch.tensor(times)).tolist()
    move = {"ancestral": ancestral, "modified": modified}[rule]
    for now, after in pairwise(bars):
        fresh = torch.randn(x.shape, generator=rng, dtype=torch.float64)
        x = move(x, _exact_noise(x, now, mean, spread), fresh, now, after)
    return x


def test_the_ancestral_step_is_the_posterior_of_the_forward_process() -> None:
    """Mean and variance from Bayes' rule for q(r_s | r_t, r_0), with s two steps before t."""
    t, s = 300, 298
    now, after = SCHEDULE.alpha_bar(torch.tensor([t, s])).tolist()
    x0, xt = torch.tensor([[0.3]]).double(), torch.tensor([[0.9]]).double()
    noise = (xt - math.sqrt(now) * x0) / math.sqrt(1 - now)
    alpha = now / after
    precision = alpha / (1 - alpha) + 1 / (1 - after)
    mean = math.sqrt(alpha) * xt / (1 - alpha) + math.sqrt(after) * x0 / (1 - after)
    zero, one = torch.zeros(1, 1).double(), torch.ones(1, 1).double()
    found = ancestral(xt, noise, zero, now, after)
    torch.testing.assert_close(found, mean / precision)
    spread = ancestral(xt, noise, one, now, after) - found
    assert float(spread) ** 2 == pytest.approx(1 / precision)


def test_every_rule_ends_at_the_denoised_coordinates() -> None:
    x, noise, fresh = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    bar = float(SCHEDULE.alpha_bar(torch.tensor(1)))
    clean = denoised(x, noise, bar)
    for found in (
        ancestral(x, noise, fresh, bar, 1.0),
        modified(x, noise, fresh, bar, 1.0),
        renewing(x, noise, fresh, bar, 1.0, share=0.5),
    ):
        torch.testing.assert_close(found, clean)


def test_the_divergence_is_that_of_normal_distributions() -> None:
    mean, log_variance = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0)).double()
    normal = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    standard = torch.distributions.Normal(torch.zeros(4, 6).double(), torch.ones(4, 6).double())
    expected = torch.distributions.kl_divergence(normal, standard).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)
