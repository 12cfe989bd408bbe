"""Decoding of latent vectors: what is given stays, seeds decide, ASE's dynamics is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given as drawn
from hypothesis import strategies as st
from tiny_dp_cdvae import write_tiny_dp_cdvae
from tiny_joint import write_tiny_joint

from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling, SpeciesRule
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae
from gencsp.diffusion.dp_cdvae.reverse import DpCdvaeReverseDiffusion
from gencsp.diffusion.dp_cdvae.sampler import (
    Given,
    decode,
    prepare,
    rounded_composition,
    start,
    step,
)
from gencsp.diffusion.dp_cdvae.steps import denoised
from gencsp.diffusion.dp_cdvae.stoichiometries import Stoichiometries
from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork
from gencsp.errors import RequestError, WeightsError

QUICK = DpCdvaeSampling(steps=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> DpCdvaeModel:
    return load_dp_cdvae(write_tiny_dp_cdvae(tmp_path_factory.mktemp("w") / "w.safetensors"))


def latents(model: DpCdvaeModel, n: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(0).standard_normal((n, model.latent))


def generators(n: int, seed: int = 1) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, k]) for k in range(n)]


def test_species_count_and_cell_that_are_given_stay(model: DpCdvaeModel) -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6).cell
    given = [Given(numbers=[22, 8, 8]), Given(atom_count=7), Given(numbers=[6], cell=cell), Given()]
    z = latents(model, 4)
    done = decode(model, z, sampling=QUICK, rngs=generators(4), given=given)
    assert done[0].numbers.tolist() == [22, 8, 8]
    assert len(done[1]) == 7
    np.testing.assert_allclose(done[2].cell.array, cell.array)
    assert len(done[3]) == int(model.heads(z).atom_count[3].argmax()) + 1
    for atoms in done:
        inside = atoms.get_scaled_positions(wrap=False)
        assert (inside > -1e-9).all()
        assert (inside < 1 + 1e-9).all()


@pytest.mark.parametrize("rule", ["modified", "ancestral", "renewal"])
def test_species_are_read_from_the_vector_and_stay(model: DpCdvaeModel, rule: str) -> None:
    sampling = DpCdvaeSampling(rule=rule, steps=4)  # type: ignore[arg-type]
    z = latents(model, 3)
    heads = model.heads(z)
    done = decode(model, z, sampling=sampling, rngs=generators(3))
    for k, atoms in enumerate(done):
        count = int(heads.atom_count[k].argmax()) + 1
        shares = np.exp(heads.composition[k])
        assert atoms.numbers.tolist() == rounded_composition(shares, count).tolist()


def test_species_can_be_the_likeliest_at_each_step(
    model: DpCdvaeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the denoiser holds likeliest at the last step; given ones stay all the same."""
    seen: list[torch.Tensor] = []

    def watched(network: DpCdvaeNetwork, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
        noise, logits = denoise(network, *args)
        seen.append(logits)
        return noise, logits

    denoise = DpCdvaeNetwork.denoise
    monkeypatch.setattr(DpCdvaeNetwork, "denoise", watched)
    sampling = DpCdvaeSampling(steps=4, species="likeliest")
    given = [Given(atom_count=5), Given(numbers=[22, 8, 8])]
    done = decode(model, latents(model, 2), sampling=sampling, rngs=generators(2), given=given)
    assert len(seen) == 4
    assert done[0].numbers.tolist() == seen[-1][:5].argmax(1).tolist()
    assert done[1].numbers.tolist() == [22, 8, 8]
    kept = decode(model, latents(model, 2), sampling=QUICK, rngs=generators(2), given=given)
    assert done[0].numbers.tolist() != kept[0].numbers.tolist()


@pytest.mark.parametrize("rule", ["modified", "ancestral", "renewal"])
def test_a_crystal_depends_on_its_generator_and_not_on_its_batch(
    model: DpCdvaeModel, rule: str
) -> None:
    sampling = DpCdvaeSampling(rule=rule, steps=4)  # type: ignore[arg-type]
    z = latents(model, 3)
    given = [Given(atom_count=n) for n in (3, 5, 2)]
    together = decode(model, z, sampling=sampling, rngs=generators(3), given=given)
    alone = decode(model, z[1:2], sampling=sampling, rngs=generators(3)[1:2], given=given[1:2])
    # Random weights enlarge the rounding of float32, which depends on the batch and the processor.
    np.testing.assert_allclose(alone[0].positions, together[1].positions, atol=1e-2)
    other = decode(model, z[1:2], sampling=sampling, rngs=generators(1, 9), given=given[1:2])
    assert not np.allclose(other[0].positions, together[1].positions, atol=0.1)


@pytest.mark.parametrize("rule", ["modified", "ancestral"])
def test_the_dynamics_takes_the_same_steps(model: DpCdvaeModel, rule: str, tmp_path: Path) -> None:
    sampling = DpCdvaeSampling(rule=rule, steps=6)  # type: ignore[arg-type]
    z = latents(model, 1)
    (expected,) = decode(
        model, z, sampling=sampling, rngs=generators(1), given=[Given(atom_count=4)]
    )
    atoms = Atoms("X4", cell=np.eye(3), pbc=True)
    log = tmp_path / "log"
    run = DpCdvaeReverseDiffusion(
        atoms, model, z[0], rng=generators(1)[0], sampling=sampling, logfile=log
    )
    run.run(2)
    assert not run.finished
    assert run.run()
    np.testing.assert_array_equal(atoms.positions, expected.positions)
    np.testing.assert_array_equal(atoms.numbers, expected.numbers)
    np.testing.assert_array_equal(atoms.cell.array, expected.cell.array)
    assert len(log.read_text().splitlines()) == 8


@pytest.mark.parametrize("species", ["read", "rounded", "likeliest"])
def test_species_are_read_by_the_stoichiometries_that_the_model_knows(
    model: DpCdvaeModel, species: SpeciesRule
) -> None:
    known = Stoichiometries({(1, 2): {1: 1}})
    model = replace(model, process=replace(model.process, stoichiometries=known))
    z = latents(model, 4)
    run = prepare(model, z, sampling=DpCdvaeSampling(species=species), rngs=generators(4))
    heads = model.heads(z)
    for k in range(4):
        found = run.numbers[run.owner == k].tolist()
        shares = np.exp(heads.composition[k])
        if species == "read":
            read = known.likeliest(shares, heads.atom_count[k])
            assert read is not None
            assert found == read.tolist()
            assert len(set(found)) == 2
        else:
            count = int(heads.atom_count[k].argmax()) + 1
            assert found == rounded_composition(shares, count).tolist()
    assert bool(run.held.all()) == (species != "likeliest")


@drawn(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(1, 24))
def test_rounded_compositions_have_the_count_and_are_near(weights: list[float], n: int) -> None:
    shares = np.zeros(95)
    shares[1 : len(weights) + 1] = np.array(weights) / sum(weights)
    numbers = rounded_composition(shares, n)
    assert len(numbers) == n
    counts = np.bincount(numbers, minlength=95)
    assert counts[0] == 0
    assert (np.abs(counts - shares * n) < 1).all()


def test_what_the_model_has_no_room_for_is_refused(model: DpCdvaeModel) -> None:
    with pytest.raises(RequestError, match="32 atoms, and this model knows up to 24"):
        model.encode([bulk("Cu", cubic=True).repeat((2, 2, 2))])
    with pytest.raises(RequestError, match="rows of 8"):
        decode(model, np.zeros((1, 9)), sampling=QUICK, rngs=generators(1))
    with pytest.raises(RequestError, match="one of each"):
        decode(model, latents(model, 2), sampling=QUICK, rngs=generators(1))


def test_more_steps_than_the_model_has_are_all_of_them(model: DpCdvaeModel) -> None:
    z, given = latents(model, 1), [Given(numbers=[11, 17])]
    for rule in ("modified", "ancestral"):
        found = [
            decode(
                model, z, sampling=DpCdvaeSampling(rule=rule, steps=n), rngs=generators(1),
                given=given,
            )[0].positions
            for n in (None, 51, 50)
        ]  # fmt: skip
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    joint = write_tiny_joint(tmp_path / "joint.safetensors")
    with pytest.raises(WeightsError, match="train dp-cdvae"):
        load_dp_cdvae(joint)
    with pytest.raises(WeightsError, match="there are no weights of a DP-CDVAE"):
        load_dp_cdvae(tmp_path / "none.safetensors")


@pytest.mark.parametrize("rule", ["modified", "ancestral", "renewal"])
def test_given_coordinates_are_noised_by_eq_2_and_denoised_from_there(
    model: DpCdvaeModel, rule: str
) -> None:
    """Far from the middle of the cell as well: eq. 7 must not wrap what eq. 2 has shrunk."""
    frac = np.array([[0.1, 0.9, 0.2], [0.8, 0.2, 0.95], [0.5, 0.7, 0.05]])
    sampling = DpCdvaeSampling(rule=rule, steps=1, noise=0.6)  # type: ignore[arg-type]
    given = [Given(numbers=[22, 8, 8], frac=frac)]
    run = prepare(model, latents(model, 1), sampling=sampling, rngs=generators(1), given=given)
    t = run.times[0]
    assert run.times == (t, 0)
    schedule = model.process.schedule
    bars = schedule.alpha_bar(torch.arange(schedule.steps + 1)).numpy()
    assert np.sqrt(1 - bars[t]) >= 0.6 > np.sqrt(1 - bars[t - 1])
    noise = generators(1)[0].standard_normal((3, 3))
    noise -= noise.mean(0)
    expected = np.sqrt(bars[t]) * (frac - frac.mean(0)) + np.sqrt(1 - bars[t]) * noise
    state = start(run)
    np.testing.assert_allclose(state.frac.numpy(), expected, atol=1e-12)
    found, _ = run.predict(state, t)
    clean = denoised(state.frac, found, float(bars[t]))
    np.testing.assert_allclose(step(run, state, 0).frac.numpy(), clean.numpy(), atol=1e-9)


def test_coordinates_to_begin_from_must_be_there(model: DpCdvaeModel) -> None:
    for given in (
        Given(numbers=[22, 8]),
        Given(frac=np.zeros((2, 3))),
        Given(numbers=[22, 8], frac=np.zeros((3, 3))),
    ):
        with pytest.raises(RequestError, match="give numbers and frac"):
            decode(
                model, latents(model, 1), sampling=DpCdvaeSampling(noise=0.5), rngs=generators(1),
                given=[given],
            )  # fmt: skip


def test_loading_leaves_the_global_generator_alone(dp_cdvae_weights: Path) -> None:
    before = torch.random.get_rng_state()
    load_dp_cdvae(dp_cdvae_weights)
    assert torch.equal(torch.random.get_rng_state(), before)
