"""``gencsp make-data``: files first, the same crystals again, and what is wrong is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ase.io import read
from typer.testing import CliRunner

from gencsp.cli import app

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
SMALL = ("--atoms", "3", "--workers", "1", "--seed", "5")


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.txt"
    path.write_text("NaCl\nMgO\n")
    return path


def test_crystals_and_their_card_are_written_and_a_second_call_finds_them(
    held_out: Path, tmp_path: Path
) -> None:
    words = ["make-data", "-n", "32", "--held-out", str(held_out), "--out", str(tmp_path / "d")]
    first = RUNNER.invoke(app, [*words, *SMALL])
    assert first.exit_code == 0, first.output
    crystals = tmp_path / "d" / "crystals.extxyz"
    card = json.loads((tmp_path / "d" / "card.json").read_text())
    made = read(crystals, ":")
    assert len(made) == card["crystals"] > 0
    assert f"wrote {len(made)} crystals" in first.output
    assert "no new compound" in first.output
    before = crystals.read_text()
    assert RUNNER.invoke(app, [*words, *SMALL]).exit_code == 0
    assert crystals.read_text() == before


def test_another_run_in_the_folder_and_a_missing_list_are_told(
    held_out: Path, tmp_path: Path
) -> None:
    words = ["make-data", "-n", "32", "--out", str(tmp_path / "d")]
    assert RUNNER.invoke(app, [*words, *SMALL]).exit_code != 0
    words += ["--held-out", str(held_out)]
    assert RUNNER.invoke(app, [*words, *SMALL]).exit_code == 0
    other = RUNNER.invoke(app, [*words, *SMALL, "--within", "0.02"])
    assert other.exit_code != 0
    assert "another run" in other.output
    nowhere = RUNNER.invoke(app, ["make-data", "--held-out", str(tmp_path / "none.txt"), *SMALL])
    assert nowhere.exit_code != 0
    assert "cannot be read" in nowhere.output
