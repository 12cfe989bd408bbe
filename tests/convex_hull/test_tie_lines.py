"""The hull along tie-lines: against pymatgen at single compositions, and against compositions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.ends import Ends
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import hull_of_members
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import CompositionError, HullReferenceError

RUNNER = CliRunner()
#: AC2 and BC2 are stable, and so is D = ABC5, off the line between them, which is the lowest.
ENERGIES = {
    "Li": 0.0, "Na": 0.0, "O": 0.0, "LiO2": -1.0, "NaO2": -0.8, "LiNaO5": -1.5,
    "LiNa": -0.9, "Li2NaO6": -0.95,
}  # fmt: skip


def entry(formula: str, energy: float) -> HullEntry:
    return HullEntry(
        composition=Composition.parse(formula), energy_per_atom=energy, model="made", entry_id="x"
    )


@pytest.fixture
def hull() -> Hull:
    return Hull([entry(f, e) for f, e in ENERGIES.items()], model="made")


@pytest.mark.parametrize("text", ["LiO2-NaO2", "Li-Na", "Li-NaO2", "O-LiNa"])
@pytest.mark.parametrize("live", [False, True])
def test_the_section_is_the_hull_at_every_composition(text: str, live: bool, hull: Hull) -> None:
    members = EndMembers.parse(text)
    if live:
        hull.add(entry("Li2Na3O10", -1.9))
    section = hull.section(*members.formulas, live=live)
    shares, energies = zip(*section, strict=True)
    assert (shares[0], shares[-1]) == (pytest.approx(0), pytest.approx(1))
    for composition in members.compositions(18):
        above = hull.energy_above if live else hull.decomposition_energy
        there = -above(composition, 0.0)
        at = members.shares(composition)[1]
        assert np.interp(at, shares, energies) == pytest.approx(there, abs=1e-9)


def test_phases_off_the_line_count_for_stability(hull: Hull) -> None:
    members = EndMembers.parse("LiO2-NaO2")
    found = hull_of_members(hull, members, within=9.0)
    assert {p.entry.composition.formula for p in found.phases} == {"LiO2", "NaO2", "Li2NaO6"}
    (mixed,) = (p for p in found.phases if p.entry.composition.formula == "Li2NaO6")
    # From the end members it forms, yet it is not stable: a phase off the line is lower.
    assert mixed.formation_energy == pytest.approx(-0.95 + (2 * 1.0 + 0.8) / 3)
    assert mixed.formation_energy < 0 < mixed.decomposition_energy
    assert "LiNaO5" in {one.entry.composition.formula for one in mixed.decomposition}
    assert (found.facets, found.count) == ((), 3)


def test_an_end_member_without_a_reference_has_the_energy_of_its_products(hull: Hull) -> None:
    ends = Ends.of(hull, EndMembers.parse("Li2O2-NaO2"))
    assert ends.missing == ("Li2O2",)
    products = hull.decomposition(Composition.parse("LiO"))
    energy = sum(one.fraction * one.entry.energy_per_atom for one in products)
    assert list(ends.energies) == pytest.approx([energy, -0.8])
    assert ends.formation_energy(Composition.parse("LiO"), energy) == pytest.approx(0)
    with pytest.raises(CompositionError, match="no mixture"):
        ends.formation_energy(Composition.parse("LiNa"), 0.0)


def test_an_unstable_end_member_lies_above_the_line(hull: Hull) -> None:
    ends = Ends.of(hull, EndMembers.parse("Li2NaO6-NaO2"))
    first, *_ = ends.section(hull)
    assert first[1] < -0.01  # the hull at the end, from the energy of the phase that is there


def test_of_large_systems_there_is_no_section() -> None:
    symbols = ("Li", "Na", "K", "Mg", "Ca", "Al", "Si")
    large = Hull([entry(s, 0.0) for s in symbols], model="made")
    assert large.section(Composition.parse("LiNaKMg"), Composition.parse("CaAlSi")) == ()
    ends = Ends.of(large, EndMembers.parse("LiNaKMg-CaAlSi"))
    assert ends.section(large) == ()


def test_the_command_draws_a_tie_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["hull", "ZnS\u2013P2S5", "--out", "h"])
    assert result.exit_code == 0, result.output
    assert "E_f is from ZnS and P2S5; E_d is against all phases of Zn-P-S" in result.stdout
    drawn = Path("h", "ZnS-P2S5.svg").read_text(encoding="utf-8")
    assert "formation energy from ZnS and P2S5" in drawn
    assert "share of the atoms in P2S5" in drawn
    written = json.loads(Path("h", "ZnS-P2S5.json").read_text(encoding="utf-8"))
    assert written["system"] == "ZnS-P2S5"
    bends = [x for x, _ in written["section"]]
    # Off the line, ZnPS3 and sulphur-rich phases make it bend where it has no phase.
    assert any(0.7 < x < 0.8 for x in bends)
    found = gencsp.hull_of_system("ZnS-P2S5", within=0.02)
    assert {p.entry.composition.reduced.formula for p in found.stable} == {"ZnS", "P2S5"}


def test_three_end_members_make_a_triangle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["hull", "Li2S-P2S5-LiCl"])
    assert result.exit_code == 0, result.output
    assert Path("hull/Li2S-P2S5-LiCl.png").read_bytes().startswith(b"\x89PNG")
    table = Path("hull/Li2S-P2S5-LiCl.csv").read_text(encoding="utf-8")
    assert {"Li2S", "P2S5", "LiCl", "Li3PS4", "Li7P3S11"} <= {
        line.split(",")[0] for line in table.splitlines()
    }


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["Li2S-P2S5-Li3PS4"], 2, "2 Li3PS4 is 3 Li2S + P2S5"),
        (["Li2S-Li4S2"], 2, "twice, as Li2S and as Li4S2"),
        (["Li2S-P2Xx5"], 2, "'Xx'"),
        (["run-1.cif"], 2, "there is no file run-1.cif"),
    ],
)
def test_what_is_no_tie_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["hull", *words])
    assert (result.exit_code, said in result.stderr) == (status, True), result.output
    assert not Path("hull").exists()


def test_a_hull_without_one_of_the_elements(hull: Hull) -> None:
    with pytest.raises(HullReferenceError, match="no Si"):
        hull_of_members(hull, EndMembers.parse("Li-NaSi"))
