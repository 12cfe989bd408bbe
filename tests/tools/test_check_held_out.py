"""Training crystals of held-out formulas are found, however formula and crystal are written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import check_held_out
import pytest
from ase.build import bulk
from cards import held_out_list

from gencsp.composition import Composition

CRYSTALS = {"NaCl": "rocksalt", "ZnS": "zincblende", "MgO": "rocksalt"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three crystals, two of them of the Materials Project; one as a cell of eight atoms."""
    crystals = [bulk(name, kind, a=5.0, cubic=name == "NaCl") for name, kind in CRYSTALS.items()]
    for atoms, source in zip(
        crystals, ("Materials Project", "OQMD", "Materials Project"), strict=True
    ):
        atoms.info["source"] = source
    path = tmp_path / "train.extxyz.gz"
    ase.io.write(path, crystals, format="extxyz")
    return path


def card(folder: Path, crystals: int = 3) -> Path:
    path = folder / "net.card.json"
    said = {"crystals": crystals, "from_materials_project": 2}
    content = {"name": "net", "data": said, "held_out": {"formulas": 1, "why": "tests"}}
    path.write_text(json.dumps(content), "utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, data: Path, held_out: str) -> None:
    (folder / "formulas.txt").write_text(held_out, "utf-8")
    monkeypatch.setattr(check_held_out, "WEIGHTS", folder)
    command = ["check", "--data", str(data), "--held-out", str(folder / "formulas.txt")]
    monkeypatch.setattr(sys, "argv", command)
    check_held_out.main()


def test_formulas_count_in_any_order_and_multiple(data: Path) -> None:
    held_out = frozenset(Composition.parse(f).reduced for f in ("Cl4Na4", "SZn", "LiF"))
    counts = check_held_out.count(data, held_out)
    assert counts == check_held_out.Counts(crystals=3, from_materials_project=2, found=2)


def test_cards_say_what_was_checked(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card(tmp_path)
    run(monkeypatch, tmp_path, data, "LiF\nKCl\n")
    held_out = json.loads(path.read_text("utf-8"))["held_out"]
    assert held_out["formulas"] == 1
    checked = held_out["checked"]
    assert (checked["crystals"], checked["found"]) == (3, 0)
    assert checked["sha256"] == held_out_list(map(Composition.parse, ("KCl", "LiF")))["sha256"]


def test_a_held_out_training_crystal_is_written_down_and_an_error(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card(tmp_path)
    with pytest.raises(SystemExit, match="1 training crystals"):
        run(monkeypatch, tmp_path, data, "OMg\n")
    assert json.loads(path.read_text("utf-8"))["held_out"]["checked"]["found"] == 1


def test_other_data_than_the_card_names_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card(tmp_path, crystals=4)
    with pytest.raises(SystemExit, match="not what net was trained on"):
        run(monkeypatch, tmp_path, data, "LiF\n")
    assert "checked" not in json.loads(path.read_text("utf-8"))["held_out"]
