"""``gencsp reconstruct`` and its call: crystals through a latent vector and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from shared_data import shared
from tiny_dp_cdvae import write_tiny_dp_cdvae
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.dp_cdvae.sampler import Given, decode
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.errors import DeckError, RequestError
from gencsp.measure.match_rate import match_rate


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dp_cdvae(tmp_path_factory.mktemp("w") / "w.safetensors")


def salts() -> list[Atoms]:
    found = [bulk("NaCl", "rocksalt", a=5.64), bulk("CaF2", "fluorite", a=5.46), bulk("Cu")]
    found[0].info["structure_id"] = "salt"
    return found


def test_what_is_kept_stays_and_the_parent_is_named(weights: Path) -> None:
    settings: dict[str, Any] = {"weights": weights, "levels": 3}
    kept = list(gencsp.reconstruct(salts(), keep_species=True, keep_cell=True, **settings))
    for before, after in zip(salts(), kept, strict=True):
        assert after.numbers.tolist() == before.numbers.tolist()
        np.testing.assert_allclose(after.cell.array, before.cell.array)
    assert [atoms.info["parents"] for atoms in kept] == ["salt", "1", "2"]
    assert kept[0].info["structure_id"] == "salt-reconstructed"
    free = list(gencsp.reconstruct(salts(), **settings))
    assert [len(a) for a in free] != [len(a) for a in kept] or any(
        (a.numbers != b.numbers).any() for a, b in zip(free, kept, strict=True)
    )


def test_without_spread_the_mean_is_decoded(weights: Path) -> None:
    model = load_dp_cdvae(weights)
    mean, spread = model.encode(salts())
    sampling = DpCdvaeSampling(steps=3)

    def expected(share: float) -> list[Atoms]:
        rngs = [np.random.default_rng([0, k]) for k in range(3)]
        noise = np.stack([rng.standard_normal(model.latent) for rng in rngs])
        given = [Given(numbers=atoms.numbers) for atoms in salts()]
        z = mean + share * spread * noise
        return decode(model, z, sampling=sampling, rngs=rngs, given=given)

    for share in (0.0, 1.0):
        found = gencsp.reconstruct(
            salts(), model=model, levels=3, spread=share, batch_size=2, keep_species=True
        )
        for one, other in zip(found, expected(share), strict=True):
            np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-4)


def test_settings_and_structures_are_checked(weights: Path) -> None:
    with pytest.raises(DeckError, match="'rule' is 'eq7'"):
        gencsp.reconstruct(salts(), weights=weights, rule="eq7")
    molecule = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.7]])
    with pytest.raises(RequestError):
        list(gencsp.reconstruct([molecule], weights=weights, levels=2))


def test_the_command_writes_a_pool_and_says_how_many_match(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("pool.extxyz", salts())
    words = ["reconstruct", "pool.extxyz", "--weights", str(weights), "--levels", "3"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "of 3 match" in done.stdout
    assert len(read("reconstructed/reconstructed.extxyz", ":")) == 3


def test_the_match_rate_counts_pairs_and_averages_their_distances() -> None:
    """An atom of two displaced by d: the centres move together, so each is d/2 away."""
    salt = bulk("NaCl", "rocksalt", a=5.64)
    moved, other = salt.copy(), bulk("CsCl", "cesiumchloride", a=4.1)
    moved.positions[1, 0] += 0.2
    found = match_rate([(salt, salt), (salt, moved), (salt, other)])
    assert (found.crystals, found.matched) == (3, 2)
    unit = (salt.cell.volume / 2) ** (1 / 3)
    assert found.rms == pytest.approx(0.1 / unit / 2, rel=1e-3)
    assert found.share == pytest.approx(2 / 3)
    nothing = match_rate([])
    assert np.isnan(nothing.share)
    assert np.isnan(nothing.rms)


def test_perovskites_are_trained_on_and_come_back_through_the_whole_chain(tmp_path: Path) -> None:
    """A tiny model, a few steps on real rows: its loss falls, and it decodes what was encoded."""
    stream = stream_extxyz(shared("perov_5/train_full.extxyz.gz"))
    rows = [next(stream) for _ in range(16)]
    losses: list[float] = []
    trained = gencsp.train_dp_cdvae(
        rows, tmp_path, held_out=(), size="tiny", steps=60, batch_size=8, warmup=5,
        report=lambda one: losses.append(one.loss),
    )  # fmt: skip
    # Smoothed over a hundred steps, the last value is well below the first.
    assert losses[-1] < 0.8 * losses[0]
    settings: dict[str, Any] = {"weights": trained.file, "levels": 5, "keep_species": True}
    made = list(gencsp.reconstruct(rows[:4], **settings))
    for before, after in zip(rows, made, strict=False):
        assert after.numbers.tolist() == before.numbers.tolist()
        assert 0.5 < after.cell.volume / before.cell.volume < 2
