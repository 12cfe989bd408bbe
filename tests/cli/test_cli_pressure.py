"""Commands under pressure, with ASE's EMT, which needs references of its own at every pressure."""

from __future__ import annotations

import csv
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import GPa
from typer.testing import CliRunner

import gencsp
from gencsp import records
from gencsp.cli import app
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError, RequestError
from gencsp.io.structures import write_extxyz

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
EMT = ("--potential", "ase.calculators.emt:EMT")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool of ordered alloys, one of which, L1_2, is among the references as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    alloy = bulk("Cu", "fcc", a=3.8, cubic=True)
    alloy.symbols[0] = "Au"
    layered = bulk("Cu", "fcc", a=3.9, cubic=True)
    layered.symbols[[0, 1]] = "Au"
    write_extxyz(tmp_path / "pool.extxyz", [alloy, layered])
    return tmp_path


def run(*words: str, status: int = 0) -> tuple[str, str]:
    result = RUNNER.invoke(app, list(words))
    assert result.exit_code == status, result.output
    return result.stdout, result.stderr


def relaxed(folder: Path, name: str = "relaxed") -> list[Atoms]:
    return list(ase.io.read(folder / name / f"{name}.extxyz", ":"))


def test_relaxing_compares_enthalpies_at_the_pressure(folder: Path) -> None:
    shown, _ = run("relax", "pool.extxyz", *EMT, "--pressure", "20")
    header, first, *_ = shown.splitlines()
    for title in ("H_d (eV/atom)", "H (eV/atom)", "V (Å³/atom)", "P (GPa)"):
        assert title in header
    assert "E_d" not in header
    assert header.index("P (GPa)") < header.index("space group") < header.index("decomposes into")
    run("references", "Cu-Au", *EMT, "--pressure", "20", "--out", "at20.csv")
    hull = Hull.load(folder / "at20.csv")
    assert hull.pressure == 20
    structures = relaxed(folder)
    for atoms in structures:
        info = atoms.info
        assert info["pressure"] == 20
        assert "decomposition_energy" not in info
        work = 20 * GPa * info["volume_per_atom"]
        assert info["enthalpy_per_atom"] == pytest.approx(info["energy_per_atom"] + work)
        composition = gencsp.composition.Composition.of(atoms)
        expected = hull.decomposition_energy(composition, info["enthalpy_per_atom"])
        assert info["decomposition_enthalpy"] == pytest.approx(expected, abs=1e-6)
    assert f"{structures[0].info['decomposition_enthalpy']:.4f}" in first
    # The crystal that is a reference itself lies where the reference does.
    (copper,) = [a for a in structures if a.symbols.formula.count() == {"Au": 1, "Cu": 3}]
    assert copper.info["decomposition_enthalpy"] == pytest.approx(0, abs=2e-3)
    assert copper.info["has_reference"] is True
    assert copper.info["reference_phase"].startswith("AuCu3 Pm-3m (")
    assert copper.info["decomposition"].startswith("1.000 AuCu3")
    cif = next((folder / "relaxed" / "cif").iterdir()).read_text()
    assert "# decomposition_enthalpy = " in cif
    assert "# pressure = 20.0" in cif


def test_files_of_references_at_another_pressure_are_refused(folder: Path) -> None:
    run("references", "Cu-Au", *EMT, "--out", "at0.csv")
    assert "# pressure" not in (folder / "at0.csv").read_text()
    _, said = run("relax", "pool.extxyz", *EMT, "--pressure", "5", "--hull", "at0.csv", status=1)
    assert "references are at 0 GPa and the structures at 5 GPa" in said
    assert "gencsp references SYSTEM --pressure 5" in said
    assert not (folder / "relaxed").exists()
    (folder / "wrong.csv").write_text(
        "# model: emt\n# pressure: 5\nformula,energy_per_atom\nCu,1\n"
    )
    _, said = run("relax", "pool.extxyz", *EMT, "--pressure", "5", "--hull", "wrong.csv", status=2)
    assert "needs the columns formula and enthalpy_per_atom, because it is of 5 GPa" in said
    (folder / "wrong.csv").write_text("# model: emt\nformula,enthalpy_per_atom\nCu,1\n")
    _, said = run("relax", "pool.extxyz", *EMT, "--hull", "wrong.csv", status=2)
    assert "does not say at which pressure" in said
    (folder / "wrong.csv").write_text("# model: emt\n# pressure: nan\nformula,enthalpy_per_atom\n")
    _, said = run("relax", "pool.extxyz", *EMT, "--hull", "wrong.csv", status=2)
    assert "the pressure of wrong.csv is 'nan'" in said


def test_without_a_hull_enthalpies_are_shown_alone(folder: Path) -> None:
    shown, _ = run("relax", "pool.extxyz", *EMT, "--pressure", "20", "--hull", "none")
    header, first, *_ = shown.splitlines()
    structures = relaxed(folder)
    assert not any(records.above_hull(atoms.info) for atoms in structures)
    assert "decomposes into" not in header
    assert first.split()[1] == f"{structures[0].info['enthalpy_per_atom']:.4f}"


