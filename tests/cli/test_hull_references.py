"""``gencsp hull`` of a system and of a formula, and tables that say what E_d stands on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition as PymatgenComposition
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.entries import read_references, shipped_references
from gencsp.convex_hull.plots import draw_hull
from gencsp.convex_hull.system import alike
from gencsp.errors import CompositionError, HullReferenceError, RequestError

RUNNER = CliRunner()
ENTRIES = """# model: chgnet-0.3.0
formula,energy_per_atom,space_group,source_id,source,stability
Mg,-1.5,194,mg-1,OQMD,0
Mg,-1.4,229,mg-2,OQMD,0.1
O2,-5,12,o-1,OQMD,0
MgO,-6.2,225,mgo-1,AMCSD,0
MgO,-6.17,216,mgo-2,found,0.03
MgO2,-5.0,205,mgo2-1,OQMD,0.3
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("entries.csv").write_text(ENTRIES)
    return tmp_path


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_system_is_listed_drawn_and_written() -> None:
    result = RUNNER.invoke(app, ["hull", "Mg-O", "--hull", "entries.csv", "--within", "0.04"])
    assert result.exit_code == 0, result.output
    assert (
        "3 stable phases; 4 references on the hull or up to 40 meV/atom above it, of 6"
        in result.stdout
    )
    table = rows("hull/Mg-O.csv")
    assert [row["source_id"] for row in table] == ["mg-1", "mgo-1", "o-1", "mgo-2"]
    assert [row["stable"] for row in table] == ["True"] * 3 + ["False"]
    # The elements lie at -1.5 and -5, so that MgO forms at -6.2 + 3.25.
    assert [float(row["formation_energy"]) for row in table] == pytest.approx(
        [0.0, -2.95, 0.0, -2.92]
    )
    assert float(table[3]["decomposition_energy"]) == pytest.approx(0.03)
    assert table[3]["decomposition"] == "1.000 MgO Fm-3m"
    assert (table[1]["source"], table[3]["source"]) == ("AMCSD", "found")
    written = json.loads(Path("hull/Mg-O.json").read_text())
    assert written["phases"][3]["decomposition"] == [
        {"share": 1.0, "formula": "MgO", "space_group": "Fm-3m", "source_id": "mgo-1"}
    ]
    assert {tuple(sorted(facet)) for facet in written["facets"]} == {
        ("Mg P6_3/mmc (OQMD mg-1)", "MgO Fm-3m (AMCSD mgo-1)"),
        ("MgO Fm-3m (AMCSD mgo-1)", "O C2/m (OQMD o-1)"),
    }
    for ending, begins in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert (Path("hull") / f"Mg-O.{ending}").read_bytes().startswith(begins)
    assert "MgO" in Path("hull/Mg-O.svg").read_text()


def test_a_wider_window_lists_more() -> None:
    wide = gencsp.hull_of_system("O-Mg", hull="entries.csv", within=1.0)
    # From -0.2/3 less than MgO and oxygen: MgO2 is two thirds MgO and a third O.
    assert [p.entry.entry_id for p in wide.phases] == [
        "o-1",
        "mgo-1",
        "mg-1",
        "mgo-2",
        "mg-2",
        "mgo2-1",
    ]
    last = wide.phases[-1]
    assert last.decomposition_energy == pytest.approx(-5.0 + (2 * 6.2 + 5.0) / 3)
    assert sorted(map(str, last.decomposition)) == ["0.333 O C2/m", "0.667 MgO Fm-3m"]
    assert wide.shares(last.entry) == pytest.approx((2 / 3, 1 / 3))
    assert len(gencsp.hull_of_system("Mg-O", hull="entries.csv", within=0.0).phases) == 3


@pytest.mark.parametrize("system", ["Li-Si", "Li-P-S", "Li-Fe-P-O"])
def test_the_shipped_hull_is_pymatgens(system: str, tmp_path: Path) -> None:
    """All rows, polymorphs too, given to pymatgen's own phase diagram."""
    elements = system.split("-")
    entries = [
        PDEntry(
            PymatgenComposition(one.composition.formula),
            one.energy_per_atom * one.composition.size,
            name=one.entry_id,
        )
        for one in shipped_references().entries
        if set(one.composition.elements) <= set(elements)
    ]
    diagram = PhaseDiagram(entries)
    found = gencsp.hull_of_system(system, within=0.1)
    assert found.count == len(entries)
    theirs = {e.name: diagram.get_e_above_hull(e) for e in entries}
    expected = {name: above for name, above in theirs.items() if above <= 0.1}
    ours = {p.entry.entry_id: p.decomposition_energy for p in found.phases}
    assert ours == pytest.approx(expected, abs=1e-8)
    formed = {e.name: diagram.get_form_energy_per_atom(e) for e in entries}
    for phase in found.phases:
        assert phase.formation_energy == pytest.approx(formed[phase.entry.entry_id], abs=1e-8)
    assert len(found.facets) == len(diagram.facets)
    drawn = draw_hull(found, tmp_path / system)
    assert len(drawn) == (0 if len(elements) > 3 else 3)


