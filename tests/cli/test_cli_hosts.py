"""Hosts, guests and partly occupied sites from the command line."""

from __future__ import annotations

import json
from csv import DictReader
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from typer.testing import CliRunner

import gencsp
from gencsp import records
from gencsp.cli import app
from gencsp.errors import DeckError, NearestFormulaWarning, RequestError
from gencsp.executors import ThisProcess
from gencsp.io.structures import read_structures
from gencsp.runs.decks import CycleDeck, SearchDeck

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
HALF = """data_half
_symmetry_space_group_name_H-M 'F m -3 m'
_cell_length_a 4.1
_cell_length_b 4.1
_cell_length_c 4.1
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 Li 0 0 0 0.5
Ni1 Ni 0 0 0 0.5
O1 O 0.5 0.5 0.5 1
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "half.cif").write_text(HALF)
    return tmp_path


def run(*words: object) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def test_disordered_files_are_refused_unless_they_are_to_be_ordered(here: Path) -> None:
    code, _, err = run("relax", "half.cif")
    assert code == 2
    assert "half.cif has partly occupied sites (Li1: 0.5)" in err
    assert "gencsp relax FILE --order N" in err
    code, out, err = run(
        "relax", "half.cif", "--order", 2, "--order-atoms", 4, "--steps", 30, "--fmax", 0.2
    )
    assert code == 0, err
    assert "LiNiO2 (its exact composition)" in out
    assert "2 of all 2 symmetry-distinct orders, lowest in Ewald energy" in out
    relaxed = read_structures([here / "relaxed" / "relaxed.extxyz"])
    assert {str(a.info["structure_id"]) for a in relaxed} == {"half.cif-0", "half.cif-1"}
    assert all("LiNiO2" in str(a.info[records.READING_NOTE]) for a in relaxed)
    # Ranked by what the relaxation says, not by Ewald energy.
    energies = [float(a.info[records.DECOMPOSITION_ENERGY]) for a in relaxed]
    assert energies == sorted(energies)


def test_what_cannot_be_ordered_within_the_limit_is_left_out(here: Path) -> None:
    rare = HALF.replace("Li1 Li 0 0 0 0.5", "Li1 Li 0 0 0 0.02").replace("0 0 0 0.5", "0 0 0 0.98")
    (here / "rare.cif").write_text(rare)
    code, _, err = run("relax", "rare.cif", "--order", 2, "--order-atoms", 6)
    assert code == 2
    assert "no cell of at most 6 atoms is near" in err


def test_refining_places_the_mobile_species_anew() -> None:
    code, out, err = run(
        "refine", "half.cif", "--order", 3, "--order-atoms", 4, "--guests", "Li",
        "--inpaintings", 1, "--steps", 1, "--fmax", 5, "--workers", 1,
    )  # fmt: skip
    assert code in (0, 3), err
    # Nickel without lithium has two orders, which are two frameworks.
    assert "2 of all 2 symmetry-distinct orders" in out
    code, _, err = run("refine", "half.cif", "--order", 2, "--guests", "Na")
    assert code == 2
    assert "Na is not in" in err


def test_a_cycle_places_the_mobile_species_of_a_disordered_host(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencsp.runs.cycle.run_executor", lambda *_, **__: ThisProcess())
    words = ("cycle", "--host", "half.cif", "--guests", "Li", "-n", 3, "--inpainter", "score")
    options = ("--levels", 3, "--steps", 1, "--fmax", 50, "--hull", "none", "--workers", 1)
    code, _, err = run(*words, *options)
    assert code == 2
    assert "partly occupied sites (Li1: 0.5)" in err
    assert "--order N" in err
    code, _, err = run(*words, *options, "--order", 2, "--order-atoms", 3)
    assert code == 2
    assert "no cell of at most 3 atoms is near" in err
    assert not (here / "runs").exists()
    ordered = (*options, "--order", 2, "--order-atoms", 4)
    code, out, err = run(*words, *ordered)
    assert code == 0, err
    assert "half.cif: an ordered cell of Li2Ni2O4: LiNiO2 (its exact composition)" in out
    assert "half.cif: Li in NiO2 makes LiNiO2, 4 atoms in 2 cells" in out
    folder = here / "runs" / "LiNiO2-in-half-0"
    ranked = read_structures([folder / "ranked.extxyz"])
    assert {str(a.info["structure_id"]) for a in ranked} <= {"x0000.1", "x0000.2", "x0001.1"}
    code, status, _ = run("status", folder)
    assert status.startswith("LiNiO2, cycle: 2 framework, 3 inpainted")
    before = (folder / "run.db").stat().st_mtime_ns
    again, out_again, _ = run(*words, *ordered)
    assert (again, out_again) == (0, out)
    assert (folder / "run.db").stat().st_mtime_ns == before


def test_proposals_are_shared_among_the_orders_of_a_host(here: Path) -> None:
    words = ("propose", "--host", "half.cif", "--order", 2, "--order-atoms", 4, "-n", 3)
    code, out, err = run(*words, "--guests", "Li", "--levels", 3)
    assert code == 0, err
    assert "2 of all 2 symmetry-distinct orders" in out
    made = read_structures([here / "proposals" / "proposals.extxyz"])
    assert [a.info["parents"] for a in made] == ["half.cif-0", "half.cif-0", "half.cif-1"]
    assert {a.get_chemical_formula() for a in made} == {"LiNiO2"}
    assert {a.info["host_atoms"] for a in made} == {3}
    code, _, err = run("propose", "LiNiO2", "--host", "half.cif")
    assert code == 2
    assert "--order N" in err
    code, _, err = run("propose", "LiNiO2", "--host", "half.cif", "--order", 2)
    assert code == 2
    assert "nothing is left to add: name its guests" in err


def test_a_formula_with_broken_numbers_is_the_nearest_cell() -> None:
    with pytest.warns(NearestFormulaWarning, match=r"Li2TaLa2Cl13 \(1\.7 % .* ions neutral\)"):
        deck = CycleDeck.make(formula="Li0.388Ta0.238La0.475Cl3")
    assert deck.formula == "Li2TaLa2Cl13"
    with pytest.warns(NearestFormulaWarning, match="at most 60 atoms, Li5Ta3La6Cl38"):
        wide = SearchDeck.make(formula="Li0.388Ta0.238La0.475Cl3", atoms=60)
    assert wide.formula == "Li5Ta3La6Cl38"
    # What is wrong for another reason is said as before.
    assert CycleDeck.make(formula="Xx0.5O").formula == "Xx0.5O"
    code, _, err = run("search", "Xx0.5O", "--budget", 1)
    assert code == 2
    assert "'Xx' in 'Xx" in err
    with pytest.raises(DeckError):
        CycleDeck.make(formula="Li0.5CoO2", atoms="many")


def test_the_choice_for_a_formula_is_said(here: Path) -> None:
    code, _, err = run(
        "propose", "Cu0.5Au0.5", "-n", 1, "--proposer", "random", "--atoms", 4, "--out", "pool"
    )
    assert code == 0, err
    assert "gencsp: Cu0.5Au0.5 has broken numbers: taken is the nearest cell of at most 4" in err
    (made,) = read_structures([here / "pool" / "proposals.extxyz"])
    assert set(made.get_chemical_symbols()) == {"Cu", "Au"}


def test_a_series_of_guests_and_going_on_with_it(here: Path) -> None:
    host = Atoms("NiO2", scaled_positions=[(0, 0, 0), (1 / 3, 2 / 3, 0.2), (2 / 3, 1 / 3, 0.8)],
                 cell=[2.85, 2.85, 4.8, 90, 90, 120], pbc=True)  # fmt: skip
    ase.io.write(here / "host.cif", host)
    words = ("intercalate", "host.cif", "--guest", "Li", "--x", "0,1", "-n", 2, "--atoms", 4)
    options = ("--fmax", 0.5, "--steps", 40, "--workers", 1, "--out", "run")
    code, out, err = run(*words, *options)
    assert code == 0, err
    assert "average voltage from NiO2 to LiNiO2" in out
    said = json.loads((here / "run" / "intercalation.json").read_text())
    rows = list(DictReader((here / "run" / "intercalation-contents.csv").open()))
    assert [row["formula"] for row in rows] == ["NiO2", "LiNiO2"]
    assert said["charge"] == 1
    assert said["metal"].startswith("Li ")
    # The formula of the docstring from the numbers that are written.
    metal = gencsp.hull_of_formula("Li").lowest.entry.energy_per_atom
    energies = [float(row["energy"]) for row in rows]
    assert said["average_voltage"] == pytest.approx(-(energies[1] - energies[0] - metal), abs=1e-3)
    for ending in ("png", "svg", "pdf"):
        assert (here / "run" / f"intercalation.{ending}").stat().st_size > 1000
    again, out_again, _ = run(*words, *options)
    assert (again, out_again) == (0, out)
    code, out, _ = run("status", "run")
    assert code == 0
    assert "LixNiO2, intercalation: 1 relaxed, 2 inpainted, 2 refined" in out


def test_what_a_series_refuses(here: Path) -> None:
    ase.io.write(here / "host.xyz", [Atoms("Ni", cell=[3] * 3, pbc=True)] * 2, format="extxyz")
    code, _, err = run("intercalate", "host.xyz", "--guest", "Li")
    assert code == 2
    assert "holds 2 structures" in err
    code, _, err = run("intercalate", "half.cif", "--guest", "Li", "--x", "0:1:0.3", "--atoms", 8)
    assert code == 2
    assert "cannot be reached within 8 atoms: the nearest that can be reached are" in err
    assert not (here / "runs").exists()
    nickel = Atoms("Ni", cell=[3] * 3, pbc=True)
    with pytest.raises(RequestError, match="need the charge of a Fe ion"):
        gencsp.intercalate(nickel, guest="Fe", x="0,1")
    with pytest.raises(DeckError, match="relax"):
        gencsp.intercalate(nickel, guest="Li", relax="host")
