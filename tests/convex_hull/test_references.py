"""The shipped table, and entries files of a user's own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from pymatgen.core import Composition as Decorated
from pymatgen.core import Species
from pymatgen.entries.computed_entries import ComputedEntry, ConstantEnergyAdjustment

import gencsp.io.content
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL, read_references, shipped_references
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError, StructureFileError
from gencsp.filters.compositional_novelty import reference_formulas
from gencsp.filters.novelty import reference_structures

CSV = "formula,energy_per_atom\nLi,-1.9\nSi,-5.4\nLi2Si2,-4.0\n"


@pytest.fixture(scope="module")
def shipped() -> Hull:
    return Hull.load()


def test_shipped_table_has_every_element_and_names_its_model() -> None:
    references = shipped_references()
    elements = {e.composition.elements[0] for e in references.entries if _is_element(e.composition)}
    assert elements == set(ELEMENTS)
    assert references.model == DEFAULT_MODEL
    assert len(references.weights) == 12
    assert references.protocol["licence of OQMD-ICSD"] == "CC-BY-4.0"
    licensed = {e.source for e in references.entries}
    assert {f"licence of {source}" for source in licensed} <= references.protocol.keys()
    assert all(-20 < e.energy_per_atom < 1 for e in references.entries)


def test_shipped_table_was_made_with_the_weights_that_relax() -> None:
    from gencsp.potentials.chgnet.select import get_engine

    assert get_engine().digest == shipped_references().weights


def test_the_card_says_where_the_references_come_from() -> None:
    card = resources.files("gencsp").joinpath(f"data/references_{DEFAULT_MODEL}.md").read_text()
    for said in ("CC-BY-4.0", shipped_references().weights, "held out", "in-sample"):
        assert said in card


@pytest.mark.parametrize(
    ("formula", "most"),
    [
        # eV/atom above the hull: known phases lie on it, or near it where CHGNet errs.
        ("ZnS", 0.0),
        ("ZnP2", 0.0),
        ("Zn3P2", 0.0),
        ("P2S5", 0.01),
        ("Li15Si4", 0.03),
        ("Li13Si4", 0.03),
        ("Li7Si3", 0.03),
        ("Li12Si7", 0.03),
        ("Li21Si5", 0.03),
    ],
)
def test_known_phases_lie_on_the_shipped_hull_or_just_above(
    shipped: Hull, formula: str, most: float
) -> None:
    composition = Composition.parse(formula)
    energies = [
        e.energy_per_atom
        for e in shipped_references().entries
        if composition.reduced == e.composition.reduced
    ]
    above = shipped.decomposition_energy(composition, min(energies))
    assert -1e-9 <= above <= most + 1e-9
    assert shipped.without([composition]).decomposition_energy(composition, 0.0) > 0


def test_candidates_of_the_examples_have_a_decomposition(shipped: Hull) -> None:
    for formula in ("Li5Si2", "ZnP2S6", "Zn2P2S7"):
        products = shipped.decomposition(Composition.parse(formula))
        assert sum(p.fraction for p in products) == pytest.approx(1.0)
        assert all(len(p.entry.composition.elements) > 1 for p in products)


def test_no_table_for_another_model() -> None:
    with pytest.raises(HullReferenceError, match="no hull references for 'chgnet-9'"):
        Hull.load(model="chgnet-9")


def test_csv_with_the_model_in_its_header_or_stated(tmp_path: Path) -> None:
    plain = tmp_path / "entries.csv"
    plain.write_text(CSV)
    with pytest.raises(HullReferenceError, match="does not say which model"):
        read_references(plain)
    assert Hull.load(plain, model="mine").model == "mine"
    said = tmp_path / "said.csv.gz"
    said.write_bytes(gzip.compress(b"# model: mine\n" + CSV.encode()))
    hull = Hull.load(said)
    assert hull.model == "mine"
    assert hull.decomposition_energy(Composition.parse("LiSi"), -3.9) == pytest.approx(0.1)
    with pytest.raises(HullReferenceError, match="different models"):
        read_references(said, model="other")


def test_json_energies_are_pymatgens_with_corrections(tmp_path: Path) -> None:
    entries = [
        ComputedEntry("Li", -1.9),
        ComputedEntry("Si", -5.4, correction=-0.2),
        ComputedEntry("Po", -3.0),
        ComputedEntry(
            "Li4Si4",
            -32.0,
            energy_adjustments=[ConstantEnergyAdjustment(-0.8)],
            parameters={"model": "mine"},
            entry_id="x-1",
        ),
    ]
    path = tmp_path / "entries.json"
    path.write_text(json.dumps([e.as_dict() for e in entries], default=str))
    found = read_references(path).entries
    known = [e for e in entries if "Po" not in e.composition]
    assert [e.energy_per_atom for e in found] == pytest.approx([e.energy_per_atom for e in known])
    assert {e.model for e in found} == {"mine"}
    assert found[-1].entry_id == "x-1"


def test_species_with_oxidation_states_are_their_elements(tmp_path: Path) -> None:
    """pymatgen's own entries of decorated structures; dropped, MgO would lie 2.85 eV below."""
    spin = Species("O", -2, spin=1)
    species: list[tuple[dict[str | Species, float], float]] = [
        ({"Mg": 1}, -1.5),
        ({"O": 2}, -9.8),
        ({"Mg2+": 1, "O2-": 1}, -12.1),
        ({"Fe2+": 1, "Fe3+": 2, "O2-": 4}, -49.0),
        ({"Fe2.5+": 2, spin: 3}, -30.0),
        ({"D": 2, "O0+": 1}, -14.0),
    ]
    entries = [ComputedEntry(Decorated(counts), energy) for counts, energy in species]
    path = tmp_path / "entries.json"
    path.write_text(json.dumps([{**e.as_dict(), "parameters": {"model": "m"}} for e in entries]))
    found = [entry.composition for entry in read_references(path).entries]
    formulas = ("Mg", "O2", "MgO", "Fe3O4", "Fe2O3", "H2O")
    assert found == [Composition.parse(formula) for formula in formulas]
    hull = Hull.load(path)
    assert hull.decomposition_energy(Composition.parse("MgO"), -6.05) == pytest.approx(0.0)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("packed", [False, True])
