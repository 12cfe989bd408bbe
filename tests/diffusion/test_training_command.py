"""``gencsp train score`` from data on disk to weights that load, stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from gencsp.cli.train_score import app
from gencsp.diffusion.positions.model import load_score_model
from gencsp.errors import StoreError, TrainingDataError


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    data = tmp_path / "crystals.extxyz"
    write(data, [bulk("NaCl", "rocksalt", a=5.64), bulk("MgO", "rocksalt", a=4.21)] * 2)
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("CaO\n")
    small = ["--channels", "8", "--layers", "2", "--radial", "4", "--batch-size", "2"]
    return [
        *("score", "--data", str(data), "--validation", str(data), "--held-out", str(held_out)),
        *("--out", str(tmp_path / "run"), "--validate-every", "2", *small),
    ]


def test_a_run_resumes_and_its_weights_load(arguments: list[str], tmp_path: Path) -> None:
    runner = CliRunner()
    first = runner.invoke(app, [*arguments, "--steps", "2"], catch_exceptions=False)
    assert first.exit_code == 0
    second = runner.invoke(app, [*arguments, "--steps", "4", "--resume"], catch_exceptions=False)
    assert "after 4 steps" in second.stdout
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert [row["step"] for row in rows] == [2, 4]
    assert load_score_model(tmp_path / "run" / "score.safetensors").digest in second.stdout


def test_a_folder_with_another_run_is_left_alone(arguments: list[str], tmp_path: Path) -> None:
    CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(StoreError, match="--resume"):
        CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_held_out_formulas_end_the_command_before_anything_is_written(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "held_out.txt").write_text("MgO\n")
    with pytest.raises(TrainingDataError, match="MgO"):
        CliRunner().invoke(app, [*arguments, "--steps", "1"], catch_exceptions=False)
    assert not (tmp_path / "run").exists()
