"""The known models are themselves checked against sums written out in full."""

import itertools
import math

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.wrapped import wrapped_normal_score
from gencsp.testing import BySize, WrappedMixture, wrapped_normal

CELL = np.array([[4.0, 0.0, 0.0], [0.8, 4.6, 0.0], [0.5, -0.7, 5.2]])


def explicit_log_density(
    mixture: WrappedMixture, x: Tensor, sigma: float, reach: int = 7
) -> Tensor:
    """log Σ_k w_k Π_i Σ_T N(x_i − site − T; spread² + σ²), term by term."""
    images = torch.tensor(list(itertools.product(range(-reach, reach + 1), repeat=3))).double()
    images = images @ torch.from_numpy(CELL)
    total = torch.zeros((), dtype=torch.float64)
    for weight, site, spread in zip(mixture.weights, mixture.sites, mixture.spread, strict=True):
        variance = spread**2 + sigma**2
        density = weight
        for xi, si in zip(x, site, strict=True):
            squares = (xi - si - images).square().sum(1)
            normal = torch.exp(-squares / (2 * variance)) / (2 * math.pi * variance) ** 1.5
            density = density * normal.sum()
        total = total + density
    return torch.log(total)


@pytest.fixture
def mixture() -> WrappedMixture:
    rng = np.random.default_rng(3)
    configurations = [
        Atoms("LiSi", scaled_positions=rng.random((2, 3)), cell=CELL, pbc=True) for _ in range(3)
    ]
    return WrappedMixture.around(configurations, spread=[0.2, 0.3, 0.4], weights=[5, 3, 2])


@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.2, 1.7, 1.9, 3.0])
def test_score_equals_autograd_of_the_explicit_mixture(
    mixture: WrappedMixture, sigma: float
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(3):
        x = torch.from_numpy(rng.random((2, 3)) @ CELL).requires_grad_()
        explicit = explicit_log_density(mixture, x, sigma)
        (expected,) = torch.autograd.grad(explicit, x)
        batch = CrystalBatch(
            torch.tensor([3, 14]),
            x.detach() + 3 * torch.from_numpy(CELL[1]),
            torch.from_numpy(CELL)[None],
            torch.tensor([0, 0]),
        )
        score = mixture.score(batch, torch.tensor([sigma], dtype=torch.float64))
        assert torch.allclose(score, expected, rtol=1e-8, atol=1e-10)
        density = mixture.log_density(x.detach()[None], sigma)
        assert float(density) == pytest.approx(float(explicit.detach()), abs=1e-9)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 4.0])
def test_wrapped_normal_agrees_with_the_one_used_in_training(sigma: float) -> None:
    delta = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3)) * 3)
    cell = torch.from_numpy(CELL)
    _, score = wrapped_normal(delta, cell, sigma**2)
    other = wrapped_normal_score(
        delta,
        cell[None],
        torch.zeros(20, dtype=torch.int64),
        torch.tensor([sigma], dtype=torch.float64),
    )
    assert torch.allclose(score, other, rtol=1e-8, atol=1e-9)


def test_each_crystal_has_its_own_noise_level_and_model(mixture: WrappedMixture) -> None:
    one = WrappedMixture.around([Atoms("H", cell=CELL, pbc=True)], spread=0.3)
    both = BySize({2: mixture, 1: one})
    structures = [
        Atoms("LiSi", scaled_positions=[[0.1, 0.2, 0.3], [0.4, 0.5, 0.9]], cell=CELL, pbc=True),
        Atoms("H", positions=[[0.3, 0.1, 0.0]], cell=CELL, pbc=True),
    ]
    together = both.score(CrystalBatch.from_atoms(structures), torch.tensor([0.5, 1.5]).double())
    first = mixture.score(CrystalBatch.from_atoms(structures[:1]), torch.tensor([0.5]).double())
    second = one.score(CrystalBatch.from_atoms(structures[1:]), torch.tensor([1.5]).double())
    assert torch.equal(together, torch.cat([first, second]))
