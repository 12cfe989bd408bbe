"""The programs in ``seeds/``: one and a deck for each code, alike but for the code."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from finished_runs import RUNS
from pools import alloys

import gencsp
from gencsp.errors import DeckError
from gencsp.exporters import exporter_names
from gencsp.exporters.deck import ExportDeck
from gencsp.io.structures import read_structures, write_extxyz

ROOT = Path(gencsp.__file__).parent.parent
SEEDS = ROOT / "seeds"


def stem(code: str) -> str:
    return f"seed_{code.replace('-', '_')}"


def test_one_for_each_code() -> None:
    expected = {f"{stem(code)}.{kind}" for code in exporter_names() for kind in ("py", "toml")}
    assert {path.name for path in SEEDS.glob("seed_*")} == expected


@pytest.mark.parametrize("code", exporter_names())
def test_seeds_and_results(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, deck = SEEDS / f"{stem(code)}.py", SEEDS / f"{stem(code)}.toml"
    assert len(program.read_text().splitlines()) <= 45
    write_extxyz(tmp_path / "relaxed" / "relaxed.extxyz", alloys(3))
    monkeypatch.setattr(sys, "argv", [str(program), str(deck)])
    runpy.run_path(str(program), run_name="__main__")
    assert f"3 seeds of AuCu in {code}" in capsys.readouterr().out
    expected = RUNS[code](tmp_path / code)
    monkeypatch.setattr(sys, "argv", [str(program), str(deck), "back"])
    runpy.run_path(str(program), run_name="__main__")
    assert f"wrote {code}/results.extxyz" in capsys.readouterr().out
    assert len(read_structures([tmp_path / code / "results.extxyz"])) == len(expected)
    monkeypatch.setattr(sys, "argv", [str(program), str(deck)])
    with pytest.raises(SystemExit, match="holds another export"):
        runpy.run_path(str(program), run_name="__main__")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('folder = "x"', "lacks the key 'pool'"),
        ('pool = []\nfolder = "x"', "'pool' is"),
        ('pool = ["a"]\nfolder = "x"\natom = 3', "key 'atom'"),
        ('pool = ["a"]\nfolder = "x"\natoms = 0', "'atoms' is 0"),
        ("pool = ", "is not TOML"),
    ],
)
def test_decks_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "deck.toml"
    path.write_text(text)
    with pytest.raises(DeckError, match=says) as caught:
        ExportDeck.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DeckError, match="cannot be read"):
        ExportDeck.read(tmp_path / "none.toml")
