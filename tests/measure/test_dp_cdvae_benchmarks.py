"""The benchmarks of DP-CDVAE go on where they stopped, and their tables say what they measured."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import record_values
import tables_of_dp_cdvae
from ase import Atoms
from ase.build import bulk
from jsonschema import Draft202012Validator
from tiny_dp_cdvae import write_tiny_dp_cdvae

import gencsp
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel, load_dp_cdvae

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "benchmarks" / "record.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _programs() -> Iterator[None]:
    """The benchmarks import each other by their bare names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dp_cdvae(tmp_path_factory.mktemp("w") / "w.safetensors")


@pytest.fixture
def model(weights: Path) -> DpCdvaeModel:
    """In double precision, so that what is decoded together does not show."""
    found = load_dp_cdvae(weights)
    found.network.double()
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "known.extxyz"
    salts = [bulk(name, "rocksalt", a=a) for name, a in (("NaCl", 5.64), ("MgO", 4.21))]
    ase.io.write(path, [*salts, bulk("Cu")], format="extxyz")
    return path


def options(folder: Path, **more: Any) -> Namespace:
    return Namespace(
        **{"folder": folder, "steps": 3, "seed": 4, "batch": 2, "device": "cpu"} | more
    )


def run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: object) -> Any:
    """Run a benchmark as its command does, its results elsewhere; returns the record."""
    program = import_module(name)
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results")
    given = [*arguments, "--steps", 2, "--folder", tmp_path / "runs"]
    path = ROOT / "benchmarks" / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, given)])
    program.main()
    (written,) = (tmp_path / "results").glob("*.json")
    content = json.loads(written.read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(content)
    return content


def places(crystals: list[Atoms]) -> list[Any]:
    return [(atoms.numbers.tolist(), atoms.positions.tolist()) for atoms in crystals]


def test_a_run_that_was_interrupted_makes_the_same_crystals(
    model: DpCdvaeModel, tmp_path: Path
) -> None:
    program = import_module("dp_cdvae_crystals")
    at_once, _ = program.generated(model, 5, rule="modified", options=options(tmp_path / "one"))
    other = options(tmp_path / "other", batch=3)
    program.generated(model, 3, rule="modified", options=other)
    (path,) = (tmp_path / "other").rglob("*.jsonl")
    content = path.read_bytes()
    path.write_bytes(content[:-40])  # in the middle of the last line
    resumed, _ = program.generated(model, 5, rule="modified", options=other)
    assert len(resumed) == 5
    for (numbers, some), (others, more) in zip(places(at_once), places(resumed), strict=True):
        assert numbers == others
        np.testing.assert_allclose(some, more, atol=1e-7)
    # Whole lines stay as they are.
    assert path.read_bytes().startswith(content[: content[:-40].rfind(b"\n") + 1])


def test_reconstructions_are_those_of_the_call(
    model: DpCdvaeModel, data: Path, tmp_path: Path
) -> None:
    program = import_module("dp_cdvae_crystals")
    known = ase.io.read(data, ":")
    given = options(tmp_path, name="mp_20", data=data)
    made, _ = program.reconstructed(model, known, rule="ancestral", options=given)
    # In the same batches: random weights enlarge the rounding of float32 without bound.
    settings = {"rule": "ancestral", "levels": 3, "seed": 4, "batch_size": given.batch}
    called = list(gencsp.reconstruct(known, model=model, **settings))
    for (numbers, some), (others, more) in zip(places(made), places(called), strict=True):
        assert numbers == others
        np.testing.assert_allclose(some, more, atol=1e-7)


def test_reconstruction_records_what_matches(
    weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = import_module("dp_cdvae_reconstruction")
    known = ase.io.read(data, ":")
    moved = known[0].copy()
    moved.positions[1] += 0.2
    # A right one, one near, one of another formula.
    monkeypatch.setattr(
        program, "reconstructed", lambda *_, **__: ([known[1], moved, bulk("Ag")][::-1], 1.0)
    )
    monkeypatch.setattr(program, "stream_extxyz", lambda _: [known[2], known[0], known[1]])
    given = (data, "--name", "perov_5", "--weights", weights, "--rules", "modified", "ancestral")
    content = run("dp_cdvae_reconstruction", monkeypatch, tmp_path, *given)
    row = content["results"]["rules"]["modified"]
    assert (row["matched"]["successes"], row["matched"]["trials"]) == (2, 3)
    assert row["matched_and_valid"]["successes"] == 2
    assert row["right_formula"]["successes"] == 2
    off = 0.1 * np.sqrt(3) / (5.64**3 / 8) ** (1 / 3)
    assert row["rms"][0] == pytest.approx(off / 2, abs=1e-4)
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record_values, "RESULTS", tmp_path / "results")
    line = tables_of_dp_cdvae.reconstruction().splitlines()[-1]
    assert "| DP-CDVAE+N_a+GINE | 66.7 (21-94), 0.0" in line
    assert "| 88.3, 0.0180 |" in line
    assert "| 64.1, 0.0250 |" in line


def test_generation_records_each_column(
    weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = import_module("dp_cdvae_generation")
    known = ase.io.read(data, ":")
    crowded = known[0].copy()
    crowded.positions[1] = (0, 0, 0.2)
    made = [*known, crowded, bulk("NaAr", "rocksalt", a=5.64)]
    monkeypatch.setattr(program, "generated", lambda *_, **__: (made, 1.0))
    drawn: list[Atoms] = []

    def distances(_: Path, some: list[Atoms], *__: object) -> dict[str, Any]:
        drawn.extend(some)
        return {"density": {"distance": 0.25, "low": 0.2, "high": 0.3}}

    monkeypatch.setattr(program, "distances", distances)
    given = (data, "--name", "mp_20", "--weights", weights, "--samples", 5)
    found = run("dp_cdvae_generation", monkeypatch, tmp_path, *given)["results"]
    counted = {
        name: found[name]["successes"] for name in ("structure", "composition", "valid", "COV-R")
    }
    assert counted == {"structure": 4, "composition": 4, "valid": 3, "COV-R": 3}
    assert found["COV-P"]["trials"] == 5
    assert sorted(str(a.symbols) for a in drawn) == ["Cu", "MgO", "NaCl"]
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record_values, "RESULTS", tmp_path / "results")
    ours, paper, cdvae = tables_of_dp_cdvae.generation().splitlines()[-3:]
    assert "| 80.0 (38-96) | 80.0 (38-96) | 100.0 (44-100) |" in ours
    assert ours.endswith("| 0.2500 (0.2000-0.3000) | - | - |")
    assert "| 99.90 | 83.89 | 95.51 | 99.27 | 0.1790 | 0.0522 | 0.6909 |" in paper
    assert "| 0.6875 | 0.2778 | 1.4320 |" in cdvae


def test_ground_states_are_counted(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = import_module("dp_cdvae_ground_state")
    carbon = bulk("C", "diamond", a=3.567)
    row = {
        "numbers": carbon.numbers.tolist(),
        "positions": carbon.positions.tolist(),
        "cell": carbon.cell.array.tolist(),
        "energy": -9.0,
        "before": -8.9,
        "converged": True,
        "outcome": "converged",
    }
    rows = [row, row, {**row, "before": -8.6}, {**row, "converged": False, "outcome": "exploded"}]
    monkeypatch.setattr(program, "generated", lambda *_, **__: ([carbon] * 4, 1.0))
    monkeypatch.setattr(program, "relaxed", lambda *_: rows)
    content = run(
        "dp_cdvae_ground_state", monkeypatch, tmp_path, "--weights", weights, "--samples", 4
    )
    found = content["results"]
    assert (found["matched"]["successes"], found["converged"]["successes"]) == (3, 3)
    assert found["energy_rms"][0] == pytest.approx(np.sqrt((2 * 0.01 + 0.16) / 3), abs=1e-4)
    assert found["outcomes"] == {"converged": 3, "exploded": 1}
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record_values, "RESULTS", tmp_path / "results")
    ours = tables_of_dp_cdvae.ground_state().splitlines()[2]
    assert ours.startswith("| DP-CDVAE+N_a+GINE here, CHGNet | 75 (30-95) | 0.0000")
    assert "| 244.9 (" in ours
    assert ours.endswith("| 64-128 |")


def test_without_records_a_table_says_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_of_dp_cdvae, "RESULTS", tmp_path)
    for write in tables_of_dp_cdvae.TABLES.values():
        program = write().split("`")[1].split()[1]
        assert (ROOT / program).is_file()
