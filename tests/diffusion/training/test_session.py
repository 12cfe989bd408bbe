"""What a folder holds of a training run is looked at before anything is trained or written."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from gencsp.cli.train import app
from gencsp.diffusion.training.checkpoints import FORMAT, load_checkpoint
from gencsp.errors import (
    DeckError,
    EngineError,
    GencspError,
    StoreError,
    TrainingDataError,
    WeightsError,
)

KINDS = ("score", "joint")
SMALL = ("--channels", "8", "--layers", "1", "--radial", "4", "--batch-size", "2")


def train(kind: str, folder: Path, *more: str) -> str:
    """Runs the command; errors come through as they are."""
    home = folder.parent
    words = [
        kind,
        "--data",
        str(home / "crystals.extxyz"),
        "--held-out",
        str(home / "held_out.txt"),
    ]
    words += ["--out", str(folder), *(["--no-labels"] if kind == "joint" else []), *more]
    return CliRunner().invoke(app, words, catch_exceptions=False).stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A checkpoint of each kind, after one step."""
    home = prepared(tmp_path_factory.mktemp("runs"))
    for kind in KINDS:
        train(kind, home / kind, *SMALL, "--steps", "1")
    return {kind: (home / kind / "checkpoint.pt").read_bytes() for kind in KINDS}


def prepared(home: Path) -> Path:
    salts = [bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)]
    write(home / "crystals.extxyz", salts * 2)
    (home / "held_out.txt").write_text("CaO\n")
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = prepared(tmp_path) / "run"
    run.mkdir()
    return run


def refused(error: type[GencspError], match: str, kind: str, folder: Path, *more: str) -> None:
    """The command ends in this error, and the folder holds what it held, byte for byte."""
    before = {file: file.read_bytes() for file in folder.rglob("*")}
    with pytest.raises(error, match=match):
        train(kind, folder, *more)
    assert {file: file.read_bytes() for file in folder.rglob("*")} == before


