"""The wrapped normal against autograd of its explicit mixture, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.diffusion.wrapped import remove_mean, wrapped_normal_score, wrapped_score

CUBIC = np.eye(3) * 4.0
SKEWED = np.array([[3.0, 0.0, 0.0], [1.4, 2.8, 0.0], [-1.1, 0.9, 9.0]])
FLAT = np.array([[2.5, 0.0, 0.0], [0.0, 14.0, 0.0], [0.0, 3.0, 3.0]])


def explicit_score(delta: torch.Tensor, cell: np.ndarray, sigma: float) -> torch.Tensor:
    """Autograd of the log of the mixture, summed over far more images than needed."""
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    counts = np.ceil(12 * sigma / heights + 2).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in counts), indexing="ij"), -1)
    images = torch.as_tensor(grid.reshape(-1, 3) @ cell)
    x = delta.clone().requires_grad_(True)
    log_density = torch.logsumexp(
        -((x[:, None] - images) ** 2).sum(-1) / (2 * sigma**2), dim=1
    ).sum()
    return torch.autograd.grad(log_density, x)[0]


@pytest.mark.parametrize("cell", [CUBIC, SKEWED, FLAT], ids=["cubic", "skewed", "flat"])
@pytest.mark.parametrize("sigma", [0.001, 0.05, 0.5, 1.0, 1.7, 3.0])
def test_score_is_the_gradient_of_the_explicit_mixture(cell: np.ndarray, sigma: float) -> None:
    rng = np.random.default_rng(5)
    delta = torch.as_tensor(rng.normal(scale=sigma, size=(20, 3)))
    score = wrapped_normal_score(
        delta,
        torch.as_tensor(cell)[None],
        torch.zeros(20, dtype=torch.int64),
        torch.tensor([sigma]),
    )
    torch.testing.assert_close(
        score * sigma, explicit_score(delta, cell, sigma) * sigma, rtol=1e-6, atol=1e-6
    )


def test_crystals_of_a_batch_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(2)
    cells = torch.as_tensor(np.stack([CUBIC, SKEWED, FLAT]))
    sigma = torch.tensor([0.02, 2.5, 0.8], dtype=torch.float64)
    owner = torch.tensor([0, 0, 1, 1, 1, 2])
    delta = torch.as_tensor(rng.normal(size=(6, 3)))
    together = wrapped_normal_score(delta, cells, owner, sigma)
    for k in range(3):
        mine = owner == k
        alone = wrapped_normal_score(
            delta[mine],
            cells[k : k + 1],
            torch.zeros(int(mine.sum()), dtype=torch.int64),
            sigma[[k]],
        )
        torch.testing.assert_close(together[mine], alone, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(
    sigma=st.floats(0.01, 4.0),
    shift=st.tuples(*(st.integers(-4, 4),) * 3),
    seed=st.integers(0, 2**16),
)
def test_adding_a_lattice_vector_changes_nothing(
    sigma: float, shift: tuple[int, int, int], seed: int
) -> None:
    delta = torch.as_tensor(np.random.default_rng(seed).normal(scale=2.0, size=(4, 3)))
    cell, owner = torch.as_tensor(SKEWED)[None], torch.zeros(4, dtype=torch.int64)
    level = torch.tensor([sigma], dtype=torch.float64)
    moved = delta + torch.as_tensor(np.array(shift) @ SKEWED)
    torch.testing.assert_close(
        wrapped_normal_score(moved, cell, owner, level) * sigma,
        wrapped_normal_score(delta, cell, owner, level) * sigma,
        rtol=1e-6,
        atol=1e-6,
    )


def test_small_noise_gives_the_gaussian_score_and_large_noise_none() -> None:
    delta = torch.tensor([[0.01, -0.02, 0.005]], dtype=torch.float64)
    cell, owner = torch.as_tensor(CUBIC)[None], torch.zeros(1, dtype=torch.int64)
    small = wrapped_normal_score(delta, cell, owner, torch.tensor([0.02], dtype=torch.float64))
    torch.testing.assert_close(small, -delta / 0.02**2, rtol=1e-9, atol=1e-9)
    large = wrapped_normal_score(delta, cell, owner, torch.tensor([6.0], dtype=torch.float64))
    assert large.abs().max() < 1e-9


@pytest.mark.parametrize("sigma", [0.005, 0.05, 0.2, 0.29, 0.31, 0.5])
def test_the_score_on_a_circle_is_the_derivative_of_the_explicit_mixture(sigma: float) -> None:
    d = torch.linspace(-0.7, 0.7, 57, dtype=torch.float64, requires_grad=True)
    images = torch.arange(-12, 13, dtype=torch.float64)
    logits = -((d[:, None] - images) ** 2) / (2 * sigma**2)
    (expected,) = torch.autograd.grad(torch.logsumexp(logits, 1).sum(), d)
    found = wrapped_score(d.detach(), torch.full_like(d, sigma).detach())
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-8)


def test_remove_mean_takes_off_the_mean_of_each_crystal() -> None:
    vectors = torch.as_tensor(np.random.default_rng(0).normal(size=(5, 3)))
    owner = torch.tensor([0, 0, 1, 1, 1])
    centred = remove_mean(vectors, owner, 2)
    assert centred[:2].sum(0).abs().max() < 1e-12
    assert centred[2:].sum(0).abs().max() < 1e-12
    torch.testing.assert_close(centred[0] - centred[1], vectors[0] - vectors[1])
