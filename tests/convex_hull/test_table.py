"""Tables of entries are read by column; what they hold is what the formulas and rows say."""

from __future__ import annotations

import csv
import io
import pickle
from pathlib import Path

import pytest
from ase import Atoms
from ase.spacegroup import Spacegroup
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull import crystals
from gencsp.convex_hull.entries import HullEntry, read_references, shipped_references, write_entries
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.phases import Phases
from gencsp.convex_hull.table import EntryTable, plain_formula, system_name, systems_of
from gencsp.errors import CompositionError, HullReferenceError, RequestError, StructureFileError
from gencsp.symmetry.symbols import symbol_of

counts = st.integers(1, 30).map(lambda n: "" if n == 1 else str(n))
parts = st.tuples(st.sampled_from([*ELEMENTS[:30], "Po", "Xx"]), counts).map("".join)
groups = st.tuples(st.lists(parts, min_size=1, max_size=3).map("".join), counts)
pieces = st.one_of(parts, groups.map(lambda one: f"({one[0]}){one[1]}"))
#: Plain formulas, brackets, elements written twice, and those that gencsp does not know.
formulas = st.lists(pieces, min_size=1, max_size=4).map("".join)


def parsed(formula: str) -> Composition | None:
    """By pymatgen's parser; ``None`` for an element that gencsp does not know."""
    try:
        return Composition.parse(formula)
    except CompositionError:
        assert "Po" in formula or "Xx" in formula
        return None


@given(st.lists(formulas, min_size=1, max_size=8))
@settings(deadline=None)
def test_formulas_are_those_of_the_parser(written: list[str]) -> None:
    systems = systems_of(written)
    for formula, system in zip(written, systems, strict=True):
        expected = parsed(formula)
        try:
            plain = plain_formula(formula)
        except CompositionError:
            assert expected is None
            continue
        if expected is None:
            assert (plain, system) == ("", "")
            continue
        assert Composition.parse(plain) == expected
        assert systems_of([plain]) == [system_name(expected.elements)]
        assert system in ("", system_name(expected.elements))
        if system:  # it is taken as it stands
            table = EntryTable(
                formulas=[formula], systems=[system], energies=[0.0], ids=[""], groups=[0],
                origins=[""], volumes=[None], model="m",
            )  # fmt: skip
            assert table[0].composition == expected


@pytest.mark.parametrize("odd", ["Li0", "Li01", "2Li", "Li 2", "li", "Li0.5", "", "Li)2", "Li-2"])
def test_odd_formulas_are_not_taken_as_they_stand(odd: str) -> None:
    assert systems_of(["LiF", odd, "Li10F20"]) == ["F-Li", "", "F-Li"]


