"""Searches by energy alone, with potentials that have no hull references."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

import gencsp
from gencsp import records
from gencsp.cli import app
from gencsp.errors import HullReferenceError, PotentialError, RequestError
from gencsp.io.structures import read_structures, write_extxyz
from gencsp.potentials import AseEngine
from gencsp.runs.status import run_status
from gencsp.store.disk import read_manifest

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
CHEAP = {"potential": EMT(), "seeds": [], "workers": 1, "atoms": 4, "budget": 6, "seed": 2}


def test_a_search_ranks_by_energy_alone() -> None:
    with pytest.raises(HullReferenceError, match="emt"):
        gencsp.search("CuAu", **CHEAP)
    found = gencsp.search("CuAu", hull="none", **CHEAP)
    energies = [float(atoms.info[records.ENTHALPY_PER_ATOM]) for atoms in found]
    assert len(energies) > 1
    assert energies == sorted(energies)
    assert not any(records.DECOMPOSITION_ENERGY in atoms.info for atoms in found)


def test_under_pressure_it_ranks_by_enthalpy() -> None:
    found = gencsp.search("CuAu", hull="none", pressure=20.0, **CHEAP)
    enthalpies = [float(atoms.info[records.ENTHALPY_PER_ATOM]) for atoms in found]
    assert enthalpies == sorted(enthalpies)
    assert all(atoms.info[records.ENERGY_PER_ATOM] < enthalpies[0] for atoms in found)


def test_several_compositions_do_not_compare_without_a_hull() -> None:
    with pytest.raises(RequestError, match="gencsp references Cu-Au"):
        gencsp.search("Cu-Au", hull="none", **CHEAP)


def test_the_command_says_what_it_ranks_by(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from ase.calculators.emt import EMT as calculator\n")
    words = ["search", "CuAu", "--no-seeds", "--budget", "6", "--atoms", "4", "--workers", "1"]
    words += ["--potential", str(tmp_path / "own.py"), "--hull", "none"]
    words += ["--out", str(tmp_path / "run")]
    said = RUNNER.invoke(app, words)
    assert said.exit_code == 0, said.output
    assert said.stdout.splitlines()[0].split()[:2] == ["H", "(eV/atom)"]
    ranked = read_structures([tmp_path / "run" / "ranked.extxyz"])
    lowest = float(ranked[0].info[records.ENTHALPY_PER_ATOM])
    assert f"{lowest:.4f}" in said.stdout.splitlines()[1]
    assert "no hull" in said.stdout
    manifest = read_manifest(tmp_path / "run")
    assert manifest is not None
    assert manifest["hull"] == "none"
    assert run_status(tmp_path / "run").best == pytest.approx(lowest)
    again = RUNNER.invoke(app, ["resume", str(tmp_path / "run"), "--budget", "7"])
    assert again.exit_code == 0, again.output
    other = RUNNER.invoke(app, words[:-4] + words[-2:])  # with the shipped hull
    assert other.exit_code != 0


def test_relax_ranks_each_composition_by_itself(tmp_path: Path) -> None:
    pool = []
    for name, atoms in {
        "Au-high": bulk("Au", "sc", a=2.7),
        "Cu-low": bulk("Cu"),
        "Au-low": bulk("Au"),
        "Cu-high": bulk("Cu", "sc", a=2.4),
    }.items():
        atoms.info["structure_id"] = name
        pool.append(atoms)
    write_extxyz(tmp_path / "pool.extxyz", pool)
    (tmp_path / "own.py").write_text("from ase.calculators.emt import EMT as calculator\n")
    words = ["relax", str(tmp_path / "pool.extxyz"), "--potential", str(tmp_path / "own.py")]
    said = RUNNER.invoke(app, [*words, "--hull", "none", "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "decomposition" not in said.output
    found = read_structures([tmp_path / "out" / "relaxed.extxyz"])
    order = [atoms.info["structure_id"] for atoms in found]
    assert order == ["Au-low", "Au-high", "Cu-low", "Cu-high"]


def test_a_decomposition_energy_needs_a_hull() -> None:
    with pytest.raises(RequestError, match="leave out --hull none"):
        gencsp.hull([bulk("Cu")], hull="none", potential=EMT())


def test_an_element_that_the_potential_lacks_is_told_before_the_work(tmp_path: Path) -> None:
    copper = AseEngine(EMT(), model="emt", digest="", elements=frozenset({"Cu"}))
    settings = CHEAP | {"potential": copper, "hull": "none", "out": tmp_path / "run"}
    with pytest.raises(PotentialError, match="emt was not made for Au"):
        gencsp.search("CuAu", **settings)
    del settings["seeds"], settings["budget"]
    with pytest.raises(PotentialError, match="emt was not made for Au"):
        gencsp.cycle("CuAu", **settings)
    assert not (tmp_path / "run").exists()