def test_four_elements_are_listed_without_a_figure() -> None:
    result = RUNNER.invoke(app, ["hull", "Li-Fe-P-O", "--within", "0.01"])
    assert result.exit_code == 0, result.output
    assert "no figure: the hull of 4 elements cannot be drawn" in result.stdout
    assert sorted(p.name for p in Path("hull").iterdir() if p.name[0] != ".") == [
        "Li-Fe-P-O.csv",
        "Li-Fe-P-O.json",
    ]
    assert any(row["formula"] == "LiFePO4" for row in rows("hull/Li-Fe-P-O.csv"))


def test_a_formula_shows_its_polymorphs_and_writes_the_crystals_that_are_known() -> None:
    result = RUNNER.invoke(app, ["hull", "--show", "TiO2", "--out", "shown"])
    assert result.exit_code == 0, result.output
    found = gencsp.hull_of_formula("O4Ti2")
    assert [r["source_id"] for r in rows("shown/TiO2-phases.csv")] == [
        phase.entry.entry_id for phase in found.phases
    ]
    energies = [phase.decomposition_energy for phase in found.phases]
    assert energies == sorted(energies)
    crystals = ase.io.read("shown/TiO2.extxyz", ":")
    assert 0 < len(crystals) <= len(found.phases)
    for atoms in crystals:
        assert Composition.of(atoms) == Composition.parse("TiO2")
        assert atoms.info["reference_phase"].endswith(f" {atoms.info['structure_id']})")
        # They are rounded; the table has their energies.
        assert "energy_per_atom" not in atoms.info
    assert len(list(Path("shown/cif").iterdir())) == len(crystals)
    assert f"lowest: {found.lowest.entry.label}" in result.stdout
    written = {atoms.info["structure_id"] for atoms in crystals}
    lines = [{phase.entry.entry_id for phase in group} for group in alike(found.phases)]
    missing = [line for line in lines if not line & written]
    assert result.stdout.count("structure not shipped (") == len(missing)


def test_one_crystal_from_several_sources_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    more = "MgO,-6.1995,225,mgo-3,OQMD,0\nMgO,-6.1985,225,mgo-4,OQMD,0\nMgO,-6.2,216,mgo-5,OQMD,0\n"
    Path("more.csv").write_text(ENTRIES + more)
    result = RUNNER.invoke(app, ["hull", "Mg-O", "--hull", "more.csv", "--within", "0.01"])
    shown = [line.split() for line in result.stdout.splitlines() if line.startswith("MgO ")]
    assert [tuple(line[-2:]) for line in shown] == [
        ("mgo-1", "+1"),
        ("OQMD", "mgo-5"),
        ("OQMD", "mgo-4"),
    ]
    assert [row["source_id"] for row in rows("hull/Mg-O.csv")][1:3] == ["mgo-1", "mgo-5"]
    assert len(rows("hull/Mg-O.csv")) == 6
    assert "3 stable phases; 6 references" in result.stdout


