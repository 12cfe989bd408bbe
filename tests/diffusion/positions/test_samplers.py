"""Samplers against distributions, solutions and restarts that are known exactly.

Statistical tests use fixed seeds and refuse at p < 1e-3, set before anything was run.
"""

import itertools
import math
import pickle
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixSymmetry
from ase.spacegroup import crystal
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.noise import randomise
from gencsp.diffusion.positions.sampler import (
    SamplerSettings,
    State,
    ancestral,
    langevin_length,
    prepare,
    renewing,
    sample,
    start,
    step,
)
from gencsp.errors import GencspError, RequestError
from gencsp.testing import BySize, WrappedMixture

P_MIN = 1e-3
CELL = np.array([[4.0, 0.0, 0.0], [0.5, 5.0, 0.0], [0.3, 0.4, 4.5]])
WEIGHTS = np.array([0.5, 0.3, 0.2])
SPREAD = 0.2
LEVELS: dict[str, Any] = {"sigma_min": 0.01, "sigma_max": 3.0}
ANCESTRAL = "predictor-corrector:corrector_steps=0"
SHORT_STEPS = "predictor-corrector:snr=0.15,langevin=noise-level"


def generators(n: int, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n)]


def mixture(
    n_atoms: int,
    *,
    n_components: int = 3,
    spread: float = SPREAD,
    seed: int = 0,
    cell: NDArray[np.float64] = CELL,
    sigma_max: float = 3.0,
) -> WrappedMixture:
    rng = np.random.default_rng(seed)
    configurations = [
        Atoms(f"H{n_atoms}", scaled_positions=rng.random((n_atoms, 3)), cell=cell, pbc=True)
        for _ in range(n_components)
    ]
    return WrappedMixture.around(
        configurations, spread=spread, weights=list(WEIGHTS[:n_components]), sigma_max=sigma_max
    )


def template(n_atoms: int, cell: NDArray[np.float64] = CELL) -> Atoms:
    positions = np.zeros((n_atoms, 3))
    return Atoms(f"H{n_atoms}", positions=positions, cell=cell, pbc=True)


def draw(
    model: WrappedMixture, settings: SamplerSettings, *, n_atoms: int, n: int, seed: int
) -> Tensor:
    """Final positions (n, n_atoms, 3) from uniformly random starts."""
    rngs = generators(n, seed)
    starts = [randomise(template(n_atoms), rng=rng) for rng in rngs]
    results = sample(model, starts, settings=settings, rngs=rngs)
    return torch.from_numpy(np.stack([a.positions for a in results]))


