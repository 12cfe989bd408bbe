"""Tables and figures by composition, of systems of two, three and four end members."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition as PymatgenComposition

from gencsp.composition import Composition
from gencsp.convex_hull.by_composition import grown_hull, lowest_by_composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.plots import draw_decomposition, draw_found
from gencsp.convex_hull.system import hull_of_members
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import CompositionError

REFERENCES = {"Li": -1.0, "Na": -1.1, "O": -2.0, "Cl": -1.5, "LiO2": -2.2, "NaO2": -2.1}


@pytest.fixture(scope="module")
def hull() -> Hull:
    return reference_hull()


def reference_hull() -> Hull:
    entries = [
        HullEntry(composition=Composition.parse(f), energy_per_atom=e, model="made")
        for f, e in REFERENCES.items()
    ]
    return Hull(entries, model="made")


def structure(formula: str, energy: float, name: str, duplicate_of: str = "") -> Atoms:
    atoms = Atoms(formula, cell=[4, 4, 4], pbc=True)
    atoms.info |= {"structure_id": name, "enthalpy_per_atom": energy, "energy_per_atom": energy}
    composition = Composition.parse(formula)
    atoms.info["decomposition_energy"] = reference_hull().decomposition_energy(composition, energy)
    if duplicate_of:
        atoms.info["duplicate_of"] = duplicate_of
    return atoms


def test_the_lowest_of_each_composition_along_the_system(hull: Hull) -> None:
    ranked = [
        structure("O4LiNa", -2.3, "a"),
        structure("LiNaO4", -2.29, "b", duplicate_of="a"),
        structure("Li2NaO6", -2.1, "c"),
        structure("Li2Na2O8", -2.05, "d"),
    ]
    found = lowest_by_composition(ranked, hull, hull_of_members(hull, MEMBERS).ends)
    assert [one.composition.formula for one in found] == ["NaLi2O6", "NaLiO4"]
    first, second = found
    assert (second.atoms.info["structure_id"], second.structures, second.crystals) == ("a", 3, 2)
    assert (first.on_hull, second.on_hull) == (False, True)
    assert second.formation_energy == pytest.approx(-2.3 + (2.2 + 2.1) / 2)
    assert second.decomposition_energy == pytest.approx(second.formation_energy)  # no other phase
    with pytest.raises(CompositionError, match="no mixture"):
        lowest_by_composition(
            [structure("LiNa", -1.0, "x")], hull, hull_of_members(hull, MEMBERS).ends
        )


MEMBERS = EndMembers.parse("LiO2-NaO2")


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(["LiNa", "Li2Na", "LiNa2", "LiO", "NaO", "LiNaO2", "Li2O", "LiNaO4"]),
        st.floats(-2.6, -1.0),
        min_size=1,
    )
)
def test_corners_of_the_grown_hull_are_pymatgens(energies: dict[str, float]) -> None:
    hull = reference_hull()
    members = EndMembers.parse("Li-Na-O")
    ranked = [structure(f, e, f) for f, e in energies.items()]
    found = lowest_by_composition(ranked, hull, hull_of_members(hull, members).ends)
    entries = [
        PDEntry(PymatgenComposition(f), e * PymatgenComposition(f).num_atoms)
        for f, e in {**REFERENCES, **energies}.items()
        if "Cl" not in f
    ]
    diagram = PhaseDiagram(entries)
    for one in found:
        composition = PymatgenComposition(one.composition.formula)
        own = energies[str(one.atoms.info["structure_id"])]
        above = own - diagram.get_hull_energy_per_atom(composition)
        assert one.on_hull is bool(above < 1e-6)
    assert hull.energy_above(Composition.parse("LiO2"), -2.2) == 0  # it did not grow itself


def drawn(text: str, ranked: list[Atoms], hull: Hull, path: Path) -> tuple[list[str], str]:
    """Names of the figures, and all that is written in them."""
    found = hull_of_members(hull, EndMembers.parse(text))
    lowest = lowest_by_composition(ranked, hull, found.ends)
    grown = grown_hull(hull, (one.atoms for one in lowest))
    files = draw_found(found, lowest, grown, path / "formation")
    files += draw_decomposition(found, ranked, grown, path / "decomposition")
    texts = [
        "".join(node.itertext())
        for file in files
        if file.suffix == ".svg"
        for node in ET.parse(file).iter("{http://www.w3.org/2000/svg}text")
    ]
    return sorted({file.name for file in files}), "\n".join(texts)


def test_figures_of_two_end_members(hull: Hull, tmp_path: Path) -> None:
    ranked = [structure("LiNaO4", -2.3, "a"), structure("Li2NaO6", -2.1, "c")]
    names, texts = drawn("LiO2-NaO2", ranked, hull, tmp_path)
    assert names == sorted(
        f"{name}.{ending}"
        for name in ("formation", "decomposition")
        for ending in ("pdf", "png", "svg")
    )
    for said in (
        "formation energy from LiO2 and NaO2,",
        "share of the atoms in NaO2, of LiO2-NaO2",
        "found, above the hull",
        "found, on the new hull",
        "lowest of its composition",
    ):
        assert said in texts
    assert all((tmp_path / name).stat().st_size > 1000 for name in names)


def test_three_end_members_have_a_triangle_and_four_no_figure(hull: Hull, tmp_path: Path) -> None:
    ranked = [structure("LiNaO2", -2.3, "a")]
    names, texts = drawn("Li-Na-O", ranked, hull, tmp_path)
    assert names == ["formation.pdf", "formation.png", "formation.svg"]
    assert "Li-Na-O, made" in texts
    assert drawn("Li-Na-O-Cl", ranked, hull, tmp_path)[0] == []
