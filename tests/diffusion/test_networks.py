"""Symmetries that every score network must have, and the pieces they are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import nn

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.networks import ARCHITECTURES, build_network, describe_network
from gencsp.diffusion.networks.layers import matrix_times_vector, spherical_harmonics
from gencsp.errors import WeightsError

SMALL = {
    "density": {"channels": 8, "layers": 2, "n_radial": 4},
    "painn": {"channels": 8, "layers": 2, "n_radial": 4},
    "nequip": {"channels": 8, "layers": 2, "n_radial": 4},
}
#: Relative to the largest output; the networks run in double precision here.
TOLERANCE = 1e-9


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request: pytest.FixtureRequest) -> nn.Module:
    if request.param == "nequip":
        pytest.importorskip("e3nn", reason="the 'nequip' architecture needs the train extra")
    torch.manual_seed(3)
    return build_network(request.param, SMALL[request.param]).double().eval()


def noisy_batch(seed: int) -> CrystalBatch:
    """NaCl, zincblende and a random triclinic crystal, rattled."""
    rng = np.random.default_rng(seed)
    salt = make_supercell(bulk("NaCl", "rocksalt", a=5.6), [[1, 0, 0], [0, 1, 0], [0, 0, 2]])
    zinc = bulk("ZnS", "zincblende", a=5.4)
    triclinic = salt.copy()
    triclinic.set_cell(salt.cell.array + rng.uniform(-0.8, 0.8, (3, 3)), scale_atoms=True)
    structures = [salt, zinc, triclinic]
    for atoms in structures:
        atoms.positions += rng.normal(scale=0.3, size=atoms.positions.shape)
    return CrystalBatch.from_atoms(structures)


SIGMA = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = TOLERANCE) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**16), mirror=st.booleans())
def test_rotations_and_reflections_turn_the_score_along(
    network: nn.Module, seed: int, mirror: bool
) -> None:
    batch = noisy_batch(seed)
    matrix = Rotation.random(random_state=seed).as_matrix() * (-1 if mirror else 1)
    turn = torch.as_tensor(matrix).T
    turned = replace(batch, positions=batch.positions @ turn, cells=batch.cells @ turn)
    with torch.no_grad():
        assert close(network(turned, SIGMA), network(batch, SIGMA) @ turn, 1e-7)


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**16))
def test_origin_cell_choice_and_order_do_not_matter(network: nn.Module, seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = noisy_batch(seed)
    with torch.no_grad():
        expected = network(batch, SIGMA)
        shift = torch.as_tensor(rng.normal(size=(3, 3)))[batch.owner]
        images = torch.as_tensor(rng.integers(-2, 3, tuple(batch.positions.shape))).double()
        images = (images[:, None] @ batch.cells[batch.owner])[:, 0]
        moved = batch.with_positions(batch.positions + shift + images)
        assert close(network(moved, SIGMA), expected, 1e-7)

        skew = torch.tensor([[1.0, 1, 0], [0, 1, -2], [0, 0, 1]]).double()
        assert close(network(replace(batch, cells=skew @ batch.cells), SIGMA), expected, 1e-7)

        order = torch.cat(
            [torch.tensor([3, 1, 0, 2]), torch.tensor([5, 4]), torch.arange(9, 5, -1)]
        )
        shuffled = replace(batch, numbers=batch.numbers[order], positions=batch.positions[order])
        assert close(network(shuffled, SIGMA), expected[order], 1e-7)


def test_a_supercell_has_the_score_of_its_cell(network: nn.Module) -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6)
    cell.positions += np.random.default_rng(1).normal(scale=0.2, size=(2, 3))
    supercell = make_supercell(cell, [[2, 0, 0], [1, 1, 0], [0, 0, 2]])
    sigma = torch.tensor([0.3], dtype=torch.float64)
    with torch.no_grad():
        small = network(CrystalBatch.from_atoms([cell]), sigma)
        large = network(CrystalBatch.from_atoms([supercell]), sigma)
    for symbol, row in zip(cell.get_chemical_symbols(), small, strict=True):
        copies = large[[s == symbol for s in supercell.get_chemical_symbols()]]
        assert close(copies, row.expand_as(copies), 1e-7)


def test_crystals_of_a_batch_do_not_disturb_each_other(network: nn.Module) -> None:
    structures = noisy_batch(0).to_atoms()
    with torch.no_grad():
        together = network(CrystalBatch.from_atoms(structures), SIGMA)
        alone = [
            network(CrystalBatch.from_atoms([atoms]), SIGMA[[k]])
            for k, atoms in enumerate(structures)
        ]
    assert close(torch.cat(alone), together)


def test_coinciding_and_lonely_atoms_give_finite_scores(network: nn.Module) -> None:
    pair = bulk("NaCl", "rocksalt", a=5.6)
    pair.positions[:] = 1.0
    single = bulk("Cu")
    batch = CrystalBatch.from_atoms([pair, single])
    with torch.no_grad():
        out = network(batch, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert torch.isfinite(out).all()
    assert out[2].abs().max() < 1e-9  # a site of full symmetry has no preferred direction


def test_description_rebuilds_the_network(network: nn.Module) -> None:
    name, config = describe_network(network)
    twin = build_network(name, config).double()
    twin.load_state_dict(network.state_dict())
    batch = noisy_batch(4)
    with torch.no_grad():
        assert torch.equal(twin.eval()(batch, SIGMA), network(batch, SIGMA))


def test_unknown_architectures_and_settings_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"no architecture .*choose from density"):
        build_network("transformer")
    with pytest.raises(WeightsError, match="do not fit"):
        build_network("density", {"depth": 3})


def test_harmonics_are_orthogonal_on_the_sphere() -> None:
    # 14 points of Lebedev's rule of degree 5 integrate products of two l ≤ 2 harmonics exactly.
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    corners = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]) / np.sqrt(3)
    points = torch.as_tensor(np.concatenate([axes, corners]))
    weights = torch.tensor([1 / 15] * 6 + [3 / 40] * 8, dtype=torch.float64)
    y = spherical_harmonics(points)
    gram = (y * weights[:, None]).T @ y
    expected = torch.diag(torch.tensor([1.0] + [1 / 3] * 3 + [1 / 5] * 5, dtype=torch.float64))
    torch.testing.assert_close(gram, expected, atol=1e-12, rtol=0)


def test_tensor_product_is_that_of_matrices() -> None:
    rng = np.random.default_rng(8)
    u = rng.normal(size=3)
    u /= np.linalg.norm(u)
    v = rng.normal(size=3)
    tensor = np.outer(u, u) - np.eye(3) / 3
    l2 = spherical_harmonics(torch.as_tensor(u)[None])[:, 4:, None]
    product = matrix_times_vector(l2, torch.as_tensor(v)[None, :, None])[0, :, 0]
    ratio = product.numpy() / (tensor @ v)
    assert ratio == pytest.approx(np.full(3, ratio[0]))
    assert ratio[0] > 0