def deviations(model: WrappedMixture, x: Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Component of each sample, and its wrapped deviation from that component's sites."""
    component = model.component_weights(x, 0.0).argmax(1)
    apart = x - model.sites[component]
    frac = apart @ torch.linalg.inv(model.cell)
    return component.numpy(), ((frac - frac.round()) @ model.cell).numpy()


@pytest.mark.parametrize(
    ("settings", "n_atoms"),
    [
        (SamplerSettings(sampler=ANCESTRAL, steps=100, **LEVELS), 2),
        (SamplerSettings(sampler="ddim:renewal=0.05", steps=100, **LEVELS), 2),
        (SamplerSettings(sampler=SHORT_STEPS, steps=60, **LEVELS), 2),
        (SamplerSettings(steps=60, **LEVELS), 4),
        (SamplerSettings(sampler="heun", steps=25, **LEVELS), 2),
        (SamplerSettings(sampler="heun:churn=10", steps=25, spacing="karras", **LEVELS), 2),
    ],
    ids=["ancestral", "renewing", "corrector-exact", "paper", "heun", "heun-churn"],
)
def test_samples_follow_a_known_mixture(settings: SamplerSettings, n_atoms: int) -> None:
    model = mixture(n_atoms)
    n = 600
    component, off = deviations(model, draw(model, settings, n_atoms=n_atoms, n=n, seed=1))
    counts = np.bincount(component, minlength=3)
    assert stats.chisquare(counts, n * WEIGHTS).pvalue > P_MIN
    assert stats.kstest(off.ravel() / SPREAD, "norm").pvalue > P_MIN
    # Variance of 3·n_atoms·n independent normal numbers, two-sided.
    scaled = (off**2).sum() / SPREAD**2
    assert P_MIN < stats.chi2(off.size).cdf(scaled) < 1 - P_MIN


def test_the_sampler_test_can_fail() -> None:
    model = mixture(2)
    settings = SamplerSettings(sampler=ANCESTRAL, steps=5, **LEVELS)
    _, off = deviations(model, draw(model, settings, n_atoms=2, n=600, seed=1))
    assert stats.kstest(off.ravel() / SPREAD, "norm").pvalue < P_MIN


@pytest.mark.parametrize("renewal", [0.0, 0.3, 1.0])
def test_steps_that_renew_noise_keep_the_marginal_of_a_point_exactly(renewal: float) -> None:
    # As below, with x(σ_next) = x₀ + σ_next·(a share of the noise found + a share drawn).
    zero, one = torch.zeros(1), torch.ones(1)
    for sigma, sigma_next in ((3.0, 1.0), (1.0, 0.9), (0.01, 0.0)):
        terms: dict[str, Any] = {"sigma": sigma, "sigma_next": sigma_next, "renewal": renewal}
        kept = renewing(one, -one / sigma**2, zero, **terms)
        added = renewing(zero, zero, one, **terms)
        assert float(kept**2 * sigma**2 + added**2) == pytest.approx(sigma_next**2, abs=1e-6)


def test_the_ancestral_share_of_renewed_noise_is_the_papers_predictor() -> None:
    generator = torch.Generator().manual_seed(0)
    x, score, noise = torch.randn(3, 5, 3, generator=generator, dtype=torch.float64)
    sigma, sigma_next = 0.7, 0.5
    expected = ancestral(x, score, noise, sigma=sigma, sigma_next=sigma_next)
    renewal = 1 - (sigma_next / sigma) ** 2
    found = renewing(x, score, noise, sigma=sigma, sigma_next=sigma_next, renewal=renewal)
    assert torch.allclose(found, expected, atol=1e-12)


def test_all_noise_anew_narrows_what_is_broader_than_the_noise() -> None:
    # Documented: the width of a component falls to 1/√2 with many steps; all are found.
    model = mixture(1)
    settings = SamplerSettings(sampler="ddim", steps=150, **LEVELS)
    component, off = deviations(model, draw(model, settings, n_atoms=1, n=600, seed=1))
    assert off.std() / SPREAD == pytest.approx(math.sqrt(0.5), rel=0.1)
    assert (np.bincount(component, minlength=3) > 60).all()


@pytest.mark.parametrize("spacing", ["geometric", "karras"])
def test_ancestral_steps_keep_the_marginal_of_a_point_exactly(
    spacing: Literal["geometric", "karras"],
) -> None:
    # For one sharp site x(σ_t) ~ N(x₀, σ_t²); eq. 4 is linear, so variances add up in closed form.
    levels = SamplerSettings(steps=7, spacing=spacing).levels(mixture(1))
    zero, one = torch.zeros(1), torch.ones(1)
    for sigma, sigma_next in itertools.pairwise(levels):
        kept = ancestral(one, -one / sigma**2, zero, sigma=sigma, sigma_next=sigma_next)
        added = ancestral(zero, zero, one, sigma=sigma, sigma_next=sigma_next)
        variance = float(kept**2 * sigma**2 + added**2)
        assert variance == pytest.approx(sigma_next**2, rel=1e-5, abs=1e-12)


def test_heun_is_second_order_on_a_gaussian() -> None:
    # dx/dσ = σx/(τ² + σ²) has the solution x(0) = x_T τ/√(τ² + σ_T²) about the site.
    wide, tau, top = 40.0 * np.eye(3), 0.5, 2.0
    model = WrappedMixture.around([template(1, wide)], spread=tau, sigma_max=top)
    atoms = template(1, wide)
    atoms.positions += [1.0, -0.6, 0.3]
    exact = atoms.positions * tau / math.hypot(tau, top)
    errors = []
    for steps in (10, 20, 40):
        settings = SamplerSettings(sampler="heun", steps=steps, spacing="karras", sigma_min=0.01)
        (end,) = sample(model, [atoms], settings=settings, rngs=generators(1, 0))
        errors.append(np.abs(end.positions - exact).max())
    assert errors[2] < 1e-3
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_langevin_length_is_the_papers() -> None:
    model = mixture(3)
    structures = [template(3), template(3)]
    process = prepare(model, structures, settings=SamplerSettings(), rngs=generators(2, 0))
    score = torch.tensor(np.random.default_rng(0).normal(size=(6, 3)))
    terms: dict[str, Any] = {"sigma": 0.5, "snr": 0.3, "source": "score-norm"}
    epsilon = langevin_length(process, 10 * score, **terms)
    for k in range(2):
        norms = (10 * score[3 * k : 3 * k + 3]).norm(dim=1)
        expected = 2 * (math.sqrt(3) * 0.3 / norms.square().mean().sqrt()) ** 2
        assert epsilon[3 * k : 3 * k + 3, 0].tolist() == pytest.approx([float(expected)] * 3)


def test_langevin_length_is_bounded_where_the_score_vanishes() -> None:
    process = prepare(mixture(3), [template(3)], settings=SamplerSettings(), rngs=generators(1, 0))
    terms: dict[str, Any] = {"sigma": 0.5, "snr": 0.4, "source": "score-norm"}
    epsilon = langevin_length(process, torch.zeros(3, 3).double(), **terms)
    assert epsilon.tolist() == [[0.25]] * 3


def test_one_atom_alone_stays_finite() -> None:
    class Flat:
        sigma_min, sigma_max, digest = 0.01, 3.0, "flat"

        def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:  # noqa: ARG002
            return torch.zeros_like(batch.positions)

    for sampler in ("predictor-corrector", "ddim", "heun"):
        settings = SamplerSettings(sampler=sampler, steps=10)
        (end,) = sample(Flat(), [template(1)], settings=settings, rngs=generators(1, 0))
        assert np.isfinite(end.positions).all()


def mixed_batch() -> tuple[BySize, list[Atoms]]:
    """Crystals of different sizes: plain, with a host, symmetric, both; and their model."""
    plain = template(2)
    hosted = template(3)
    hosted.positions[:] = [[0, 0, 0], [1, 2, 0], [2, 1, 3]]
    hosted.set_constraint(FixAtoms([0]))
    symmetric = crystal("Si", [(0.1, 0.2, 0.3)], spacegroup=14, cellpar=[4, 4.5, 5, 90, 100, 90])
    symmetric.set_constraint(FixSymmetry(symmetric))
    both = crystal(
        ["Si", "Li"], [(0.1, 0.2, 0.3), (0.3, 0.4, 0.1)], spacegroup=4,
        cellpar=[4, 4.5, 5, 90, 100, 90],
    )  # fmt: skip
    both += crystal("O", [(0.7, 0.1, 0.6)], spacegroup=4, cellpar=[4, 4.5, 5, 90, 100, 90])
    both.set_constraint([FixAtoms([0, 1]), FixSymmetry(both)])
    structures = [plain, hosted, symmetric, both]
    models = {
        len(a): mixture(len(a), n_components=2, seed=len(a), cell=a.cell.array) for a in structures
    }
    return BySize(models, sigma_max=3.0), structures


@pytest.mark.parametrize("sampler", ["predictor-corrector", "ddim:renewal=0.5", "heun:churn=4"])
def test_a_crystal_does_not_depend_on_its_batch(sampler: str) -> None:
    model, structures = mixed_batch()
    settings = SamplerSettings(sampler=sampler, steps=8, resampling=2)
    together = sample(model, structures, settings=settings, rngs=generators(4, 9))
    turned = sample(model, structures[::-1], settings=settings, rngs=generators(4, 9)[::-1])
    for k, atoms in enumerate(structures):
        rngs = [generators(4, 9)[k]]
        (alone,) = sample(model, [atoms], settings=settings, rngs=rngs)
        assert np.allclose(together[k].positions, alone.positions, atol=1e-10)
        assert np.allclose(turned[-1 - k].positions, alone.positions, atol=1e-10)


def test_inputs_stay_and_outputs_keep_what_they_carried() -> None:
    model, structures = mixed_batch()
    structures[1].info["parent"] = "abc"
    before = [a.copy() for a in structures]
    settings = SamplerSettings(steps=3)
    after = sample(model, structures, settings=settings, rngs=generators(4, 0))
    for old, now, new in zip(before, structures, after, strict=True):
        assert np.array_equal(old.positions, now.positions)
        assert np.array_equal(old.numbers, new.numbers)
        assert np.array_equal(old.cell.array, new.cell.array)
        assert old.info == new.info
        assert len(old.constraints) == len(new.constraints)


@pytest.mark.parametrize("sampler", ["predictor-corrector", "ddim:renewal=0.5", "heun:churn=5"])
def test_interrupted_and_restarted_equals_uninterrupted(sampler: str) -> None:
    model = mixture(2)
    settings = SamplerSettings(sampler=sampler, steps=10)
    (whole,) = sample(model, [template(2)], settings=settings, rngs=generators(1, 4))

    rng = generators(1, 4)[0]
    process = prepare(model, [template(2)], settings=settings, rngs=[rng])
    state = start(process)
    for _ in range(4):
        state = step(process, state)
    saved = state.positions.numpy().copy(), state.level, rng.bit_generator.state

    fresh = np.random.default_rng()
    fresh.bit_generator.state = saved[2]
    process = prepare(model, [template(2)], settings=settings, rngs=[fresh])
    state = State(torch.from_numpy(saved[0]), saved[1])
    while state.level < settings.steps:
        state = step(process, state)
    assert np.array_equal(state.positions.numpy(), whole.positions)


def test_seeds_decide() -> None:
    model = mixture(2)
    settings = SamplerSettings(steps=5)
    runs = [
        sample(model, [template(2)], settings=settings, rngs=generators(1, s))[0].positions
        for s in (1, 1, 2)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"resampling": 0},
        {"sampler": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SamplerSettings(**wrong)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("predictor-corrector:corrector_steps=-1", "option 'corrector_steps' of the sampler"),
        ("predictor-corrector:snr=0", "option 'snr' of the sampler 'predictor-corrector' is '0'"),
        ("predictor-corrector:langevin=long", "option 'langevin' of the sampler"),
        ("heun:churn=-1", "option 'churn' of the sampler 'heun' is '-1'"),
        ({"name": "ddim", "renewal": 1.5}, "option 'renewal' of the sampler 'ddim' is 1.5"),
        ("heun:renewal=0.5", "the sampler 'heun' has no option 'renewal': known are churn"),
        ("newton", "no sampler 'newton': choose from ddim, heun, predictor-corrector"),
        ({"churn": 3}, "needs a 'name'"),
    ],
)
def test_options_of_samplers_are_checked_before_anything_runs(sampler: Any, said: str) -> None:
    with pytest.raises(GencspError, match=said):
        SamplerSettings(sampler=sampler)