def test_marks_of_the_encoding_hide_no_model(mark: bytes, packed: bool, tmp_path: Path) -> None:
    content = mark + b"# model: m\r\nformula,energy_per_atom\r\nMg,-1.5\r\nO,-4.9\r\n"
    path = tmp_path / ("entries.csv.gz" if packed else "entries.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert read_references(path).model == "m"
    with pytest.raises(HullReferenceError, match="made with m and the energies with chgnet"):
        Hull.load(path).require_model("chgnet-0.3.0")


def test_json_of_two_models_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "entries.json"
    entries = [
        ComputedEntry("Li", -1.9, parameters={"model": "a"}),
        ComputedEntry("Si", -5.4, parameters={"model": "b"}),
    ]
    path.write_text(json.dumps([e.as_dict() for e in entries]))
    with pytest.raises(HullReferenceError, match=r"different models \(a, b\)"):
        read_references(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", ""),
        ("blank.json", " \n"),
        ("broken.json", "[{"),
        ("list.json", "[1, 2]"),
        ("no_entries.json", "[]"),
        ("columns.csv", "formula,energy\nLi,-1.9\n"),
        ("number.csv", "formula,energy_per_atom\nLi,low\n"),
        ("formula.csv", "formula,energy_per_atom\nLi0.5,-1\n"),
        ("short.csv", "formula,energy_per_atom\nLi\n"),
        ("nan.csv", "formula,energy_per_atom\nLi,nan\n"),
        ("only_polonium.csv", "formula,energy_per_atom\nPo,-3\n"),
        ("not_gzip.csv.gz", "formula,energy_per_atom\nLi,-1.9\n"),
    ],
)
def test_files_that_cannot_be_read_say_so(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(StructureFileError, match=name.split(".")[0]):
        read_references(path, model="mine")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StructureFileError, match=r"missing\.csv cannot be read"):
        Hull.load(tmp_path / "missing.csv", model="mine")


def _is_element(composition: Composition) -> bool:
    return len(composition.elements) == 1


@pytest.mark.parametrize(
    "read", [read_references, reference_formulas, reference_structures], ids=lambda f: f.__name__
)
def test_a_small_file_that_expands_to_a_large_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(gencsp.io.content, "MAX_BYTES", 2**20)
    bomb = tmp_path / "bomb.extxyz.gz"
    bomb.write_bytes(gzip.compress(b"0" * 2**21))
    with pytest.raises(StructureFileError, match="is larger than 1 MB"):
        read(bomb)
    for damaged in (b"\x1f\x8b\x08 no gzip at all", gzip.compress(b"Si\n" * 99)[:-12]):
        bomb.write_bytes(damaged)
        with pytest.raises(StructureFileError, match="cannot be read"):
            read(bomb)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '[{"composition": {"Si": 1}, "energy": ' + "1" * 400 + "}]",
        '[{"composition": {"Si": 1e999}, "energy": 1}]',
        '[{"composition": [1], "energy": 1}]',
        '[{"composition": {"Si": 1}, "energy": 1, "energy_adjustments": [3]}]',
        '[{"composition": {"Si": 1}, "energy": 1, "parameters": [3]}]',
    ],
)
def test_odd_entries(tmp_path: Path, text: str) -> None:
    path = tmp_path / "entries.json"
    path.write_text(text)
    with pytest.raises(StructureFileError):
        read_references(path, model="m")