cells = st.text(st.characters(codec="ascii", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x1f\0"))


@given(st.lists(st.tuples(st.floats(-9, 0), st.integers(0, 230), cells, cells), min_size=1))
@settings(deadline=None, max_examples=60)
def test_cells_are_those_of_the_csv_module(rows: list[tuple[float, int, str, str]]) -> None:
    """With quotes and commas in the text and without them, which are read in different ways."""
    from gencsp.convex_hull.entries import parse_entries

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["source", "energy_per_atom", "mine", "formula", "space_group", "source_id"])
    for energy, group, source, name in rows:
        table.writerow([source, repr(energy), "x", "MgO", group, name])
    found = parse_entries("# model: m\n" + text.getvalue(), None, "here").entries
    read = [(one.energy_per_atom, one.space_group, one.source, one.entry_id) for one in found]
    assert read == rows


def test_volumes_and_the_pressure_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "entries.csv"
    head = "# model: m\n# pressure: 25\nformula,enthalpy_per_atom,volume_per_atom\n"
    path.write_text(head + "Mg,-1,13.5\nXx,-2,4\nO,-5,\n")
    found = read_references(path)
    assert found.pressure == 25
    assert [(str(e.composition), e.pressure, e.volume_per_atom) for e in found.entries] == [
        ("Mg", 25.0, 13.5),
        ("O", 25.0, None),
    ]
    again = read_references(write_entries(tmp_path / "again.csv", found.entries))
    assert list(again.entries) == list(found.entries)
    for wrong in ("nan", "-3", "0", "inf", "large"):
        path.write_text(head + f"Mg,-1,13.5\nO,-5,{wrong}\n")
        with pytest.raises(StructureFileError, match="entry 2 of"):
            read_references(path)


def test_rows_may_lack_their_last_cells(tmp_path: Path) -> None:
    path = tmp_path / "entries.csv"
    path.write_text("formula,energy_per_atom,source_id\nMg,-1\n\nO,-5,o\nXx,-1,x\nMgO,-6,\n")
    found = read_references(path, model="m").entries
    assert [(str(one.composition), one.entry_id) for one in found] == [
        ("Mg", ""),
        ("O", "o"),
        ("MgO", ""),
    ]
    path.write_text('formula,energy_per_atom,source_id\nMg,-1,"a, b"\nO\n')
    with pytest.raises(StructureFileError, match="entry 2 of"):
        read_references(path, model="m")


def test_a_table_is_a_sequence_of_its_entries() -> None:
    table = shipped_references().entries
    assert isinstance(table, EntryTable)
    assert table[1:3] == (table[1], table[2])
    assert next(iter(table)) == table[0]
    assert table[-1] == list(table)[-1]
    with pytest.raises(IndexError):
        table[len(table)]


def test_a_hull_from_a_table_is_the_hull_from_its_entries() -> None:
    table = shipped_references().entries
    few = [one for one in table if set(one.composition.elements) <= {"Li", "Si", "O", "P", "S"}]
    whole, part = Hull.load(), Hull(few, model=table[0].model)
    for formula in ("Li5Si2", "Li4P2S7", "SiO2", "Li3PO4", "LiSiPO"):
        at = Composition.parse(formula)
        assert whole.decomposition_energy(at, 0.0) == part.decomposition_energy(at, 0.0)
        assert whole.references(at) == part.references(at)
    again = pickle.loads(pickle.dumps(whole))
    assert again.digest == whole.digest
    assert again.references(Composition.parse("SiO2")) == whole.references(
        Composition.parse("SiO2")
    )
    assert len(part) == len({one.composition.reduced for one in few})


def test_a_system_of_many_elements_finds_all_its_phases() -> None:
    table = shipped_references().entries
    phases = Phases(table)
    many = set(ELEMENTS[:40])
    found = [one for several in phases.inside(many) for one in several]
    expected = [one for one in table if set(one.composition.elements) <= many]
    assert sorted(one.label for one in found) == sorted(one.label for one in expected)
    few = ["O", "Si", "Si"]
    assert len([1 for several in phases.inside(few) for _ in several]) == sum(
        set(one.composition.elements) <= {"Si", "O"} for one in table
    )


def test_tables_of_another_model_are_refused() -> None:
    table = shipped_references().entries
    with pytest.raises(HullReferenceError, match=r"was made with chgnet-0\.3\.0, the hull with m"):
        Hull(table, model="m")
    entry = HullEntry(composition=Composition.parse("Mg"), energy_per_atom=-1.0, model="m")
    with pytest.raises(HullReferenceError, match="none"):
        Hull([entry], model="m").without([Composition.parse("Mg2")])


def test_space_groups_have_the_symbols_of_their_standard_settings() -> None:
    for number in range(1, 231):
        # ASE writes P 31 2 1 for P3_121.
        assert symbol_of(number).replace("_", "") == Spacegroup(number).symbol.replace(" ", "")
    with pytest.raises(RequestError, match="no space group 231"):
        symbol_of(231)


def test_nothing_is_made_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps loading and look-ups quick: no entry of another system, no crystal."""
    made: list[str] = []
    whole = EntryTable.__getitem__

    def counted(table: EntryTable, index: int) -> HullEntry:
        made.append(table.formulas[index])
        return whole(table, index)

    monkeypatch.setattr(EntryTable, "__getitem__", counted)
    monkeypatch.setattr("gencsp.convex_hull.crystals.open_shipped", None)  # nothing may be read
    crystals._phases.cache_clear()
    crystals._as_in_oqmd.cache_clear()
    hull = Hull.load()
    assert len(made) == 1  # to see whose model it is
    salt = Atoms("NaCl", cell=[9, 9, 9], pbc=True)
    below = hull.decomposition_energy(Composition.of(salt), 0.0)
    assert hull.basis(salt, 0.0).has_reference
    assert below > 0
    assert all(set(Composition.parse(one).elements) <= {"Na", "Cl"} for one in made[1:])
    several = len(made)
    assert hull.decomposition_energy(Composition.parse("Na2Cl"), 0.0) > 0
    assert len(made) == several
    crystals._phases.cache_clear()
    crystals._as_in_oqmd.cache_clear()
