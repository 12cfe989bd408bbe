"""``gencsp analyse``: tables and figures of a run, and what it leaves out."""

from __future__ import annotations

import csv
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk, molecule
from cheap_system import cheap_system_cycle
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.executors import ThisProcess
from gencsp.io.structures import read_structures
from gencsp.store import DiskStore

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
FORMATS = ("png", "svg", "pdf")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    ase.io.write("salt.cif", bulk("NaCl", "rocksalt", a=5.64))
    ase.io.write("blende.cif", bulk("NaCl", "zincblende", a=6.0))
    return tmp_path


def rows(name: str, folder: str = "analysis") -> list[dict[str, str]]:
    with (Path(folder) / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: str = "analysis") -> set[str]:
    return {one.name for one in Path(folder).iterdir() if not one.name.startswith(".")}


def test_a_run_of_the_cycle() -> None:
    with DiskStore(Path("run"), {"kind": "cycle"}) as store:
        run = cheap_system_cycle(store, ThisProcess())
        run.run()
        counts = list(run.counts().values())
    result = RUNNER.invoke(app, ["analyse", "run", "--known", "run", "--pairs", "Li-Si"])
    assert result.exit_code == 0, result.output
    names = ("radial_distribution", "coordination", "relaxation", "success")
    figures = {f"{name}.{ending}" for name in names for ending in FORMATS}
    assert files() == figures | {f"{name}.csv" for name in (*names, "differences")}
    success = rows("success")
    for stage, symmetric in (
        ("generated", sum(one.symmetric_relaxed for one in counts)),
        ("inpainted", sum(one.symmetric_refined for one in counts)),
    ):
        some = [row for row in success if row["stage"] == stage]
        assert sum(int(row["symmetric"]) for row in some) == symmetric
        assert all(float(r["low"]) <= float(r["share"]) <= float(r["high"]) for r in some)
    changes = rows("relaxation")
    assert len(changes) == sum(one.relaxed + one.refined for one in counts)
    # The run has no energies before relaxation.
    assert {row["energy_change_ev_per_atom"] for row in changes} == {""}
    assert "--potential" in result.stdout
    assert {row["group"] for row in rows("radial_distribution")} >= {"generated", "known"}
    # What stands in a pool twice counts once.
    twice = gencsp.analyse(read_structures(["run/run.db", "run/run.db"]), pairs=("Li-Si",))
    assert [str(one.symmetric) for one in twice.success] == [row["symmetric"] for row in success]
    assert len(twice.changes) == len(changes)


@pytest.mark.usefixtures("empty_figures")
def test_results_take_the_place_of_those_before() -> None:
    given = ("--known", "blende.cif", "--reach", "5", "--pairs", "Na-Cl")
    result = RUNNER.invoke(app, ["analyse", "salt.cif", *given])
    assert result.exit_code == 0, result.output
    assert "differences.csv" in files()
    assert "6: 100 %" in result.stdout
    assert "4: 100 %" in result.stdout
    cutoffs = {(r["centre"], r["neighbour"]): r["cutoff_angstrom"] for r in rows("coordination")}
    assert cutoffs == {("Na", "Cl"): "3.3500", ("Cl", "Na"): "3.3500"}
    result = RUNNER.invoke(app, ["analyse", "salt.cif", *given, "--neighbours", "crystal-nn"])
    assert "6: 100 %" in result.stdout
    assert {row["cutoff_angstrom"] for row in rows("coordination")} == {""}
    r = [float(row["r_angstrom"]) for row in rows("radial_distribution")]
    assert max(r) == pytest.approx(4.975)
    Path("analysis/mine.txt").write_text("mine")
    assert RUNNER.invoke(app, ["analyse", "salt.cif", "--pairs", "Na-Cl"]).exit_code == 0
    assert "differences.csv" not in files()
    assert "success.csv" not in files()
    assert "mine.txt" in files()


@pytest.mark.usefixtures("empty_figures")
def test_energies_before_relaxation_by_a_potential() -> None:
    Path("emt.py").write_text(
        "from ase.calculators.emt import EMT\n\n\ndef calculator():\n    return EMT()\n"
    )
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.1)
    ase.io.write("copper.extxyz", copper)
    emt = ("--potential", "emt.py", "--workers", "1")
    done = RUNNER.invoke(app, ["relax", "copper.extxyz", *emt, "--hull", "none"])
    assert done.exit_code == 0, done.output
    pool = ("copper.extxyz", "relaxed/relaxed.extxyz")
    result = RUNNER.invoke(app, ["analyse", *pool, *emt])
    assert result.exit_code == 0, result.output
    (row,) = rows("relaxation")
    assert float(row["energy_change_ev_per_atom"]) > 0.01
    assert float(row["largest_displacement_angstrom"]) > 0.05
    assert "ΔE on relaxation: median" in result.stdout
    # The file does not say that it was generated.
    assert "success rates are left out" in result.stdout


@pytest.mark.usefixtures("empty_figures")
def test_what_cannot_be_read_is_left_out() -> None:
    ase.io.write("water.xyz", molecule("H2O"))
    result = RUNNER.invoke(app, ["analyse", "salt.cif", "water.xyz", "--pairs", "Na-Cl"])
    assert result.exit_code == 3
    assert "water.xyz" in result.stderr
    assert "is not a crystal" in result.stderr
    assert RUNNER.invoke(app, ["analyse", "water.xyz"]).exit_code == 2
    known = RUNNER.invoke(app, ["analyse", "salt.cif", "--known", "water.xyz"])
    assert known.exit_code == 2


def test_known_structures_of_other_elements_are_refused_before_anything_is_written() -> None:
    ase.io.write("copper.cif", bulk("Cu"))
    result = RUNNER.invoke(app, ["analyse", "salt.cif", "--known", "copper.cif"])
    assert result.exit_code == 2
    assert "no known structure has a pair" in result.stderr
    assert not Path("analysis").exists()


def test_a_figure_of_many_panels_and_an_empty_folder() -> None:
    pool = [bulk(symbol) for symbol in ("Cu", "Ag", "Au", "Ni")]
    ase.io.write("pool.extxyz", pool)
    result = RUNNER.invoke(app, ["analyse", "pool.extxyz"])
    assert result.exit_code == 0, result.output
    assert "4 structures" in result.stdout
    Path("empty").mkdir()
    assert RUNNER.invoke(app, ["analyse", "empty"]).exit_code == 2
