"""Bad pools and bad folders: one clear sentence, a non-zero status, nothing half-written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from pools import alloys
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import CompositionError, ExportError, StoreError
from gencsp.exporters import airss, exporter_names, get_exporter
from gencsp.io.structures import write_extxyz

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def refused(*arguments: str, status: int = 2) -> str:
    """The one sentence of a command that fails and leaves the folder as it was."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    result = RUNNER.invoke(app, ["export", *arguments])
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    return result.stderr


@pytest.fixture
def mixed(here: Path) -> str:
    write_extxyz(here / "mixed.extxyz", [*alloys(3), bulk("NaCl", "rocksalt", a=5.6), bulk("Si")])
    return "mixed.extxyz"


@pytest.mark.parametrize("code", exporter_names())
def test_mixed_compositions(mixed: str, code: str) -> None:
    says = refused(mixed, "out", "--to", code)
    assert "3 compositions, AuCu (3), ClNa (1), Si (1): choose one with --formula" in says
    result = RUNNER.invoke(app, ["export", mixed, "out", "--to", code, "--formula", "CuAu"])
    assert result.exit_code == 0, result.output
    assert "wrote 3 seeds of CuAu to out" in result.stdout
    assert "NaCl is not CuAu" in result.stdout
    assert "Si is not CuAu" in result.stdout
    assert 'g[0] "x"' not in result.stdout


def test_a_formula_that_is_not_there(mixed: str) -> None:
    assert "none of 5 structures can be handed to airss: 3 of them: CuAu is not MgO" in refused(
        mixed, "out", "--to", "airss", "--formula", "MgO"
    )
    assert "not an element" in refused(mixed, "out", "--to", "airss", "--formula", "Xq2")


def test_partial_occupancy(here: Path) -> None:
    alloy = crystal(["Si"], [(0, 0, 0)], spacegroup=225, cellpar=[5.4] * 3 + [90] * 3)
    ase.io.write(here / "a.cif", alloy)
    (here / "a.cif").write_text((here / "a.cif").read_text().replace("1.0000", "0.5000"))
    assert "partly occupied" in refused("a.cif", "out", "--to", "uspex")
    # and where structures come from a script
    disordered = bulk("Si")
    disordered.info["occupancy"] = {"0": {"Si": 0.5, "Ge": 0.5}}
    report = get_exporter("uspex").write([bulk("Si"), disordered], here / "out")
    assert [one.reason for one in report.left_out] == ["partly occupied sites"]


@pytest.mark.parametrize("code", exporter_names())
def test_one_atom_cells(here: Path, code: str) -> None:
    write_extxyz(here / "cu.extxyz", [bulk("Cu"), bulk("Cu", a=3.7)])
    if code not in ("fuse", "ase-ga"):
        assert RUNNER.invoke(app, ["export", "cu.extxyz", "out", "--to", code]).exit_code == 0
        return
    says = refused("cu.extxyz", "out", "--to", code)
    assert f"1 atoms where {code} needs 2" in says
    result = RUNNER.invoke(app, ["export", "cu.extxyz", "out", "--to", code, "--fit"])
    assert result.exit_code == 0, result.output
    assert "wrote 2 seeds of Cu" in result.stdout


def test_flawed_structures_are_left_out_with_a_reason(here: Path) -> None:
    good, close, flat, dummy, nan, slab = alloys(6)
    close.positions[0] = close.positions[1] + 0.1
    flat.cell[2] = flat.cell[1]
    dummy.numbers[0] = 0
    nan.positions[0, 0] = np.nan
    slab.pbc = (True, True, False)
    pool = [good, close, flat, dummy, nan, slab, Atoms(cell=[1, 1, 1], pbc=True)]
    for number, atoms in enumerate(pool):
        atoms.info["structure_id"] = f"s{number}"
    report = get_exporter("airss").write(pool, here / "out")
    assert [seed.structure_id for seed in report.seeds] == ["s0"]
    assert {one.structure_id: one.reason for one in report.left_out} == {
        "s1": "two atoms 0.17 Å apart, below 0.5 Å",
        "s2": "not a crystal",
        "s3": "unknown element X",
        "s4": "positions or a cell that are not numbers",
        "s5": "not a crystal",
        "s6": "no atoms",
    }


