"""Formulas: what is read, and what is refused instead of being read as something else."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition as PymatgenComposition

from gencsp.composition import ELEMENTS, Composition
from gencsp.errors import CompositionError, GencspError


def test_elements_are_the_89_of_the_shipped_models() -> None:
    assert len(ELEMENTS) == 89
    assert ELEMENTS[0] == "H"
    assert ELEMENTS[-1] == "Pu"
    assert not {"Po", "At", "Rn", "Fr", "Ra", "X"} & set(ELEMENTS)


@given(
    st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 99), min_size=1, max_size=5),
)
@settings(deadline=None, max_examples=50)
def test_parse_agrees_with_pymatgen_and_round_trips(counts: dict[str, int]) -> None:
    formula = "".join(f"{symbol}{n}" for symbol, n in counts.items())
    parsed = Composition.parse(formula)
    assert dict(parsed.counts) == {
        str(element): n for element, n in PymatgenComposition(formula).items()
    }
    assert Composition.parse(parsed.formula) == parsed
    assert len(parsed.symbols(3)) == 3 * parsed.size


@given(
    st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 9), min_size=1, max_size=5).flatmap(
        lambda counts: st.tuples(*[st.permutations(list(counts.items()))] * 2)
    ),
    st.integers(2, 4),
)
def test_equal_whatever_the_order_of_the_elements(
    orders: tuple[list[tuple[str, int]], ...], units: int
) -> None:
    one, other = (Composition(tuple(order)) for order in orders)
    assert one == other
    assert len({one, other}) == 1
    assert one.formula_key == other.formula_key
    assert [one.formula, other.formula] == [
        "".join(f"{symbol}{n}" if n > 1 else symbol for symbol, n in order) for order in orders
    ]
    cell = Composition(tuple((symbol, n * units) for symbol, n in orders[0]))
    assert cell != one
    assert cell.reduced == other.reduced
    assert cell.formula_key == one.formula_key
    first, *others = orders[1]
    assert Composition(((first[0], first[1] + 1), *others)) != one
    assert one != one.formula


def test_formula_key() -> None:
    assert Composition.parse("Ti2O4").formula_key == "O2Ti"
    assert Composition.parse("TiO2").alphabetical.formula == "O2Ti"
    assert Composition.of(Atoms("O4Ti2")) == Composition.of(Atoms("TiO2"))
    assert {Composition.parse("TiO2"): "rutile"}[Composition.parse("O2Ti")] == "rutile"


@pytest.mark.parametrize(
    ("formula", "counts"),
    [
        ("Li5Si2", {"Li": 5, "Si": 2}),
        (" Li5 Si2 ", {"Li": 5, "Si": 2}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("Li10Si4", {"Li": 10, "Si": 4}),
        ("Na2.0Cl", {"Na": 2, "Cl": 1}),
        ("K3[Fe(CN)6]", {"K": 3, "Fe": 1, "C": 6, "N": 6}),
        ("{[Cu(NH3)4](OH)2}", {"Cu": 1, "N": 4, "H": 14, "O": 2}),
        ("Mg3Si4O10(OH)2.4H2O", {"Mg": 3, "Si": 4, "O": 16, "H": 10}),
        ("CuSO4.5(H2O)", {"Cu": 1, "S": 1, "O": 9, "H": 10}),
        ("Na2CO3.10H2O", {"Na": 2, "C": 1, "O": 13, "H": 20}),
        ("CaCl2.6NH3", {"Ca": 1, "Cl": 2, "N": 6, "H": 18}),
        ("CaSO4.0.5H2O", {"Ca": 2, "S": 2, "O": 9, "H": 2}),
        ("CaSO4·1/2H2O", {"Ca": 2, "S": 2, "O": 9, "H": 2}),
        ("3CdSO4·8H2O", {"Cd": 3, "S": 3, "O": 20, "H": 16}),
        ("MgO.Al2O3", {"Mg": 1, "O": 4, "Al": 2}),
        # Sums of compounds are no cells: gibbsite and goethite.
        ("Al2O3.3H2O", {"Al": 1, "O": 3, "H": 3}),
        ("Fe2O3*H2O", {"Fe": 1, "O": 2, "H": 1}),
    ],
)
def test_parse(formula: str, counts: dict[str, int]) -> None:
    assert dict(Composition.parse(formula).counts) == counts


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("", "formula"),
        ("   ", "formula"),
        ("Li0Si2", "zero"),
        ("(Li)0Si", "zero"),
        ("Si2Li0.0", "zero"),
        ("Li-1Si2", "negative"),
        ("Li2.5Si", "whole"),
        ("LiXx2", "'Xx'"),
        ("X2", "'X'"),
        ("Ra2O", "'Ra'"),
        ("Li1e2", "'e'"),
        ("Li@Si", "'@'"),
        ("li5si2", "'l'"),
        ("Li5Si2)", "formula"),
        ("(Li5Si2", "formula"),
        ("LiSi·", "formula"),
        ("·H2O", "formula"),
        ("NaCl·0H2O", "zero"),
        ("CaSO4·1/0H2O", "zero"),
        ("CaSO4·nH2O", "'n'"),
        ("La0.5Sr0.5·H2O", "whole"),
        ("Li2.2HfO3", "whole"),
        ("Li.5Si", "'.'"),
        ("(Li]Si2", "brackets"),
        ("[Li)", "brackets"),
        ("Ca{OH)2", "brackets"),
        ("Li2.5Si2O5", "whole"),
    ],
)
def test_parse_refuses(formula: str, says: str) -> None:
    with pytest.raises(CompositionError, match=r"(?s).") as caught:
        Composition.parse(formula)
    assert says in str(caught.value)
    assert isinstance(caught.value, GencspError)


def test_units_within() -> None:
    composition = Composition.parse("Li5Si2")
    assert list(composition.units_within(20)) == [1, 2]
    with pytest.raises(CompositionError, match="at least 7"):
        composition.units_within(6)


def test_without_guests() -> None:
    composition = Composition.parse("ZnP2S6")
    assert composition.without(["Zn"]).formula == "P2S6"
    with pytest.raises(CompositionError, match="Li is not in ZnP2S6"):
        composition.without(["Li"])
    with pytest.raises(CompositionError, match="no host atoms"):
        composition.without(["Zn", "P", "S"])


def test_matches_any_whole_multiple() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert Composition.parse("NaCl").matches(salt * (2, 1, 1))
    assert Composition.parse("Cl2Na2").matches(salt)
    assert not Composition.parse("Na2Cl").matches(salt)
    assert Composition.of(Atoms("Li4Si2")) == Composition.parse("Li2Si")


@pytest.mark.parametrize("dot", ["·", " · ", ".", "*", "•", "⋅", ". "])
@pytest.mark.parametrize("water", ["2H2O", "2 H2O", "2(H2O)", "2H₂O", "2D2O"])
def test_a_hydrate_is_written_in_many_ways(dot: str, water: str) -> None:
    if water == "2D2O":
        with pytest.raises(CompositionError, match="'D'"):
            Composition.parse(f"CaSO4{dot}{water}")
        return
    gypsum = {"Ca": 1, "S": 1, "O": 6, "H": 4}
    assert dict(Composition.parse(f"CaSO4{dot}{water}").counts) == gypsum


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9),
            st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 9), min_size=1, max_size=3),
        ),
        min_size=2,
        max_size=3,
    )
)
def test_joined_compounds_are_summed(parts: list[tuple[int, dict[str, int]]]) -> None:
    text = "·".join(
        f"{n}{''.join(f'{symbol}{k}' for symbol, k in counts.items())}" for n, counts in parts
    )
    total: dict[str, int] = {}
    for n, counts in parts:
        for symbol, k in counts.items():
            total[symbol] = total.get(symbol, 0) + n * k
    assert Composition.parse(text) == Composition(tuple(total.items())).reduced


def test_a_formula_that_is_not_in_lowest_terms_is_a_cell() -> None:
    assert Composition.parse("NaCl").cell_units(8) == (1, 2, 3, 4)
    assert Composition.parse("Na4Cl4").cell_units(8) == (4,)
    assert Composition.parse("Na4Cl4").cell_units(100) == (4,)
    assert Composition.parse("Na4Cl4").cell_units(8, [1, 2]) == (4, 8)
    assert Composition.parse("NaCl").cell_units(8, [4]) == (4,)
    with pytest.raises(CompositionError, match="at least 8"):
        Composition.parse("Na4Cl4").cell_units(7)


@pytest.mark.parametrize(
    "formula", ["O3MgSi", "O2Si", "ClNa", "Li5Si2", "Ca(OH)2", "LiCoO2", "CaTiO3", "K2SO4", "XeF2"]
)
def test_conventional_order_is_that_of_pymatgen(formula: str) -> None:
    ours = Composition.parse(formula).conventional
    assert ours == Composition.parse(formula)
    assert list(ours.elements) == [
        part.rstrip("0123456789") for part in PymatgenComposition(formula).formula.split()
    ]


def test_a_cell_is_named_by_all_its_atoms() -> None:
    assert Composition.in_cell(Atoms("OSiOOSiO")).formula == "Si2O4"
