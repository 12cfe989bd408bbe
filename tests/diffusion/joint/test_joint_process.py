"""Lattice numbers and the forward process of joint diffusion."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.process import (
    HIDDEN,
    JointProcess,
    JointState,
    add_noise,
)
from gencsp.diffusion.joint.shape import BASIS, LatticeScale, cell_of_log, log_cell, rotation_to

SCALE = LatticeScale((0.0, 0.0, 0.0, -0.1, 0.2, 1.7), (0.2, 0.2, 0.2, 0.15, 0.3, 0.25))
PROCESS = JointProcess(scale=SCALE)


def random_cells(seed: int, n: int = 4) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.as_tensor(4 * np.eye(3) + rng.normal(0, 0.7, (n, 3, 3)))


def test_the_basis_is_orthonormal_and_symmetric() -> None:
    overlap = torch.einsum("aij,bij->ab", BASIS, BASIS)
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64))
    torch.testing.assert_close(BASIS, BASIS.transpose(1, 2))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_lattice_numbers_know_no_rotation_and_give_the_cell_back(seed: int) -> None:
    cells = random_cells(seed)
    turned = cells @ torch.as_tensor(Rotation.random(rng=seed).as_matrix())
    torch.testing.assert_close(log_cell(cells), log_cell(turned))
    symmetric = cell_of_log(log_cell(cells))
    metric = cells @ cells.transpose(1, 2)
    torch.testing.assert_close(symmetric @ symmetric, metric)
    rotation = rotation_to(cells, symmetric)
    torch.testing.assert_close(symmetric @ rotation, cells)
    eye = torch.eye(3, dtype=torch.float64).expand(len(cells), 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), eye, atol=1e-9, rtol=0)


def test_standardised_lattices_invert_and_carry_the_volume() -> None:
    cells, sizes = random_cells(0), torch.tensor([1, 2, 8, 20])
    shape = SCALE.encode(cells, sizes)
    back = SCALE.decode(shape, sizes)
    torch.testing.assert_close(back @ back, cells @ cells.transpose(1, 2))
    volume = torch.linalg.det(cells).abs() / sizes
    torch.testing.assert_close(SCALE.volume_per_atom(shape), volume)


def test_the_scale_of_a_set_standardises_it() -> None:
    cells, sizes = random_cells(3, n=50), torch.full((50,), 4)
    shape = LatticeScale.fit(cells, sizes).encode(cells, sizes)
    np.testing.assert_allclose(shape.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(shape.std(0), 1, atol=1e-9)


def crystals() -> CrystalBatch:
    structures = [bulk("NaCl", "rocksalt", a=5.6), bulk("Si"), bulk("CsCl", "cesiumchloride", a=4)]
    return CrystalBatch.from_atoms(structures)


def test_a_state_is_the_same_crystal() -> None:
    batch = crystals()
    state = JointState.of(batch, SCALE)
    for one, other in zip(state.crystals(SCALE).to_atoms(), batch.to_atoms(), strict=True):
        assert isinstance(one, Atoms)
        np.testing.assert_allclose(one.cell.cellpar(), other.cell.cellpar(), atol=1e-8)
        np.testing.assert_allclose(
            one.get_all_distances(mic=True), other.get_all_distances(mic=True), atol=1e-8
        )


def test_noise_has_the_variances_that_it_should() -> None:
    one = CrystalBatch.from_atoms([bulk("NaCl", "rocksalt", a=5.6)] * 3000)
    clean = JointState.of(one, SCALE)
    t = torch.full((3000,), 0.3, dtype=torch.float64)
    noised = add_noise(clean, t, t, PROCESS, np.random.default_rng(0))
    sigma = float(PROCESS.sigma(t[0]))
    moved = (noised.state.frac - clean.frac).numpy() / sigma
    assert kstest(moved.ravel(), "norm").pvalue > 1e-3
    alpha, spread = PROCESS.alpha(t)[:, None], PROCESS.spread(t)[:, None]
    eps = (noised.state.shape - alpha * clean.shape) / spread
    assert kstest(eps.numpy().ravel(), "norm").pvalue > 1e-3
    torch.testing.assert_close(noised.velocity, alpha * eps - spread * clean.shape)
    hidden = (noised.state.numbers == HIDDEN).double().mean()
    assert hidden == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 6000))
    # Two atoms: the score is that of their distance, half the variance is the whole crystal's.
    assert noised.score.square().mean() == pytest.approx(0.5, abs=0.03)


def test_the_end_of_time_is_noise_and_its_beginning_data() -> None:
    assert float(PROCESS.sigma(torch.tensor(1.0))) == pytest.approx(0.5)
    assert float(PROCESS.sigma(torch.tensor(0.0))) == pytest.approx(0.005)
    assert float(PROCESS.alpha(torch.tensor(1.0))) < 0.03
    assert float(PROCESS.alpha(torch.tensor(0.0))) == pytest.approx(1.0, abs=1e-4)
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(PROCESS.alpha(t) ** 2 + PROCESS.spread(t) ** 2, torch.ones_like(t))
    assert (torch.diff(PROCESS.spread(t)) > 0).all()
