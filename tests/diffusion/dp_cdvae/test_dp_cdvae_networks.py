"""The networks of DP-CDVAE: neighbours, symmetries, and DimeNet++ against PyTorch Geometric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from scipy.special import spherical_jn
from tiny_dp_cdvae import rotation, tiny_network
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.sizes import PAPER
from gencsp.diffusion.networks.bessel import bessel_roots, envelope, spherical_bessel_basis
from gencsp.diffusion.networks.dimenet import DimeNetPlusPlus, OutputBlock
from gencsp.diffusion.networks.dp_cdvae import (
    DpCdvaeConfig,
    DpCdvaeNetwork,
    fourier_features,
    with_encoders,
)
from gencsp.diffusion.networks.layers import time_features
from gencsp.diffusion.networks.nearest import NearestGraph, nearest_graph

VARIANTS = [(False, False), (True, False), (False, True), (True, True)]


def low_symmetry(n: int = 5, seed: int = 0) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = 4.5 * np.eye(3) + rng.normal(scale=0.5, size=(3, 3))
    numbers = rng.choice([8, 22, 38], n)
    return Atoms(numbers, scaled_positions=rng.random((n, 3)), cell=cell, pbc=True)


def crystals() -> list[Atoms]:
    return [low_symmetry(), bulk("NaCl", "rocksalt", a=5.64), bulk("Cu"), low_symmetry(3, 1)]


def batch_of(structures: list[Atoms]) -> CrystalBatch:
    return CrystalBatch.from_atoms(structures)


@pytest.mark.parametrize(("atoms", "wanted", "found"), [
    (bulk("Cu"), 12, 12), (bulk("Cu"), 13, 18), (bulk("Cu"), 20, 42),
    (bulk("NaCl", "rocksalt", a=5.64), 6, 6), (bulk("NaCl", "rocksalt", a=5.64), 7, 18),
])  # fmt: skip
def test_shells_of_equal_distance_are_not_split(atoms: Atoms, wanted: int, found: int) -> None:
    graph = nearest_graph(batch_of([atoms]), cutoff=7.0, neighbours=wanted)
    assert graph.filled.sum(1).tolist() == [found] * len(atoms)


def test_edges_are_the_nearest_of_either_end_by_ase() -> None:
    atoms = low_symmetry()
    graph = nearest_graph(batch_of([atoms]), cutoff=7.0, neighbours=6)
    i, j, d = neighbor_list("ijd", atoms, 7.0)
    limit = np.array([np.sort(d[i == k])[5] for k in range(len(atoms))]) + 1e-9
    kept = d <= np.maximum(limit[i], limit[j])
    expected = sorted(zip(i[kept], j[kept], d[kept].round(6), strict=True))
    rows = (graph.target.numpy(), graph.source.numpy(), graph.distance.numpy().round(6))
    assert sorted(zip(*rows, strict=True)) == expected


def test_every_edge_has_its_reverse_and_its_place() -> None:
    graph = nearest_graph(batch_of(crystals()), cutoff=6.0, neighbours=8)
    back = graph.reverse
    assert torch.equal(back[back], torch.arange(len(back)))
    assert torch.equal(graph.source[back], graph.target)
    torch.testing.assert_close(graph.unit[back], -graph.unit)
    values = torch.rand(len(back), 3)
    torch.testing.assert_close(graph.gather(graph.spread(values)), values)
    torch.testing.assert_close(graph.spread(values).sum(1), graph.to_atoms(values))


def test_bessel_functions_are_those_of_scipy() -> None:
    distance = torch.tensor([0.5, 1.0, 2.5, 6.9], dtype=torch.float64)
    basis = spherical_bessel_basis(distance, cutoff=7.0, n_spherical=7, n_radial=6)
    for degree, roots in enumerate(bessel_roots(7, 6)):
        np.testing.assert_allclose(spherical_jn(degree, roots), 0, atol=1e-12)
        x = distance.numpy()[:, None] / 7.0
        norm = np.sqrt(2) / np.abs(spherical_jn(degree + 1, np.array(roots)))
        expected = norm * spherical_jn(degree, x * np.array(roots))
        expected *= np.sqrt((2 * degree + 1) / (4 * np.pi)) * envelope(torch.tensor(x)).numpy()
        np.testing.assert_allclose(basis[:, degree].numpy(), expected, rtol=1e-6, atol=1e-9)


def test_dimenet_is_that_of_pytorch_geometric() -> None:
    """With its weights, and triplets listed one by one, features of the atoms are the same."""
    pytest.importorskip("torch_geometric", reason="needs PyTorch Geometric")
    from torch_geometric.nn.models.dimenet import DimeNetPlusPlus as Reference

    batch = batch_of(crystals())
    graph = nearest_graph(batch, cutoff=7.0, neighbours=8)
    # Theirs derives its functions by computer algebra, which takes ever longer with the degree.
    sizes: dict[str, Any] = {"n_spherical": 5, "n_radial": 6, "cutoff": 7.0, "blocks": 2}
    ours = DimeNetPlusPlus(
        channels=16, out_channels=5, triplet_channels=8, basis_channels=4, output_channels=12,
        **sizes,
    ).double()  # fmt: skip
    theirs = Reference(
        hidden_channels=16, out_channels=5, num_blocks=2, int_emb_size=8, basis_emb_size=4,
        out_emb_channels=12, num_spherical=5, num_radial=6, cutoff=7.0,
        output_initializer="glorot_orthogonal",
    ).double()  # fmt: skip
    ours.load_state_dict(theirs.state_dict())
    expected = _by_triplets(theirs, batch.numbers, graph)
    found = ours.atoms(batch.numbers, graph)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def _by_triplets(model: Any, numbers: Tensor, graph: NearestGraph) -> Tensor:
    pairs = [
        (kj, ji)
        for ji in range(len(graph.source))
        for kj in torch.nonzero(graph.target == graph.source[ji])[:, 0].tolist()
        if kj != int(graph.reverse[ji])
    ]
    kj, ji = torch.tensor(pairs).T
    vector = graph.unit * graph.distance[:, None]
    first, second = -vector[ji], -vector[kj]
    sine = torch.linalg.cross(first, second).norm(dim=1)
    angle = torch.atan2(sine, (first * second).sum(1))
    i, j, n = graph.target, graph.source, len(numbers)
    rbf, sbf = model.rbf(graph.distance), model.sbf(graph.distance, angle, kj)
    x = model.emb(numbers, rbf, i, j)
    atoms: Tensor = model.output_blocks[0](x, rbf, i, num_nodes=n)
    for interaction, output in zip(model.interaction_blocks, model.output_blocks[1:], strict=True):
        x = interaction(x, rbf, sbf, kj, ji)
        atoms = atoms + output(x, rbf, i, num_nodes=n)
    return atoms


def test_the_defaults_are_the_size_of_the_paper() -> None:
    config = DpCdvaeConfig().model_dump()
    assert {name: config[name] for name in PAPER} == dict(PAPER)


@pytest.mark.parametrize(("atom_count", "gine"), VARIANTS)
def test_encoders_do_not_feel_rotation_translation_or_order(atom_count: bool, gine: bool) -> None:
    network = tiny_network(atom_count=atom_count, gine=gine).double()
    some = crystals()
    mean, log_variance = network.encode(batch_of(some))
    moved = []
    for k, atoms in enumerate(some):
        q = rotation(k)
        other = Atoms(atoms.numbers, atoms.positions @ q, cell=atoms.cell.array @ q, pbc=True)
        other.translate([0.3, -1.1, 2.0])
        order = np.random.default_rng(k).permutation(len(other))
        moved.append(other[order])
    again = network.encode(batch_of(moved))
    torch.testing.assert_close(again[0], mean, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(again[1], log_variance, rtol=1e-6, atol=1e-7)
    alone = network.encode(batch_of(some[:1]))
    torch.testing.assert_close(alone[0], mean[:1])


@pytest.mark.parametrize(("atom_count", "gine"), VARIANTS)
def test_what_each_encoder_adds(atom_count: bool, gine: bool) -> None:
    """DimeNet++ and GINE see no supercell, N_a does; both see species and distances."""
    network = tiny_network(atom_count=atom_count, gine=gine).double()
    atoms = low_symmetry(3)
    wider, other = atoms.copy(), atoms.copy()
    wider.set_cell(atoms.cell.array * 1.05, scale_atoms=True)
    other.numbers[0] = 11
    found, _ = network.encode(batch_of([atoms, atoms.repeat((2, 1, 1)), wider, other]))
    same = torch.allclose(found[0], found[1], rtol=1e-6, atol=1e-7)
    assert same is not atom_count
    assert not torch.allclose(found[0], found[2], rtol=1e-3)
    assert not torch.allclose(found[0], found[3], rtol=1e-3)


def test_no_variance_of_z_overflows() -> None:
    """A crystal far from all others: its log σ² without bounds would be about ±10⁴."""
    network = tiny_network().double()
    some = crystals()
    with torch.no_grad():
        latent = network.config.latent
        usual = network.encode(batch_of(some))[1]
        assert usual.abs().max() < 20
        network.join.bias[latent:] += torch.where(torch.arange(latent) % 2 == 0, 1e4, -1e4)
        log_variance = network.encode(batch_of(some))[1]
    assert set(log_variance.flatten().tolist()) == {-30.0, 4.0}


def _denoised(network: DpCdvaeNetwork, some: list[Atoms], turn: bool, orders: Any) -> Any:
    moved = []
    for k, atoms in enumerate(some):
        q = rotation(k) if turn else np.eye(3)
        moved.append(Atoms(atoms.numbers, atoms.positions @ q, cell=atoms.cell.array @ q, pbc=True))
        if orders is not None:
            moved[-1] = moved[-1][orders[k]]
    frac = torch.as_tensor(np.concatenate([a.get_scaled_positions(wrap=False) for a in moved]))
    rng = np.random.default_rng(3)
    z = torch.as_tensor(rng.normal(size=(len(some), network.config.latent)))
    t = torch.as_tensor(rng.integers(1, 1001, len(some)))
    return network.denoise(batch_of(moved), frac, t, z)


def test_the_denoiser_follows_rotation_and_order() -> None:
    """Noise of fractional coordinates does not change when the crystal is turned."""
    network = tiny_network().double()
    some = crystals()
    noise, logits = _denoised(network, some, False, None)
    assert float(noise[: len(some[0])].abs().max()) > 1e-3
    turned = _denoised(network, some, True, None)
    torch.testing.assert_close(turned[0], noise, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(turned[1][:, 1:], logits[:, 1:], rtol=1e-6, atol=1e-7)
    orders = [np.random.default_rng(k).permutation(len(a)) for k, a in enumerate(some)]
    shuffled = _denoised(network, some, False, orders)
    first = np.cumsum([0] + [len(a) for a in some[:-1]])
    rows = torch.as_tensor(np.concatenate([s + o for s, o in zip(first, orders, strict=True)]))
    torch.testing.assert_close(shuffled[0], noise[rows], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(shuffled[1][:, 1:], logits[rows, 1:], rtol=1e-6, atol=1e-7)
    assert bool(torch.isneginf(logits[:, 0]).all())


def test_the_noise_that_is_found_has_no_mean_over_a_crystal() -> None:
    noise, _ = _denoised(tiny_network().double(), crystals(), False, None)
    assert float(noise[: len(crystals()[0])].mean(0).abs().max()) < 1e-10


def test_fourier_features_have_the_frequencies_of_s3() -> None:
    frac = torch.tensor([[0.01, 0.0, 0.0]], dtype=torch.float64)
    found = fourier_features(frac)[0]
    phase = np.array([2.0**n for n in range(3, 9)]) * np.pi * 0.01
    np.testing.assert_allclose(found[:6].numpy(), np.sin(phase))
    np.testing.assert_allclose(found[18:24].numpy(), np.cos(phase))
    # All of them have a period of one cell.
    torch.testing.assert_close(fourier_features(frac + 1), fourier_features(frac))


def test_time_features_tell_all_steps_apart() -> None:
    found = time_features(torch.arange(1, 1001).double(), 16)
    apart = torch.cdist(found, found) + 10 * torch.eye(1000)
    assert float(apart.min()) > 0.05


@pytest.mark.parametrize("old", VARIANTS)
@pytest.mark.parametrize("new", VARIANTS)
def test_further_encoders_change_nothing_until_they_are_trained(
    old: tuple[bool, bool], new: tuple[bool, bool]
) -> None:
    network = tiny_network(atom_count=old[0], gine=old[1]).double()
    grown = with_encoders(network, atom_count=new[0], gine=new[1])
    assert (grown.config.atom_count, grown.config.gine) == (old[0] or new[0], old[1] or new[1])
    batch = batch_of(crystals())
    for ours, theirs in zip(grown.encode(batch), network.encode(batch), strict=True):
        torch.testing.assert_close(ours, theirs)
    z = torch.randn(len(crystals()), network.config.latent, dtype=torch.float64)
    for one, other in zip(grown.decode(z), network.decode(z), strict=True):
        assert torch.equal(one, other)
    # Each new encoder is heard once its weight is not zero: it learns from the first step on.
    mean, _ = grown.encode(batch)
    torch.autograd.backward(mean.square().sum())
    gradient = grown.join.weight.grad
    assert gradient is not None
    heard = gradient.view(len(gradient), -1, grown.config.latent).abs().sum((0, 2))
    assert len(heard) == 1 + grown.config.gine + grown.config.atom_count
    assert heard.min() > 0


def test_further_rounds_change_nothing_until_they_are_trained() -> None:
    network = tiny_network(encoder_blocks=0).double()
    grown = with_encoders(network, blocks=2)
    assert grown.config.encoder_blocks == 2
    assert with_encoders(grown, blocks=1).config.encoder_blocks == 2
    batch = batch_of(crystals())
    for ours, theirs in zip(grown.encode(batch), network.encode(batch), strict=True):
        torch.testing.assert_close(ours, theirs)
    # The readout of a new round learns from the first step on, the round itself from the second.
    mean, _ = grown.encode(batch)
    torch.autograd.backward(mean.square().sum())
    new = grown.dimenet.output_blocks[1]
    assert isinstance(new, OutputBlock)
    gradient = new.lin.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0