def test_the_lowest_of_a_formula_says_whether_it_is_stable() -> None:
    stable = RUNNER.invoke(app, ["hull", "--show", "MgO", "--hull", "entries.csv"])
    assert stable.exit_code == 0, stable.output
    assert "lowest: MgO Fm-3m (AMCSD mgo-1), stable (chgnet-0.3.0)" in stable.stdout
    assert "structure not shipped (AMCSD mgo-1)" in stable.stdout
    assert "there is no structure to write" in stable.stdout
    above = RUNNER.invoke(app, ["hull", "--show", "MgO2", "--hull", "entries.csv"])
    assert "800.0 meV/atom above the hull" in above.stdout
    assert "it decomposes into 0.667 MgO Fm-3m + 0.333 O C2/m" in above.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["Mg"], 2, "'Mg' is one element, and a hull lies between two or more"),
        (["Mg-Xx"], 2, "'Xx' in 'Mg-Xx' is not an element"),
        (["Mg-O-Mg"], 2, "names an element twice"),
        (["Mg-Ca"], 1, "hold no Ca: add the element"),
        (["mg-o"], 2, "there is no file mg-o; a chemical system is written as Li-Si"),
        (["Mg-O", "Li-Si"], 2, "there is no file Mg-O; a chemical system is written as Li-Si"),
        (["Mg-O.cif"], 2, "there is no file Mg-O.cif."),
        ([], 2, "give structure files, or a system such as Li-Si, or --show FORMULA"),
        (["Mg-O", "--show", "MgO"], 2, "give structure files, or a system"),
        (["--show", "Mg2O"], 1, "hold no phase of Mg2O: there they decompose into 0.667 MgO"),
        (["--show", "MgCaO2"], 1, "hold no Ca"),
        (["--show", "Mgo"], 2, "'Mgo'"),
        (["--show", "MgO", "--hull", "absent.csv"], 2, "absent.csv"),
        (["Mg-O", "--potential", "chgnet:r2scan"], 1, "made with chgnet-0.3.0 and the energies"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_shown_is_refused(words: list[str], status: int, said: str) -> None:
    given = [] if "--hull" in words else ["--hull", "entries.csv"]
    result = RUNNER.invoke(app, ["hull", *words, *given])
    assert (result.exit_code, said in result.stderr) == (status, True), result.output
    assert not Path("hull").exists()


def test_calls_refuse_the_same() -> None:
    with pytest.raises(RequestError, match="within is -1"):
        gencsp.hull_of_system("Li-Si", within=-1.0)
    with pytest.raises(RequestError, match="one element"):
        gencsp.hull_of_system("Li")
    with pytest.raises(CompositionError, match="Xx"):
        gencsp.hull_of_system("Li-Xx")
    with pytest.raises(HullReferenceError, match="no phase of Li5Si2"):
        gencsp.hull_of_formula("Li5Si2")


def test_entries_of_two_models_are_refused() -> None:
    Path("mixed.json").write_text(
        json.dumps(
            [
                {"composition": {"Mg": 1}, "energy": -1, "data": {"model": "a"}},
                {"composition": {"O": 1}, "energy": -1, "data": {"model": "b"}},
            ]
        )
    )
    result = RUNNER.invoke(app, ["hull", "Mg-O", "--hull", "mixed.json"])
    assert result.exit_code == 1
    assert "mixes energies of different models" in result.stderr


def test_a_file_comes_before_a_system_of_its_name() -> None:
    atoms = bulk("MgO", "rocksalt", a=4.25)
    atoms.write("Mg-O", format="extxyz")
    result = RUNNER.invoke(app, ["hull", "Mg-O", "--hull", "entries.csv"])
    assert result.exit_code == 0, result.output
    assert "Mg-O is read as the file or folder here; the chemical system is also O-Mg" in (
        " ".join(result.stderr.split())
    )
    assert Path("hull/hull.extxyz").exists()
    assert not Path("hull/Mg-O.csv").exists()


def test_results_say_what_they_stand_on_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    # Elements so high, and no oxide of this formula: anything lies far below.
    Path("high.csv").write_text(
        "# model: chgnet-0.3.0\nformula,energy_per_atom,space_group\n"
        "Mg,-0.5,194\nO,-1.0,12\nMgO2,-1.2,205\n"
    )
    bulk("MgO", "rocksalt", a=4.25).write("salt.cif")
    result = RUNNER.invoke(app, ["hull", "salt.cif", "--hull", "high.csv"])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if "salt.cif" in line)
    assert line.split()[:3] == ["1", "no", "reference"]
    assert "0.750 MgO2 Pa-3 + 0.250 Mg P6_3/mmc" in line
    assert "none" in line.split()
    assert "no reference: 1 of 1 structures lie below the hull" in result.stdout
    atoms = ase.io.read("hull/hull.extxyz")
    assert atoms.info["decomposition"] == "0.750 MgO2 Pa-3 + 0.250 Mg P6_3/mmc"
    assert not atoms.info["has_reference"]
    (row,) = rows("hull/hull.csv")
    assert float(row["decomposition_energy"]) == pytest.approx(atoms.info["decomposition_energy"])
    assert row["decomposition"] == "0.750 MgO2 Pa-3 + 0.250 Mg P6_3/mmc"
    assert (row["rank"], row["formula"], row["atoms"], row["has_reference"]) == (
        "1",
        "MgO",
        "2",
        "False",
    )
    assert "reference_phase" not in row
    assert atoms.info["decomposition_energy"] < -3
    cif = next(Path("hull/cif").iterdir()).read_text()
    assert f"# decomposition_energy = {atoms.info['decomposition_energy']} (no reference)" in cif
    assert "# decomposition = 0.750 MgO2 Pa-3 + 0.250 Mg P6_3/mmc" in cif
    again = RUNNER.invoke(app, ["hull", "salt.cif", "--hull", "entries.csv"])
    assert "no reference" not in again.stdout
    assert "yes" in next(x for x in again.stdout.splitlines() if "salt.cif" in x).split()


def test_a_shipped_phase_is_named_in_the_table() -> None:
    bulk("NaCl", "rocksalt", a=5.66).write("salt.cif")
    result = RUNNER.invoke(app, ["hull", "salt.cif"])
    assert result.exit_code == 0, result.output
    alike = [phase.entry for phase in gencsp.hull_of_formula("NaCl").phases]
    named = [f"= {entry.label}" for entry in alike if entry.space_group == 225]
    assert any(name in result.stdout for name in named)


def test_the_source_of_entries_is_read_and_written(tmp_path: Path) -> None:
    from gencsp.convex_hull.entries import write_entries

    entries = read_references(Path("entries.csv")).entries
    assert [one.source for one in entries[3:5]] == ["AMCSD", "found"]
    again = read_references(write_entries(tmp_path / "again.csv", entries)).entries
    key = [(one.label, one.energy_per_atom) for one in entries]
    assert sorted((one.label, one.energy_per_atom) for one in again) == sorted(key)
