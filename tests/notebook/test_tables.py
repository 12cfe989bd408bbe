"""Results as tables in a notebook: rows, order, numbers, and text that stays text."""

from __future__ import annotations

import pickle
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from page_material import HOSTILE

import gencsp
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import alike
from gencsp.errors import WrongTypeError
from gencsp.minimise.result import Outcome, Relaxed
from gencsp.notebook import table
from gencsp.records import StructureList
from gencsp.records.html import html_table


class Read(HTMLParser):
    """What a browser makes of a table: its rows, the text around it, and all its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self.tags: set[str] = set()
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style"}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data
        else:
            self.text += data


OURS = {"div", "table", "thead", "tbody", "tr", "td", "th", "sub", "p"}


def salt(energy: float | None = None, **info: Any) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    if energy is not None:
        info["decomposition_energy"] = energy
    atoms.info |= {"space_group": "Fm-3m", "space_group_number": 225, **info}
    return atoms


def read(shown: Any) -> Read:
    found = Read(shown._repr_html_())
    assert found.tags <= OURS
    return found


def test_a_row_has_place_formula_energy_group_and_id() -> None:
    found = StructureList([salt(0.01234, structure_id="s00001"), salt(0.2, structure_id="s00000")])
    assert read(found).rows == [
        ["", "formula", "E_d (eV/atom)", "space group", "id"],
        ["0", "Na4Cl4", "0.0123", "Fm-3m (225)", "s00001"],
        ["1", "Na4Cl4", "0.2000", "Fm-3m (225)", "s00000"],
    ]
    assert "Na<sub>4</sub>Cl<sub>4</sub>" in found._repr_html_()


def test_duplicates_are_counted_and_places_are_those_of_the_list() -> None:
    found = StructureList([
        salt(0.0, structure_id="a", copies=2),
        salt(0.1, structure_id="b", duplicate_of="a"),
        salt(0.2, structure_id="c", copies=1),
    ])  # fmt: skip
    shown = read(found)
    rows = [(row[0], row[3], row[5]) for row in shown.rows[1:]]
    assert rows == [("0", "2", "a"), ("2", "1", "c")]
    assert shown.text == "2 crystals in 3 structures"
    # Where the original is not in the list, its duplicate stands for it.
    assert [row[-1] for row in read(found[1:]).rows[1:]] == ["b", "c"]


def test_twenty_rows_and_how_many_more() -> None:
    shown = read(StructureList([salt(0.1, structure_id=f"s{k}") for k in range(1025)]))
    assert len(shown.rows) == 1 + 20
    assert shown.rows[-1][0] == "19"
    assert shown.text == "and 1,005 more"
    assert read(StructureList([salt(0.1)] * 20)).text == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_stays_text(text: str) -> None:
    info = dict.fromkeys(("structure_id", "space_group", "reason", "outcome"), text)
    shown = read(StructureList([salt(0.1, **info)]))
    plain = "".join(one if one.isprintable() else " " for one in text)
    assert shown.rows[1][4] == plain
    assert shown.rows[1][5].strip() == f"{plain}: {plain}".strip()
    assert read(result(0.1, reason=text)).rows[1][4] == f"converged: {plain}"


def test_energies_that_are_not_above_a_hull() -> None:
    alone = salt(energy_per_atom=-3.4, enthalpy_per_atom=-3.0)
    assert [row[2] for row in read(StructureList([alone])).rows] == ["E (eV/atom)", "-3.4000"]
    pressed = salt(energy_per_atom=-3.4, enthalpy_per_atom=-3.0, pressure=10.0, stage="relaxed")
    assert [row[2] for row in read(StructureList([pressed])).rows] == ["H (eV/atom)", "-3.0000"]
    pressed.info["decomposition_enthalpy"] = 0.125
    assert [row[2] for row in read(StructureList([pressed])).rows] == ["H_d (eV/atom)", "0.1250"]
    missing = salt(-0.5, has_reference=False)
    assert read(StructureList([missing])).rows[1][2] == "no reference"


def test_whatever_is_in_a_list_it_is_shown() -> None:
    assert read(StructureList()).text == "no structures"
    odd = StructureList([Atoms(), Atoms("X2"), Atoms("H2"), salt(float("nan"), copies="many")])
    assert [row[1] for row in read(odd).rows[1:]] == ["", "X2", "H2", "Na4Cl4"]


def test_it_is_a_list() -> None:
    found = StructureList([salt(0.1), salt(0.2)])
    assert found == list(found)
    assert isinstance(found[:1], StructureList)
    assert found[0] is found[:1][0]
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is StructureList
    assert again == found


def result(energy: float, *, outcome: Outcome = Outcome.CONVERGED, reason: str = "") -> Relaxed:
    return Relaxed(
        index=0, atoms=salt(structure_id="a"), energy=8 * energy, enthalpy=8 * energy, fmax=0.04,
        stress=np.zeros(6), steps=12, outcome=outcome, reason=reason, energy_model="a potential",
    )  # fmt: skip


def test_a_relaxation() -> None:
    assert read(result(-3.4)).rows == [
        ["formula", "E (eV/atom)", "fmax (eV/Å)", "steps", "outcome", "id", "potential"],
        ["Na4Cl4", "-3.4000", "0.0400", "12", "converged", "a", "a potential"],
    ]


def test_tables_of_structures_and_results() -> None:
    results = [result(-3.4), result(float("nan"), outcome=Outcome.EXPLODED, reason="at once")]
    shown = table(results)
    assert [row[2:] for row in read(shown).rows] == [
        ["E (eV/atom)", "space group", "id", "no result"],
        ["-3.4000", "Fm-3m (225)", "a", ""],
        ["", "", "a", "cell exploded or collapsed: at once"],
    ]
    assert "energy_per_atom" not in results[0].atoms.info, "the results stay as they are"
    assert len(table(result(-3.4))) == len(table(salt())) == len(table(iter([salt()]))) == 1
    wrongs: tuple[Any, ...] = ("TiO2", [1], 1)
    for wrong in wrongs:
        with pytest.raises(WrongTypeError):
            table(wrong)


def test_hulls() -> None:
    system = gencsp.hull_of_system("Ti-O")
    shown = read(system)
    assert shown.rows[0][:4] == ["formula", "space group", "E_d (eV/atom)", "E_f (eV/atom)"]
    groups = alike(system.phases)
    for row, group in zip(shown.rows[1:], groups, strict=False):
        phase = group[0]
        assert row[0] == phase.entry.composition.reduced.formula
        assert float(row[2]) == pytest.approx(phase.decomposition_energy, abs=1e-4)
        assert float(row[3]) == pytest.approx(phase.formation_energy, abs=1e-4)
        assert row[4:6] == ["stable" if phase.stable else "", str(len(group))]
    assert len(shown.rows) == 1 + 20
    assert shown.text.startswith(f"and {len(groups) - 20} more; Ti-O: ")
    titania = gencsp.hull_of_formula("TiO2")
    assert {row[0] for row in read(titania).rows[1:]} == {"TiO2"}


def test_calls_return_lists_that_are_shown() -> None:
    relaxed = [one.atoms for one in gencsp.relax([salt()], fmax=0.1)]
    judged = gencsp.hull(relaxed, hull=Hull.load())
    assert read(judged).rows[1][1] == "Na4Cl4"
    assert re.fullmatch(r"-?0\.\d{4}", read(judged).rows[1][2])
    assert isinstance(gencsp.dedup(judged), StructureList)


def test_columns_without_entries_are_left_out() -> None:
    html = html_table(("one", "two"), [("", "x"), ("", "y<z")], caption="a & b")
    assert Read(html).rows == [["two"], ["x"], ["y<z"]]
    assert Read(html).text == "a & b"