def test_settings_that_do_the_same_are_equal() -> None:
    table = {"name": "heun", "churn": 0.5}
    assert SamplerSettings(sampler="heun:churn=0.5") == SamplerSettings(sampler=table)
    assert SamplerSettings(sampler="heun:churn=0") == SamplerSettings(sampler="heun")
    assert SamplerSettings(sampler="heun:churn=1") != SamplerSettings(sampler="heun")
    settings = SamplerSettings(sampler=table)
    assert hash(settings) == hash(pickle.loads(pickle.dumps(settings)))
    assert replace(settings, steps=3).sampler == settings.sampler


def test_bad_requests_are_refused() -> None:
    model = mixture(2)
    one = generators(1, 0)
    with pytest.raises(RequestError, match="stay within"):
        sample(model, [template(2)], settings=SamplerSettings(sigma_max=50.0), rngs=one)
    with pytest.raises(RequestError, match="one for each"):
        sample(model, [template(2)], settings=SamplerSettings(), rngs=[])
    with pytest.raises(RequestError, match="not a crystal"):
        sample(model, [Atoms("H2")], settings=SamplerSettings(), rngs=one)
    hosted = template(2)
    hosted.set_constraint(FixAtoms([0]))
    with pytest.raises(RequestError, match="separate batches"):
        prepare(model, [template(2), hosted], settings=SamplerSettings(), rngs=generators(2, 0))
