"""Runs on a system end in a table by composition: on parts that cost nothing, and with EMT."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from cheap_system import cheap_system_cycle
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition as PymatgenComposition
from typer.testing import CliRunner

import gencsp.runs.system_cycle
from gencsp.cli import app
from gencsp.convex_hull.end_members import EndMembers
from gencsp.executors import ThisProcess
from gencsp.runs.cycle import cycle_settings
from gencsp.runs.decks import CycleDeck
from gencsp.runs.system_cycle import system_settings
from gencsp.searches.settings import cycle_manifest
from gencsp.searches.system_cycle import SystemCycle
from gencsp.store import DiskStore

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()
CYCLE = [
    *("cycle", "Li-Si", "--guests", "Li", "--atoms", "5"),
    *("--n", "14", "--compositions", "4", "--seed", "5"),
]
EMT_HULL = "# model: ase.calculators.emt:EMT\nformula,energy_per_atom\nCu,0.5\nAu,0.4\n"
SEARCH = [
    *("search", "Cu-Au", "--atoms", "4", "--budget", "14", "--no-seeds", "--workers", "1"),
    *("--potential", "ase.calculators.emt:EMT", "--hull", "emt.csv", "--out", "run"),
    *("--fmax", "0.3", "--same", "close", "--no-report"),
]


@contextmanager
def open_cheap(deck: CycleDeck, **_: object) -> Iterator[SystemCycle]:
    manifest = cycle_manifest(system_settings(deck)[0], composition="Li-Si", n=deck.n)
    with DiskStore(deck.folder, manifest) as store:
        yield cheap_system_cycle(store, ThisProcess(), deck=deck)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gencsp.runs.system_cycle, "open_system_cycle", open_cheap)
    monkeypatch.chdir(tmp_path)


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lowest(structures: list[Atoms]) -> dict[str, Atoms]:
    """By reduced formula, elements in alphabetical order."""
    found: dict[str, Atoms] = {}
    for atoms in structures:
        formula = atoms.symbols.formula.reduce()[0].format("abc")
        best = found.get(formula)
        if best is None or energy(atoms) < energy(best):
            found[formula] = atoms
    return found


def energy(atoms: Atoms) -> float:
    return float(atoms.info["enthalpy_per_atom"])


def corners(found: dict[str, Atoms], elements: dict[str, float]) -> set[str]:
    """The formulas on the hull, by pymatgen."""
    entries = [PDEntry(PymatgenComposition(s), e) for s, e in elements.items()]
    for formula, atoms in found.items():
        composition = PymatgenComposition(formula)
        entries.append(PDEntry(composition, energy(atoms) * composition.num_atoms, name=formula))
    return {entry.name for entry in PhaseDiagram(entries).stable_entries} - set(elements)


def check_table(table: list[dict[str, str]], ranked: list[Atoms], ends: dict[str, float]) -> None:
    found = lowest(ranked)
    names = list(ends)
    on_hull = corners(found, ends)
    assert on_hull
    came = [row for row in table if row["structure_id"]]
    assert {ase.Atoms(row["formula"]).symbols.formula.format("abc") for row in came} == set(found)
    for row in came:
        formula = ase.Atoms(row["formula"]).symbols.formula
        best = found[formula.format("abc")]
        counts, size = formula.count(), len(formula)
        shares = [counts[s] / size for s in names]
        assert [float(row[f"x_{s}"]) for s in names] == pytest.approx(shares, abs=1e-6)
        free = sum(x * e for x, e in zip(shares, ends.values(), strict=True))
        assert float(row["formation_energy"]) == pytest.approx(energy(best) - free, abs=2e-6)
        assert row["structure_id"] == best.info["structure_id"]
        assert (row["on_hull"] == "True") is (formula.format("abc") in on_hull)
        same = [a for a in ranked if a.symbols.formula.reduce()[0] == formula.reduce()[0]]
        assert int(row["structures"]) == len(same)
        unique = [a for a in same if "duplicate_of" not in a.info]
        assert int(row["crystals"]) == len(unique)


def test_a_cycle_on_a_system_ends_by_composition(tmp_path: Path) -> None:
    first = RUNNER.invoke(app, CYCLE)  # the one that writes its page as well
    assert first.exit_code == 0, first.output
    folder = tmp_path / "runs" / "Li-Si-5"
    ranked = ase.io.read(folder / "ranked.extxyz", ":")
    table = rows(folder / "compositions.csv")
    check_table(table, ranked, {"Li": -1.0, "Si": -0.5})
    # Along the system, from Li to Si.
    assert [row["x_Si"] for row in table] == sorted(row["x_Si"] for row in table)
    assert sum(int(row["generated"]) for row in table) == 14
    assert len(table) == 4  # also what nothing came of
    for row in (row for row in table if int(row["inpainted"])):
        share = int(row["symmetric_refined"]) / int(row["inpainted"])
        assert float(row["success_inpainted"]) == pytest.approx(share, abs=1e-4)
    best = ase.io.read(folder / "lowest.extxyz", ":")
    came = [row for row in table if row["structure_id"]]
    assert [a.info["structure_id"] for a in best] == [row["structure_id"] for row in came]
    assert {f.stem for f in (folder / "lowest").iterdir()} == {row["formula"] for row in came}
    for name in ("formation_energy", "decomposition_energy"):
        for ending, begins in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
            assert (folder / f"{name}.{ending}").read_bytes().startswith(begins)
    header = next(line for line in first.stdout.splitlines() if line.startswith("formula"))
    for title in ("E_d (eV/atom)", "E_f (eV/atom)", "found", "symmetric", "space group"):
        assert title in header
    assert "4 of the 9 compositions that fit" in first.stdout
    assert "3 or 4 structures each" in first.stdout
    assert "corners of the hull of references and found structures: " in first.stdout
    (folder / "report.html").unlink()
    again = RUNNER.invoke(app, [*CYCLE, "--no-report"])
    assert first.stdout == f"{again.stdout}report: runs/Li-Si-5/report.html\n"
    assert not (folder / "report.html").exists()
    assert rows(folder / "compositions.csv") == table
    status = RUNNER.invoke(app, ["status", str(folder)])
    assert "Li-Si, cycle: 14 generated, 11 relaxed" in status.stdout


@pytest.mark.usefixtures("empty_figures")
def test_a_search_of_a_system_ends_by_composition(tmp_path: Path) -> None:
    (tmp_path / "emt.csv").write_text(EMT_HULL)
    result = RUNNER.invoke(app, SEARCH)
    assert result.exit_code == 0, result.output
    ranked = ase.io.read(tmp_path / "run" / "ranked.extxyz", ":")
    table = rows(tmp_path / "run" / "compositions.csv")
    check_table(table, ranked, {"Cu": 0.5, "Au": 0.4})
    assert "generated" not in table[0]
    on_hull = [row["formula"] for row in table if row["on_hull"] == "True"]
    assert f"corners of the hull of references and found structures: {', '.join(on_hull)}" in (
        result.stdout
    )
    marked = [line.split()[0] for line in result.stdout.splitlines() if "on the hull" in line]
    assert marked == on_hull
    listed = RUNNER.invoke(app, [*SEARCH, "--all"])
    assert " 1  " in listed.stdout.splitlines()[1]  # the list by E_d, on request


@pytest.mark.usefixtures("empty_figures")
def test_a_search_of_a_tie_line_stays_on_it(tmp_path: Path) -> None:
    (tmp_path / "emt.csv").write_text(EMT_HULL + "Pd,0.3\n")
    words = [word.replace("Cu-Au", "Cu-AuPd3") for word in SEARCH]
    words[words.index("--atoms") + 1] = "8"
    words[words.index("--budget") + 1] = "24"
    result = RUNNER.invoke(app, [*words, "--method", "genetic:initial=12", "--ahead", "2"])
    assert result.exit_code == 0, result.output
    ranked = ase.io.read(tmp_path / "run" / "ranked.extxyz", ":")
    formulas = {atoms.symbols.formula.reduce()[0].format("abc") for atoms in ranked}
    assert len(formulas) > 1
    for atoms in ranked:
        counts = atoms.symbols.formula.count()
        assert counts["Pd"] == 3 * counts["Au"] > 0
        assert counts["Cu"] > 0
    moves = {str(atoms.info["move"]) for atoms in ranked}
    assert len(moves) > 1  # parents of several compositions have had children
    assert "transmute" not in moves
    assert "no reference has the formula AuPd3: E_f is from what it decomposes into" in (
        result.stdout
    )
    table = rows(tmp_path / "run" / "compositions.csv")
    for row in table:
        x = float(row["x_AuPd3"])
        share = 4 * x / (4 * x + (1 - x))
        ends = (1 - share) * 0.5 + share * (0.4 + 3 * 0.3) / 4
        (best,) = (a for a in ranked if a.info["structure_id"] == row["structure_id"])
        assert float(row["formation_energy"]) == pytest.approx(energy(best) - ends, abs=1e-5)


@pytest.mark.parametrize("command", ["cycle", "search"])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ZnS-P2S5", "--atoms", "8"], "no composition between ZnS and P2S5: 9 atoms"),
        (["Li2S-P2S5-Li3PS4"], "2 Li3PS4 is 3 Li2S + P2S5"),
        (["Li2S-Li2S"], "names an end member twice"),
        (["Li-Xx"], "'Xx' in 'Li-Xx'"),
        (["Li-Si", "--hull", "none"], "only energies of one composition compare"),
    ],
)
def test_bad_systems(tmp_path: Path, command: str, words: list[str], says: str) -> None:
    monkeypatched = gencsp.runs.system_cycle.open_system_cycle
    assert monkeypatched is open_cheap  # it reads the deck by the same functions
    result = RUNNER.invoke(app, [command, *words])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert says in sentence
    assert list(tmp_path.iterdir()) == []


def test_a_number_of_compositions_is_for_systems(tmp_path: Path) -> None:
    deck = CycleDeck.make(formula="Li5Si2", compositions=3)
    with pytest.raises(ValueError, match="Li5Si2 is one composition"):
        cycle_settings(deck)
    assert CycleDeck.make(formula="ZnS-P2S5").folder == Path("runs/ZnS-P2S5-0")
    assert EndMembers.parse("ZnS-P2S5").name == "ZnS-P2S5"
    assert list(tmp_path.iterdir()) == []
