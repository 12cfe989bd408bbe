"""``gencsp filter`` on every kind of pool, good files and bad."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from pathlib import Path

import ase.db
import ase.io
import pytest
from ase import Atoms
from known_crystals import known, uneven
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.cli.console import PARTLY
from gencsp.errors import StructureFileError
from gencsp.io.pools import sources

RUNNER = CliRunner()
QUICK = ["--filters", "distances,compactness", "--workers", "1", "--no-plots"]


@pytest.fixture
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One pool of each kind, and files that are none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    crystals = list(known().values())
    ase.io.write("one.cif", crystals[0])
    ase.io.write("POSCAR", crystals[1])
    ase.io.write("many.extxyz", crystals)
    Path("many.extxyz.gz").write_bytes(gzip.compress(Path("many.extxyz").read_bytes()))
    with ase.db.connect("pool.db") as database:
        for atoms in crystals[:3]:
            database.write(atoms, source="test")
    with zipfile.ZipFile("pool.zip", "w") as archive:
        archive.write("one.cif", "inside/one.cif")
        archive.writestr("inside/broken.cif", "data_x\n_cell_length_a oops\n")
        archive.writestr("__MACOSX/._one.cif", "nothing")
    Path("empty.cif").write_text("")
    Path("cut.extxyz").write_text(Path("many.extxyz").read_text()[:-40])
    ase.io.write("molecule.xyz", Atoms("H2", positions=[(0, 0, 0), (0, 0, 0.7)]))
    Path("bad.zip").write_bytes(b"PK nothing")
    return tmp_path


READABLE = {
    "one.cif": 1,
    "POSCAR": 1,
    "many.extxyz": 5,
    "many.extxyz.gz": 5,
    "pool.db": 3,
    "pool.zip": 1,
    "empty.cif": 0,
    "cut.extxyz": 4,
    "molecule.xyz": 0,
    "bad.zip": 0,
}
BROKEN = {"pool.zip": 1, "empty.cif": 1, "cut.extxyz": 1, "molecule.xyz": 1, "bad.zip": 1}


@pytest.mark.parametrize("name", READABLE)
def test_each_kind_of_pool(pools: Path, name: str) -> None:
    result = RUNNER.invoke(app, ["filter", name, *QUICK, "--out", "out"])
    assert result.exit_code == (PARTLY if BROKEN.get(name) else 0), result.output
    summary = json.loads((pools / "out" / "summary.json").read_text())
    assert summary["structures"] == READABLE[name]
    assert len(summary["unreadable"]) == BROKEN.get(name, 0)
    assert all(name in entry["reason"] for entry in summary["unreadable"])
    with (pools / "out" / "rows.csv").open() as file:
        assert len(list(csv.DictReader(file))) == READABLE[name] + BROKEN.get(name, 0)


def test_all_together_in_two_processes(pools: Path) -> None:
    deck = pools / "deck.toml"
    deck.write_text(
        'workers = 2\nout = "judged"\n[[filters]]\nname = "distances"\nminimum = 1.6\n'
        '[[filters]]\nname = "compactness"\n'
    )
    result = RUNNER.invoke(app, ["filter", *READABLE, "--deck", str(deck)])
    assert result.exit_code == PARTLY, result.output
    assert "9 of 20 structures survive" in result.output
    assert "5 could not be read" in result.output
    survivors = ase.io.read("judged/survivors.extxyz", ":")
    assert {a.get_chemical_formula() for a in survivors} == {"MgO", "O3SrTi"}
    assert all(a.info["filter_compactness"] for a in survivors)
    assert len(ase.io.read("judged/judged.extxyz", ":")) == 20
    assert {p.name for p in (pools / "judged" / "plots").iterdir()} == {
        "survival.png",
        "distances.png",
        "compactness.png",
    }


def test_folder_holds_pools(pools: Path) -> None:
    folder = pools / "folder"
    folder.mkdir()
    for name in ("one.cif", "many.extxyz", "pool.zip"):
        (folder / name).write_bytes((pools / name).read_bytes())
    assert len(list(sources([folder]))) == 1 + 5 + 2


def test_wrong_input_is_one_sentence(pools: Path) -> None:
    missing = RUNNER.invoke(app, ["filter", "no.cif", *QUICK])
    assert missing.exit_code == 2
    assert missing.output.strip() == "gencsp: there is no file no.cif."
    unknown = RUNNER.invoke(app, ["filter", "one.cif", "--filters", "magic"])
    assert unknown.exit_code == 2
    assert "there is no filter 'magic'" in unknown.output
    assert not (pools / "filtered").exists()
    with pytest.raises(StructureFileError, match="there is no file"):
        list(sources([pools / "one.cif", "no.cif"]))


def test_default_funnel_on_a_plausible_structure(pools: Path) -> None:
    ase.io.write("shaken.cif", uneven(2))
    result = RUNNER.invoke(app, ["filter", "shaken.cif", "one.cif", "--workers", "1"])
    assert result.exit_code == 0, result.output
    summary = json.loads((pools / "filtered" / "summary.json").read_text())
    assert [one["name"] for one in summary["filters"]] == [
        "distances",
        "pair_potential",
        "compositional_novelty",
        "compactness",
        "local_diversity",
    ]
    assert summary["survivors"] == 0
    assert (pools / "filtered" / "plots" / "local_diversity.png").exists()