def test_what_fuse_would_delete(here: Path) -> None:
    short = bulk("H", "sc", a=0.9).repeat(2)
    with pytest.raises(ExportError, match=r"two atoms 0.90 Å apart, below 1 Å"):
        get_exporter("fuse").write([short], here / "out")
    get_exporter("airss").write([short], here / "out")


def test_numbers_of_atoms(here: Path) -> None:
    write_extxyz(here / "p.extxyz", alloys(2))
    assert "3 atoms are no whole number of AuCu" in refused(
        "p.extxyz", "out", "--to", "airss", "--atoms", "3"
    )
    assert "4 atoms where 8 are needed" in refused("p.extxyz", "o", "--to", "uspex", "--atoms", "8")
    assert "no supercell or primitive cell makes 6" in refused(
        "p.extxyz", "out", "--to", "airss", "--atoms", "6", "--fit"
    )
    rock = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    report = get_exporter("cryspy").write([rock], here / "prim", atoms=2, fit=True)
    assert report.seeds[0].changes[0] == "primitive cell"
    assert len(report.seeds[0].atoms) == 2
    report = get_exporter("cryspy").write([rock], here / "six", atoms=6, fit=True)
    assert report.seeds[0].changes[0] == "primitive cell, 1 x 1 x 3 supercell"


def test_unreadable_and_empty_pools(here: Path) -> None:
    (here / "empty.extxyz").touch()
    (here / "noise.cif").write_text("not a CIF")
    (here / "folder").mkdir()
    assert "is empty" in refused("empty.extxyz", "out", "--to", "airss")
    assert "noise.cif" in refused("noise.cif", "out", "--to", "airss")
    assert "there is no file" in refused("none.cif", "out", "--to", "airss")
    assert "folder without files" in refused("folder", "out", "--to", "airss")
    with pytest.raises(ExportError, match="the pool is empty"):
        get_exporter("airss").write([], here / "out")


def test_an_unknown_code(here: Path) -> None:
    write_extxyz(here / "p.extxyz", alloys(1))
    assert "no exporter 'vasp': choose from agox, airss" in refused(
        "p.extxyz", "out", "--to", "vasp"
    )


def test_folders_that_hold_something(here: Path) -> None:
    write_extxyz(here / "p.extxyz", alloys(1))
    get_exporter("uspex").write(alloys(1), here / "other")
    (here / "full").mkdir()
    (here / "full" / "thesis.tex").touch()
    (here / "empty").mkdir()
    assert "other holds another export (for uspex)" in refused(
        "p.extxyz", "other", "--to", "airss", status=1
    )
    assert "is not empty" in refused("p.extxyz", "full", "--to", "airss", status=1)
    assert "is a file" in refused("p.extxyz", "p.extxyz", "--to", "airss", status=1)
    assert RUNNER.invoke(app, ["export", "p.extxyz", "empty", "--to", "airss"]).exit_code == 0
    assert RUNNER.invoke(app, ["export", "p.extxyz", "new/deep", "--to", "airss"]).exit_code == 0
    assert not [path for path in here.rglob(".*") if path.name != "."]


@pytest.mark.parametrize("name", ["a,b", "a#b", "two  blanks"])
def test_xtalopt_runs_in_any_folder(here: Path, name: str) -> None:
    """It splits lists at commas and lines at #; nothing of the folder is in its deck."""
    write_extxyz(here / "p.extxyz", alloys(1))
    made = RUNNER.invoke(app, ["export", "p.extxyz", name, "--to", "xtalopt"])
    assert made.exit_code == 0, made.output
    deck = (here / name / "xtalopt.in").read_text()
    assert name not in deck
    assert str(here) not in deck


def test_a_full_disk_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(airss, "write_res", full)
    with pytest.raises(StoreError, match="no space left"):
        get_exporter("airss").write(alloys(1), here / "out")
    assert list(here.iterdir()) == []


def test_a_formula_that_cannot_be_read(here: Path) -> None:
    with pytest.raises(CompositionError):
        get_exporter("airss").write(alloys(1), here / "out", formula="Cu0Au")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["export", "import"])
def test_help(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "DIR" in result.output