def test_the_phases_of_a_system_at_a_pressure(folder: Path) -> None:
    said, _ = run("hull", "Cu-Au", *EMT, "--pressure", "20", "--within", "1", "--out", "system")
    assert "at 20 GPa" in said
    assert "H_d (eV/atom)" in said
    with (folder / "system" / "Cu-Au.csv").open() as file:
        listed = {row["source_id"]: row for row in csv.DictReader(file)}
    run("references", "Cu-Au", *EMT, "--pressure", "20", "--out", "at20.csv")
    hull = Hull.load(folder / "at20.csv")
    for entry in hull.inside(["Cu", "Au"]):
        above = hull.decomposition_energy(entry.composition, entry.energy_per_atom)
        if above < 0.9:
            assert float(listed[entry.entry_id]["decomposition_energy"]) == pytest.approx(
                above, abs=2e-6
            )


def test_the_hull_takes_the_pressure_of_the_structures(folder: Path) -> None:
    run("relax", "pool.extxyz", *EMT, "--pressure", "20")
    run("hull", "relaxed/relaxed.extxyz", *EMT)
    for one, other in zip(relaxed(folder), relaxed(folder, "hull"), strict=True):
        for key in (records.PRESSURE, records.ENTHALPY_PER_ATOM, records.DECOMPOSITION_ENTHALPY):
            assert other.info[key] == pytest.approx(one.info[key], abs=1e-6)
    run("references", "Cu-Au", *EMT, "--out", "at0.csv")
    run("hull", "relaxed/relaxed.extxyz", *EMT, "--pressure", "0", "--hull", "at0.csv")
    for atoms in relaxed(folder, "hull"):
        assert atoms.info["pressure"] == 0
        assert "decomposition_enthalpy" not in atoms.info
        assert atoms.info["decomposition_energy"] > 0.05  # of a crystal that is compressed
    run("relax", "pool.extxyz", *EMT, "--pressure", "5", "--out", "five")
    _, said = run("hull", "five/relaxed.extxyz", "relaxed/relaxed.extxyz", *EMT, status=2)
    assert "pressures from 5 to 20 GPa: choose that of the hull with --pressure" in said


def test_a_search_ranks_by_enthalpy_and_goes_on(folder: Path) -> None:
    cell = ("--atoms", "2", "--seed", "1")
    search = ("search", "CuAu", *EMT, "--no-seeds", *cell, "--workers", "1", "--no-report")
    shown, _ = run(*search, "--pressure", "20", "--budget", "2", "--out", "run")
    assert "H_d (eV/atom)" in shown
    ranked = list(ase.io.read(folder / "run" / "ranked.extxyz", ":"))
    heights = [atoms.info["decomposition_enthalpy"] for atoms in ranked]
    assert heights == sorted(heights)
    assert {atoms.info["pressure"] for atoms in ranked} == {20}
    said, _ = run("status", "run")
    assert f"lowest: {heights[0]:.4f} eV/atom" in said
    # The same references from a file are the same run.
    run("references", "Cu-Au", *EMT, "--pressure", "20", "--out", "at20.csv")
    same = ("--hull", "at20.csv", "--out", "run")
    again, _ = run(*search, "--pressure", "20", "--budget", "3", *same)
    assert "the budget of 3 trials was used" in again
    _, said = run(*search, "--pressure", "10", "--budget", "3", *same, status=1)
    assert "references are at 20 GPa and the structures at 10 GPa" in said


def test_a_chemical_system_has_a_hull_that_grows_at_the_pressure(folder: Path) -> None:
    search = ("search", "Cu-Au", *EMT, "--pressure", "20", "--no-seeds", "--atoms", "2")
    words = ("--workers", "1", "--budget", "2", "--seed", "3", "--out", "run", "--no-report")
    run(*search, *words)
    ranked = ase.io.read(folder / "run" / "ranked.extxyz", ":")
    assert all("decomposition_enthalpy" in atoms.info for atoms in ranked)
    assert len(ranked) > 0


def test_an_element_that_the_potential_lacks(folder: Path) -> None:
    search = ("search", "SiO2", *EMT, "--pressure", "20", "--no-seeds", "--out", "run")
    _, said = run(*search, "--workers", "1", "--budget", "1", status=1)
    assert "reference" in said
    assert "Si" in said
    assert not (folder / "run").exists()


@pytest.mark.parametrize("wrong", ["nan", "inf", "-1e5", "much"])
@pytest.mark.parametrize(
    "command",
    [
        ("relax", "pool.extxyz"),
        ("hull", "pool.extxyz"),
        ("references", "Cu-Au"),
        ("propose", "CuAu"),
        ("search", "CuAu"),
        ("cycle", "CuAu"),
    ],
)
def test_wrong_pressures(folder: Path, command: tuple[str, ...], wrong: str) -> None:
    _, said = run(*command, "--pressure", wrong, status=2)
    assert "pressure" in said
    assert [path.name for path in folder.iterdir()] == ["pool.extxyz"]


def test_calls_refuse_what_commands_refuse() -> None:
    entries = Hull.load()
    with pytest.raises(HullReferenceError, match="at 0 GPa and the structures at 7 GPa"):
        gencsp.hull(bulk("Cu"), pressure=7, hull=entries)
    one, other = bulk("Cu"), bulk("Cu")
    for atoms, pressure in ((one, 1.0), (other, 2.0)):
        atoms.info |= {"stage": "relaxed", "pressure": pressure}
    with pytest.raises(RequestError, match="from 1 to 2 GPa"):
        gencsp.hull([one, other])
