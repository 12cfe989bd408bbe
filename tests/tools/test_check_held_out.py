"""Training crystals of held-out formulas are found, however formula and crystal are written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


def card(folder: Path, crystals: int = 3, name: str = "net", **held_out: Any) -> Path:
    path = folder / f"{name}.card.json"
    said = {"crystals": crystals, "from_materials_project": 2}
    content = {"name": name, "data": said, "held_out": {"formulas": 1, "why": "tests", **held_out}}
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
    assert (counts.crystals, counts.from_materials_project) == (3, 2)
    assert {str(formula): n for formula, n in counts.found.items()} == {"NaCl": 1, "ZnS": 1}
    assert counts.held_out(()) == 2
    assert counts.held_out(["S2Zn2"]) == 1


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
    let_through = card(tmp_path, name="salt", let_through=["MgO"])
    with pytest.raises(SystemExit, match="1 training crystals of net are held out"):
        run(monkeypatch, tmp_path, data, "OMg\n")
    assert json.loads(path.read_text("utf-8"))["held_out"]["checked"]["found"] == 1
    assert json.loads(let_through.read_text("utf-8"))["held_out"]["checked"]["found"] == 0


def test_other_data_than_the_card_names_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = card(tmp_path, crystals=4)
    with pytest.raises(SystemExit, match="no weights were trained on 3 crystals"):
        run(monkeypatch, tmp_path, data, "LiF\n")
    card(tmp_path, name="other")
    run(monkeypatch, tmp_path, data, "LiF\n")
    assert "checked" not in json.loads(path.read_text("utf-8"))["held_out"]