@pytest.mark.parametrize(("there", "asked"), [KINDS, KINDS[::-1]])
def test_a_run_of_another_kind_is_refused(
    there: str, asked: str, runs: dict[str, bytes], folder: Path
) -> None:
    (folder / "checkpoint.pt").write_bytes(runs[there])
    match = f"another kind.*train {there}"
    refused(WeightsError, match, asked, folder, "--resume", "--steps", "2")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_with_a_run_is_no_place_for_a_new_one(
    kind: str, runs: dict[str, bytes], folder: Path
) -> None:
    for there in KINDS:
        (folder / "checkpoint.pt").write_bytes(runs[there])
        refused(StoreError, "--resume", kind, folder, "--steps", "1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "text", "list", "parts", "mixed"])
def test_a_damaged_checkpoint_is_refused(
    kind: str, damage: str, runs: dict[str, bytes], folder: Path
) -> None:
    whole, path = runs[kind], folder / "checkpoint.pt"
    plain = {"empty": b"", "cut": whole[: len(whole) // 2], "noise": bytes(range(256)) * 9}
    path.write_bytes(plain.get(damage, b"a line\n"))
    if damage in ("list", "parts", "mixed"):
        path.write_bytes(whole)
        stored = torch.load(path, weights_only=True)
        other: dict[str, Any] = {"kind": "score" if kind == "joint" else "joint", "noise": {}}
        changed: dict[str, Any] = {
            "list": [1, 2],
            "parts": {key: value for key, value in stored.items() if key != "optimiser"},
            "mixed": {**stored, "objective": other},
        }
        torch.save(changed[damage], path)
    refused(WeightsError, "damaged", kind, folder, "--resume", "--steps", "2")


@pytest.mark.parametrize("kind", KINDS)
def test_a_newer_format_is_refused(kind: str, runs: dict[str, bytes], folder: Path) -> None:
    path = folder / "checkpoint.pt"
    path.write_bytes(runs[kind])
    # What a newer version writes need not be readable here beyond its format.
    torch.save({"format": FORMAT + 1, "graph": [torch.zeros(1)]}, path)
    refused(WeightsError, "newer version", kind, folder, "--resume", "--steps", "2")


def test_a_folder_without_a_run_cannot_be_gone_on_with(folder: Path) -> None:
    for kind in KINDS:
        refused(WeightsError, "no checkpoint", kind, folder, "--resume")


@pytest.mark.parametrize(
    ("kind", "option", "value", "name"),
    [
        ("score", "--architecture", "painn", "architecture"),
        ("score", "--sigma-max", "3", "noise.high"),
        ("joint", "--compactness-loss", "0", "weights.compactness"),
        ("joint", "--given-share", "0.9", "given_share"),
        *[(kind, "--channels", "16", "channels") for kind in KINDS],
        *[(kind, "--radial", "5", "n_radial") for kind in KINDS],
        *[(kind, "--batch-size", "3", "batch_size") for kind in KINDS],
        *[(kind, "--seed", "1", "seed") for kind in KINDS],
    ],
)
def test_what_a_run_was_begun_with_stays(
    kind: str, option: str, value: str, name: str, runs: dict[str, bytes], folder: Path
) -> None:
    (folder / "checkpoint.pt").write_bytes(runs[kind])
    refused(WeightsError, f"begun with {name} = ", kind, folder, "--resume", option, value)


def _more(crystals: list[Atoms]) -> list[Atoms]:
    return [*crystals, bulk("NaCl", "rocksalt", a=5.64)]


def _moved(crystals: list[Atoms]) -> list[Atoms]:
    crystals[2].positions[1, 0] += 1e-3
    return crystals


def _strained(crystals: list[Atoms]) -> list[Atoms]:
    crystals[1].set_cell(crystals[1].cell * 1.001)
    return crystals


def _other_species(crystals: list[Atoms]) -> list[Atoms]:
    crystals[0].symbols[0] = "K"
    return crystals


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [_more, _moved, _strained, _other_species, reversed])
def test_other_training_data_are_refused(
    kind: str,
    change: Callable[[list[Atoms]], Iterable[Atoms]],
    runs: dict[str, bytes],
    folder: Path,
) -> None:
    """Batches follow from the order of the crystals: a run goes on with the same ones alone."""
    (folder / "checkpoint.pt").write_bytes(runs[kind])
    data = folder.parent / "crystals.extxyz"
    write(data, list(change(list(ase.io.iread(data)))))
    refused(TrainingDataError, "other crystals", kind, folder, "--resume", "--steps", "2")


def test_the_same_training_data_in_another_form_go_on(runs: dict[str, bytes], folder: Path) -> None:
    """What counts are the crystals, not the name or the compression of their file."""
    (folder / "checkpoint.pt").write_bytes(runs["score"])
    data = folder.parent / "crystals.extxyz"
    packed = folder.parent / "renamed.extxyz.gz"
    packed.write_bytes(gzip.compress(data.read_bytes()))
    words = ("--data", str(packed), "--resume", "--steps", "2")
    assert "after 2 steps" in train("score", folder, *words)


def test_properties_that_a_run_was_begun_without_are_refused(
    runs: dict[str, bytes], folder: Path
) -> None:
    (folder / "checkpoint.pt").write_bytes(runs["joint"])
    refused(WeightsError, "begun with labels = False", "joint", folder, "--resume", "--labels")


def test_labels_of_other_crystals_are_computed_anew(folder: Path) -> None:
    """A run that was stopped before its first checkpoint leaves labels behind."""
    small = (*SMALL, "--steps", "1", "--labels")
    train("joint", folder, *small)
    first = np.load(folder / "labels.npz")["labels"]
    (folder / "checkpoint.pt").unlink()
    data = folder.parent / "crystals.extxyz"
    write(data, list(reversed(list(ase.io.iread(data)))))
    train("joint", folder, *small)
    second = np.load(folder / "labels.npz")["labels"]
    assert not np.array_equal(first, second, equal_nan=True)
    np.testing.assert_allclose(second, first[::-1])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_said_again_is_as_it_was_begun(
    kind: str, runs: dict[str, bytes], folder: Path
) -> None:
    (folder / "checkpoint.pt").write_bytes(runs[kind])
    out = train(kind, folder, "--resume", "--steps", "2", "--rate", "0.002")
    assert "after 2 steps" in out
    state, settings, objective = load_checkpoint(folder / "checkpoint.pt")
    assert (state.step, settings.steps, settings.learning_rate) == (2, 2, 0.002)
    assert (settings.batch_size, objective.kind) == (2, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_a_run_that_cannot_begin(kind: str, tmp_path: Path) -> None:
    prepared(tmp_path)
    wrong: tuple[tuple[type[GencspError], tuple[str, ...]], ...] = (
        (DeckError, ("--steps", "0")),
        (DeckError, ("--rate", "nan")),
        (DeckError, ("--cooldown", "2")),
        (DeckError, ("--channels", "0")),
        (DeckError, ("--seed", "-1")),
        (EngineError, ("--device", "nowhere")),
    )
    if kind == "score":
        wrong += (
            (DeckError, ("--sigma-max", "inf")),
            (WeightsError, ("--architecture", "nowhere")),
        )
    else:
        wrong += ((DeckError, ("--given-share", "2")),)
    for error, words in wrong:
        with pytest.raises(error):
            train(kind, tmp_path / "new", *words)
        assert not (tmp_path / "new").exists(), words
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="is a file"):
        train(kind, tmp_path / "file", "--steps", "1")
    assert (tmp_path / "file").read_text() == "mine"
