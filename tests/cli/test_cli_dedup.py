"""``gencsp dedup``: what it keeps, names, leaves out and refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from typer.testing import CliRunner

from gencsp.cli import app

RUNNER = CliRunner()


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files: rock salt, its supercell after a rattle, and zincblende."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    folder = tmp_path / "pool"
    folder.mkdir()
    salt = bulk("NaCl", "rocksalt", a=5.6)
    copy = salt.repeat((1, 2, 1))
    copy.rattle(0.01, rng=np.random.default_rng(0))
    for name, atoms in (("a", salt), ("b", copy), ("c", bulk("NaCl", "zincblende", a=6.0))):
        ase.io.write(folder / f"{name}.cif", atoms)
    return folder


def groups(folder: Path) -> dict[str, str]:
    with (folder / "groups.csv").open(newline="") as file:
        return {Path(row["structure"]).name: row["group"] for row in csv.DictReader(file)}


def test_writes_one_of_each(pool: Path) -> None:
    result = RUNNER.invoke(app, ["dedup", str(pool), "--out", "kept"])
    assert result.exit_code == 0, result.output
    assert "2 unique of 3 structures" in result.output
    kept = ase.io.read("kept/unique.extxyz", ":")
    assert [Path(atoms.info["structure_id"]).name for atoms in kept] == ["a.cif", "c.cif"]
    assert [atoms.info["copies"] for atoms in kept] == [2, 1]
    assert groups(Path("kept")) == {"a.cif": "1", "b.cif": "1", "c.cif": "2"}


@pytest.mark.usefixtures("pool")
def test_keeps_the_lowest_in_energy() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    structures: list[Atoms] = []
    for name, energy in (("high", -3.0), ("low", -3.1)):
        atoms = salt.copy()
        atoms.info |= {"structure_id": name, "energy_per_atom": energy}
        structures.append(atoms)
    ase.io.write("pool.extxyz", structures)
    assert RUNNER.invoke(app, ["dedup", "pool.extxyz", "--same-energy", "0.2"]).exit_code == 0
    assert groups(Path("deduplicated")) == {"low": "1", "high": "1"}
    assert ase.io.read("deduplicated/unique.extxyz").info["structure_id"] == "low"
    RUNNER.invoke(app, ["dedup", "pool.extxyz"])
    assert groups(Path("deduplicated")) == {"low": "1", "high": "2"}


def test_names_what_it_cannot_read(pool: Path) -> None:
    (pool / "bad.cif").write_text("nothing")
    result = RUNNER.invoke(app, ["dedup", str(pool)])
    assert result.exit_code == 3  # some have no result
    assert "2 unique of 3 structures" in result.stdout
    assert "bad.cif" in result.stderr


def test_refuses_where_nothing_can_be_read(pool: Path) -> None:
    (pool / "bad.cif").write_text("nothing")
    for given in ("pool/bad.cif", "absent.cif"):
        result = RUNNER.invoke(app, ["dedup", given])
        assert result.exit_code == 2
        assert "gencsp: " in result.stderr


def test_polymorphs_stay_apart_unless_families_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """β-cristobalite and its tilted form (Wright and Leadbetter, 1975)."""
    monkeypatch.chdir(tmp_path)
    for name, x in (("cubic", 0.0), ("tilted", 0.0896)):
        atoms = crystal(
            ["Si", "O"],
            [(0, 0, 0), (x, 0.25, 0.125)],
            spacegroup=122,
            cellpar=[5.042, 5.042, 7.131, 90, 90, 90],
        )
        ase.io.write(f"{name}.cif", atoms)
    for words, unique in (((), 2), (("--same", "close"), 2), (("--same", "family"), 1)):
        result = RUNNER.invoke(app, ["dedup", "cubic.cif", "tilted.cif", *words])
        assert result.exit_code == 0, result.output
        assert f"{unique} unique of 2 structures" in result.output


def test_what_is_in_doubt_is_relaxed_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two displaced crystals of copper that relax into the same one; EMT is the potential."""
    monkeypatch.chdir(tmp_path)
    Path("emt.py").write_text("from ase.calculators.emt import EMT as calculator\n")
    whole = bulk("Cu", cubic=True)
    moved = whole.copy()
    moved.rattle(0.08, rng=np.random.default_rng(1))
    ase.io.write("pool.extxyz", [whole, moved])
    potential = ("--potential", "emt.py:calculator", "--workers", "1")
    for same, unique in (("close", 2), ("tight", 1)):
        result = RUNNER.invoke(app, ["dedup", "pool.extxyz", "--same", same, *potential])
        assert result.exit_code == 0, result.output
        assert f"{unique} unique of 2 structures" in result.output
    assert groups(Path("deduplicated")) == {"pool.extxyz:0": "1", "pool.extxyz:1": "1"}
