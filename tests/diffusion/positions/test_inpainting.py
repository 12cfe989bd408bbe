"""Inpainting around hosts, with and without symmetry."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.constraints import FixAtoms, FixSymmetry
from ase.spacegroup import crystal
from numpy.typing import NDArray
from scipy import stats

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.noise import randomise
from gencsp.diffusion.positions.inpainting import Host, jump_back_variance
from gencsp.diffusion.positions.run import Run
from gencsp.diffusion.positions.sampler import SamplerSettings, State, sample
from gencsp.diffusion.positions.schedule import noise_levels
from gencsp.diffusion.projection import read_constraints
from gencsp.testing import WrappedMixture

P_MIN = 1e-3
CELL = np.diag([4.0, 4.0, 4.0])
SPREAD = 0.3
SHORT_STEPS = "predictor-corrector:snr=0.2,langevin=noise-level"


def generators(n: int, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n)]


def chain() -> tuple[WrappedMixture, Atoms]:
    """Host and guest that move along x together, and an Atoms whose host is off the middle.

    Three components 0.5 Å apart with a spread of 0.3 Å: two correlated, nearly Gaussian atoms.
    """
    base = Atoms("SiLi", positions=[[0.5, 0.5, 0.5], [2.3, 2.5, 2.5]], cell=CELL, pbc=True)
    configurations = []
    for shift in (-0.5, 0.0, 0.5):
        moved = base.copy()
        moved.positions[:, 0] += shift
        configurations.append(moved)
    model = WrappedMixture.around(configurations, spread=SPREAD, sigma_max=2.5)
    atoms = base.copy()
    atoms.positions[0] += [0.4, 0.05, -0.1]
    atoms.set_constraint(FixAtoms([0]))
    return model, atoms


def conditional_cdf(
    model: WrappedMixture, atoms: Atoms
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Cumulative distribution of the guest's x, given the host."""
    weights = model.component_weights(
        torch.from_numpy(atoms.positions)[None], 0.0, torch.tensor([True, False])
    )[0]
    places = model.sites[:, 1, 0]

    def cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [
            float(w) * stats.norm.cdf(x, float(m), SPREAD)
            for w, m in zip(weights, places, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    return cdf


def inpaint_many(
    model: WrappedMixture, atoms: Atoms, settings: SamplerSettings, n: int = 200
) -> list[Atoms]:
    rngs = generators(n, 5)
    starts = [randomise(atoms, rng=rng) for rng in rngs]
    return sample(model, starts, settings=settings, rngs=rngs)


def guests(model: WrappedMixture, results: Sequence[Atoms]) -> NDArray[np.float64]:
    """Deviation of the guest from the middle site in Å, wrapped, shape (n, 3)."""
    off = np.stack([a.positions[1] for a in results]) - model.sites[1, 1].numpy()
    return np.asarray(off - 4.0 * np.round(off / 4.0))


def test_guests_follow_the_conditional_distribution_when_resampled() -> None:
    model, atoms = chain()
    settings = SamplerSettings(sampler=SHORT_STEPS, steps=30, sigma_min=0.01, resampling=10)
    results = inpaint_many(model, atoms, settings)
    off = guests(model, results)
    cdf = conditional_cdf(model, atoms)
    assert stats.kstest(off[:, 0] + float(model.sites[1, 1, 0]), cdf).pvalue > P_MIN
    assert stats.kstest(off[:, 1] / SPREAD, "norm").pvalue > P_MIN
    # Neither the distribution of guests without a host, nor the one after a single pass.
    unconditional = [1 / 3 * stats.norm.cdf(off[:, 0], s, SPREAD) for s in (-0.5, 0.0, 0.5)]
    assert stats.kstest(np.sum(unconditional, axis=0), "uniform").pvalue < P_MIN
    once = inpaint_many(model, atoms, replace(settings, resampling=1))
    single = guests(model, once)[:, 0] + float(model.sites[1, 1, 0])
    assert stats.kstest(single, cdf).pvalue < P_MIN


def test_guests_follow_the_conditional_distribution_over_long_jumps() -> None:
    model, atoms = chain()
    settings = SamplerSettings(
        sampler=SHORT_STEPS, steps=30, sigma_min=0.01, resampling=10, jump_length=5
    )
    off = guests(model, inpaint_many(model, atoms, settings))
    cdf = conditional_cdf(model, atoms)
    assert stats.kstest(off[:, 0] + float(model.sites[1, 1, 0]), cdf).pvalue > P_MIN
    assert stats.kstest(off[:, 1] / SPREAD, "norm").pvalue > P_MIN


def repaint_times(steps: int, length: int, samples: int) -> list[int]:
    """The times of RePaint's schedule, from T − 1 down to 0: Lugmayr et al., algorithm 1."""
    left = dict.fromkeys(range(0, steps - length, length), samples - 1)
    times, t = [], steps
    while t >= 1:
        t -= 1
        times.append(t)
        if left.get(t, 0) > 0:
            left[t] -= 1
            for _ in range(length):
                t += 1
                times.append(t)
    return times


@pytest.mark.parametrize(
    ("steps", "length", "resampling"), [(12, 1, 3), (25, 10, 3), (24, 5, 2), (7, 10, 3), (9, 3, 1)]
)
def test_levels_are_passed_in_repaints_order(steps: int, length: int, resampling: int) -> None:
    """Each step down of the schedule is one step from σ_t; σ_1 leads on to σ_0 = 0."""
    model, atoms = chain()
    seen: list[float] = []

    class Watched:
        sigma_min, sigma_max, digest = model.sigma_min, model.sigma_max, ""

        def score(self, batch: CrystalBatch, sigma: torch.Tensor) -> torch.Tensor:
            seen.append(float(sigma[0]))
            return model.score(batch, sigma)

    settings = SamplerSettings(
        sampler="predictor-corrector:corrector_steps=0",
        steps=steps,
        sigma_min=0.01,
        resampling=resampling,
        jump_length=length,
    )
    sample(Watched(), [atoms], settings=settings, rngs=generators(1, 0))
    rising = settings.levels(model)[-2::-1]
    times = repaint_times(steps, length, resampling)
    down = [earlier for earlier, later in pairwise(times) if later < earlier]
    assert seen == pytest.approx([rising[t] for t in (*down, 0)])


@pytest.mark.parametrize("sampler", ["predictor-corrector", "heun"])
def test_each_host_gets_its_own_guest(sampler: str) -> None:
    # Two hosts 2 Å apart, each with one guest site. Replacement alone cannot bring every guest to
    # its site: some settle while the noise still hides which host it is. Chance would be a half.
    hosts, sites = [[0.5, 0.5, 0.5], [2.5, 0.5, 0.5]], [[1.5, 3.0, 2.0], [3.5, 1.5, 3.0]]
    configurations = [
        Atoms("SiLi", positions=[h, g], cell=CELL, pbc=True)
        for h, g in zip(hosts, sites, strict=True)
    ]
    model = WrappedMixture.around(configurations, spread=0.1, sigma_max=2.5)
    settings = SamplerSettings(sampler=sampler, steps=30, sigma_min=0.001, resampling=3)
    for k, atoms in enumerate(configurations):
        atoms.set_constraint(FixAtoms([0]))
        results = inpaint_many(model, atoms, settings, n=60)
        off = np.stack([a.positions[1] for a in results]) - sites[k]
        distance = np.linalg.norm(off - 4.0 * np.round(off / 4.0), axis=1)
        right = int((distance < 0.5).sum())
        assert stats.binomtest(right, 60, 0.5, alternative="greater").pvalue < P_MIN
        assert right >= 45


@pytest.mark.parametrize("sampler", ["predictor-corrector", "ddim", "heun"])
def test_host_atoms_end_where_they_were(sampler: str) -> None:
    model, atoms = chain()
    settings = SamplerSettings(sampler=sampler, steps=20, sigma_min=0.001, resampling=2)
    before_last = []

    def watch(_process: Run, state: State) -> None:
        if state.level == settings.steps - 1:
            before_last.append(state.positions[::2].numpy())

    rngs = generators(50, 3)
    results = sample(model, [atoms] * 50, settings=settings, rngs=rngs, callback=watch)
    for result in results:
        assert np.abs(result.positions[0] - atoms.positions[0]).max() < 1e-12
    # One level earlier they carry noise of exactly sigma_min (eq. 7).
    off = (before_last[0] - atoms.positions[0]) / 0.001
    assert stats.kstest(off.ravel(), "norm").pvalue > P_MIN


def test_hosts_are_noised_to_every_level() -> None:
    model, atoms = chain()
    settings = SamplerSettings(steps=6, sigma_min=0.01, resampling=3)
    seen = {}

    def watch(process: Run, state: State) -> None:
        seen[process.levels[state.level]] = state.positions[::2].numpy() - atoms.positions[0]

    sample(model, [atoms] * 200, settings=settings, rngs=generators(200, 8), callback=watch)
    assert len(seen) == 7
    for sigma, off in seen.items():
        if sigma > 0:
            assert stats.kstest(off.ravel() / sigma, "norm").pvalue > P_MIN / 7


def test_put_back_is_equations_7_and_8() -> None:
    x, x0, z = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([True, False, True, False])
    out = Host(mask, x0).put_back(x, z, 0.7)
    assert torch.equal(out[1::2], x[1::2])
    assert torch.allclose(out[::2], x0[::2] + 0.7 * z[::2])


def test_marginal_jump_back_restores_the_noise_of_the_level() -> None:
    levels = noise_levels(6, sigma_min=0.01, sigma_max=2.0)
    for t in range(6):
        jump = jump_back_variance(levels, t, "marginal")
        assert levels[t + 1] ** 2 + jump == pytest.approx(levels[t] ** 2)
        for length in range(1, 7 - t):
            jump = jump_back_variance(levels, t, "marginal", length=length)
            assert levels[t + length] ** 2 + jump == pytest.approx(levels[t] ** 2)
    for t in range(5):
        paper = jump_back_variance(levels, t, "paper")
        assert paper == pytest.approx(levels[t + 1] ** 2 - levels[t + 2] ** 2)
        assert paper < jump_back_variance(levels, t, "marginal")


@pytest.mark.parametrize("sampler", ["predictor-corrector", "ddim", "heun:churn=5"])
def test_symmetric_inpainting_keeps_host_and_space_group(sampler: str) -> None:
    atoms = crystal(
        ["Si", "Li"], [(0.1, 0.2, 0.3), (0.4, 0.15, 0.8)], spacegroup=14,
        cellpar=[4, 4.5, 5, 90, 100, 90],
    )  # fmt: skip
    host = [i for i, s in enumerate(atoms.symbols) if s == "Si"]
    atoms.set_constraint([FixAtoms(host), FixSymmetry(atoms)])
    rng = np.random.default_rng(2)
    sites = [
        Atoms(atoms.numbers, scaled_positions=rng.random((8, 3)), cell=atoms.cell, pbc=True)
        for _ in range(2)
    ]
    model = WrappedMixture.around(sites, spread=0.2, sigma_max=2.5)
    symmetry = read_constraints(atoms).symmetry
    assert symmetry is not None
    worst = []

    def watch(_process: Run, state: State) -> None:
        misfit = symmetry.misfit(state.positions.numpy(), atoms.cell.array)
        worst.append(np.abs(misfit).max())

    settings = SamplerSettings(sampler=sampler, steps=15, resampling=3)
    rngs = generators(1, 1)
    start = randomise(atoms, rng=rngs[0])
    (end,) = sample(model, [start], settings=settings, rngs=rngs, callback=watch)
    assert len(worst) == 16
    assert max(worst) < 1e-10
    assert np.abs(end.positions[host] - atoms.positions[host]).max() < 1e-12
