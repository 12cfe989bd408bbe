"""Neighbours and interpolations: what stays, and what they do and do not depend on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_dp_cdvae import rotation

from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.latent import interpolations, neighbours, slerp
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.sampler import Given, decode
from gencsp.diffusion.networks.dp_cdvae import with_prior
from gencsp.errors import RequestError

Array = NDArray[np.float64]
QUICK = DpCdvaeSampling(steps=4)


@pytest.fixture(scope="module")
def model(dp_cdvae_weights: Path) -> DpCdvaeModel:
    return load_dp_cdvae(dp_cdvae_weights)


def oxide(seed: int, *, units: int = 1) -> Atoms:
    """A crystal of low symmetry, so that its Niggli cell is the only one."""
    rng = np.random.default_rng(seed)
    cell = np.array([[3.1, 0, 0], [0.6, 3.9, 0], [0.5, 0.9, 4.7 * units]])
    n = 3 * units
    return Atoms(["Ti", "O", "O"] * units, scaled_positions=rng.random((n, 3)), cell=cell, pbc=True)


def generators(n: int, seed: int = 1) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(n)]


def near(model: DpCdvaeModel, parent: Atoms, strength: float, **settings: Any) -> Atoms:
    settings = {"sampling": QUICK, "cell": "decoded", **settings}
    (child,) = neighbours(model, [parent], [strength], rngs=generators(1), **settings)
    return child


def between(model: DpCdvaeModel, one: Atoms, other: Atoms, weight: float, cell: Any) -> Atoms:
    (child,) = interpolations(
        model, [(one, other)], [weight], sampling=QUICK, cell=cell, rngs=generators(1)
    )
    return child


def reconstruction(model: DpCdvaeModel, parent: Atoms, *, after: int = 0) -> Atoms:
    """Of the mean, by a generator that has already drawn so many numbers."""
    (rng,) = generators(1)
    rng.standard_normal(after)
    mean, _ = model.encode([parent])
    given = [Given(numbers=parent.numbers)]
    return decode(model, mean, sampling=QUICK, rngs=[rng], given=given)[0]


def assert_equal(one: Atoms, other: Atoms, *, atol: float = 1e-9) -> None:
    assert one.numbers.tolist() == other.numbers.tolist()
    np.testing.assert_allclose(one.cell.array, other.cell.array, atol=atol)
    off = one.get_scaled_positions() - other.get_scaled_positions()
    np.testing.assert_allclose(off - np.round(off), 0, atol=atol)


VECTORS = st.lists(st.floats(-3, 3), min_size=4, max_size=4).map(np.array)


@drawn(VECTORS, VECTORS, st.floats(0, 1))
@settings(deadline=None)
def test_the_arc_ends_at_both_and_keeps_the_length(one: Array, other: Array, weight: float) -> None:
    np.testing.assert_allclose(slerp(one, other, 0.0), one, atol=1e-9)
    np.testing.assert_allclose(slerp(one, other, 1.0), other, atol=1e-9)
    lengths = np.linalg.norm([one, other], axis=1)
    cosine = one @ other / max(lengths.prod(), 1e-300)
    if lengths.min() > 1e-3 and abs(cosine) < 0.999:
        point = slerp(one, other, weight)
        length = np.linalg.norm(point)
        assert length == pytest.approx((1 - weight) * lengths[0] + weight * lengths[1])
        angle = np.arccos(np.clip(point @ one / length / lengths[0], -1, 1))
        assert angle == pytest.approx(weight * np.arccos(cosine), abs=1e-5)


def test_where_there_is_no_arc_it_is_the_line() -> None:
    one = np.array([1.0, 2.0])
    for other in (3 * one, -one, 0 * one):
        np.testing.assert_allclose(slerp(one, other, 0.25), 0.75 * one + 0.25 * other)


def test_no_strength_gives_the_reconstruction(model: DpCdvaeModel) -> None:
    parent = oxide(0)
    expected = reconstruction(model, parent, after=model.latent)
    assert_equal(near(model, parent, 0.0), expected)
    scaled = near(model, parent, 0.0, cell="scaled")
    assert scaled.cell.volume == pytest.approx(parent.cell.volume)
    expected.set_cell(expected.cell * (parent.cell.volume / expected.cell.volume) ** (1 / 3), True)
    assert_equal(scaled, expected)
    far = near(model, parent, 1.0)
    assert np.abs(far.cell.array - near(model, parent, 0.0).cell.array).max() > 1e-3


def test_a_stronger_neighbour_is_encoded_further_along_the_same_noise(model: DpCdvaeModel) -> None:
    """z = μ + s·ε: the lattice head is read at exactly this z."""
    parent = oxide(0)
    mean, _ = model.encode([parent])
    noise = generators(1)[0].standard_normal((1, model.latent))
    for strength in (0.2, 0.9):
        given = [Given(numbers=parent.numbers)]
        (expected,) = decode(
            model, mean + strength * noise, sampling=QUICK, rngs=generators(1), given=given
        )
        child = near(model, parent, strength)
        np.testing.assert_allclose(child.cell.array, expected.cell.array, atol=1e-6)


def test_steps_and_arcs_are_in_units_of_a_fitted_prior(model: DpCdvaeModel) -> None:
    """The cells that are read from z say where z is."""
    prior = model.network.config.new_prior(2)
    middle, width = np.linspace(-1, 1, model.latent), np.linspace(0.5, 2.0, model.latent)
    prior.mean.copy_(torch.as_tensor(middle))
    prior.scale.copy_(torch.as_tensor(width))
    fitted = replace(model, network=with_prior(model.network, prior).eval().requires_grad_(False))
    one, other = oxide(0), oxide(1)
    means, _ = model.encode([one, other])
    noise = generators(1)[0].standard_normal(model.latent)
    arc = middle + width * slerp((means[0] - middle) / width, (means[1] - middle) / width, 0.4)
    for child, z in (
        (near(fitted, one, 0.7), means[0] + 0.7 * width * noise),
        (between(fitted, one, other, 0.4, "decoded"), arc),
    ):
        (expected,) = decode(
            model,
            z[None],
            sampling=QUICK,
            rngs=generators(1),
            given=[Given(numbers=one.numbers)],
        )
        np.testing.assert_allclose(child.cell.array, expected.cell.array, atol=1e-5)


def test_the_parents_cell_stays_where_it_is_asked_for(model: DpCdvaeModel) -> None:
    parent = oxide(0)
    for noise in (1.0, 0.1):
        sampling = DpCdvaeSampling(steps=4, noise=noise)
        child = near(model, parent, 0.5, cell="parent", sampling=sampling)
        np.testing.assert_array_equal(child.cell.array, parent.cell.array)
        assert child.numbers.tolist() == parent.numbers.tolist()


@pytest.mark.parametrize("noise", [1.0, 0.2])
def test_a_neighbour_depends_on_the_crystal_and_not_on_how_it_is_written(
    model: DpCdvaeModel, noise: float
) -> None:
    """Turned, in a skewed cell, moved (where decoding begins from noise), equal atoms exchanged."""
    parent = oxide(0)
    sampling = DpCdvaeSampling(steps=4, noise=noise)
    expected = near(model, parent, 0.5, cell="scaled", sampling=sampling)
    turned, skewed, moved = parent.copy(), parent.copy(), parent.copy()
    matrix = rotation(0)
    turned.set_cell(parent.cell.array @ matrix.T)
    turned.positions = parent.positions @ matrix.T
    skewed.set_cell(np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ parent.cell.array)
    moved.positions += [0.3, 1.1, -0.4]
    written = [turned, skewed, *([moved, parent[[0, 2, 1]]] if noise == 1 else [])]
    for other in written:
        child = near(model, other, 0.5, cell="scaled", sampling=sampling)
        assert_equal(child, expected, atol=2e-3)


def test_with_hardly_any_noise_a_neighbour_keeps_the_coordinates(model: DpCdvaeModel) -> None:
    """From the first time step, as far as the noise of this step reaches."""
    parent = oxide(0)
    sampling = DpCdvaeSampling(noise=1e-6)
    level = 1 - float(model.process.schedule.alpha_bar(torch.tensor(1)))
    child = near(model, parent, 0.5, sampling=sampling)
    off = child.get_scaled_positions() - parent.get_scaled_positions()
    off = (off - off[0] + 0.5) % 1 - 0.5
    assert np.abs(off).max() < 30 * np.sqrt(level)
    far = near(model, parent, 0.5)
    off = far.get_scaled_positions() - parent.get_scaled_positions()
    assert np.abs((off - off[0] + 0.5) % 1 - 0.5).max() > 0.05


def test_both_ends_of_an_interpolation_are_reconstructions(model: DpCdvaeModel) -> None:
    one, other = oxide(0), oxide(1)
    other.set_cell(other.cell * [1.2, 1, 1], scale_atoms=True)
    assert_equal(between(model, one, other, 0.0, "decoded"), reconstruction(model, one))
    assert_equal(between(model, one, other, 1.0, "decoded"), reconstruction(model, other))
    middle = between(model, one, other, 0.25, "scaled")
    assert middle.cell.volume == pytest.approx(0.75 * one.cell.volume + 0.25 * other.cell.volume)
    np.testing.assert_array_equal(
        between(model, one, other, 0.5, "parent").cell.array, one.cell.array
    )


def test_the_atoms_are_those_of_the_first_parent(model: DpCdvaeModel) -> None:
    one, two = oxide(0), oxide(1, units=2)
    for first, second in ((one, two), (two, one)):
        child = between(model, first, second, 0.5, "scaled")
        assert Counter(child.symbols) == Counter(first.symbols)
        assert len(child) == len(first)
        per_atom = [a.cell.volume / len(a) for a in (one, two)]
        assert child.cell.volume / len(child) == pytest.approx(np.mean(per_atom))


def test_what_does_not_go_together_is_refused(model: DpCdvaeModel) -> None:
    parent = oxide(0)
    settings: dict[str, Any] = {"sampling": QUICK, "cell": "decoded"}
    with pytest.raises(RequestError, match="1 crystals, 2 strengths"):
        neighbours(model, [parent], [0.1, 0.2], rngs=generators(1), **settings)
    with pytest.raises(RequestError, match="1 pairs, 1 weights and 2 generators"):
        interpolations(model, [(parent, parent)], [0.1], rngs=generators(2), **settings)
    assert model.knows(parent)
    assert not model.knows(oxide(0, units=9))
    assert not model.knows(Atoms("X", cell=np.eye(3), pbc=True))
