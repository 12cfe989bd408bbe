"""End members, and the compositions between them: against non-negative least squares."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers, is_system, read_place
from gencsp.errors import CompositionError, RequestError

SYSTEMS = ("Li-Si", "ZnS-P2S5", "Li2S-P2S5-LiCl", "Li-FeS2", "Li4S2-P2S5", "CaO-Al2O3-SiO2")


def least_squares(members: EndMembers, counts: dict[str, int]) -> np.ndarray | None:
    """Amounts of the end members by another way; ``None`` where they do not give the counts."""
    symbols = sorted({*members.elements, *counts})
    matrix = np.array([[dict(f.counts).get(s, 0) for f in members.formulas] for s in symbols])
    amounts, missed = nnls(matrix.astype(float), np.array([counts.get(s, 0) for s in symbols]))
    return amounts if missed < 1e-8 else None


@pytest.mark.parametrize("text", SYSTEMS)
def test_the_compositions_are_what_counting_through_finds(text: str) -> None:
    members, most = EndMembers.parse(text), 13
    expected = set()
    for counts in product(range(most + 1), repeat=len(members.elements)):
        if not 0 < sum(counts) <= most or gcd(*counts) > 1:
            continue
        here = {s: n for s, n in zip(members.elements, counts, strict=True) if n}
        amounts = least_squares(members, here)
        if amounts is not None and (amounts > 1e-8).sum() > 1:
            expected.add(Composition(tuple(here.items())))
    found = members.compositions(most)
    assert set(found) == expected
    assert len(found) == len(expected)
    assert [one.size for one in found] == sorted(one.size for one in found)


@settings(deadline=None)
@given(st.sampled_from(SYSTEMS), st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_amounts_are_those_that_a_composition_was_made_of(text: str, drawn: list[int]) -> None:
    members = EndMembers.parse(text)
    amounts = drawn[: len(members.formulas)]
    counts: dict[str, int] = {}
    for n, formula in zip(amounts, members.formulas, strict=True):
        for symbol, m in formula.counts if n else ():
            counts[symbol] = counts.get(symbol, 0) + n * m
    if not counts:
        return
    made = Composition(tuple(counts.items()))
    found = members.amounts(made)
    assert found is not None
    assert list(map(float, found)) == amounts
    assert members.mole_fractions(made.reduced) == members.mole_fractions(made)
    atoms = [n * one.size for n, one in zip(amounts, members.formulas, strict=True)]
    assert members.shares(made) == pytest.approx(np.array(atoms) / sum(atoms))


@settings(deadline=None)
@given(
    st.sampled_from(SYSTEMS),
    st.dictionaries(
        st.sampled_from(["Li", "P", "S", "Zn", "Cl", "Si"]), st.integers(1, 9), min_size=1
    ),
)
def test_what_is_no_mixture_has_no_amounts(text: str, counts: dict[str, int]) -> None:
    members = EndMembers.parse(text)
    found, expected = members.amounts(Composition(tuple(counts.items()))), None
    if set(counts) <= set(members.elements):
        expected = least_squares(members, counts)
    assert (found is None) is (expected is None)
    if found is not None and expected is not None:
        assert [float(x) for x in found] == pytest.approx(expected.tolist(), abs=1e-7)


def test_the_two_shares_of_a_known_compound() -> None:
    members = EndMembers.parse("ZnS-P2S5")
    compound = Composition.parse("ZnP2S6")
    assert members.mole_fractions(compound) == (Fraction(1, 2), Fraction(1, 2))
    assert members.shares(compound) == (2 / 9, 7 / 9)
    with pytest.raises(CompositionError, match="ZnP is no mixture of ZnS and P2S5"):
        members.shares(Composition.parse("ZnP"))


def test_formulas_name_their_elements_as_chemists_do() -> None:
    found = [one.formula for one in EndMembers.parse("P2S5-ZnS").compositions(11)]
    assert found == ["ZnP2S6", "Zn2P2S7"]
    assert EndMembers.parse("Si-Li").elements == ("Si", "Li")  # the axes of a system, as written


def test_dashes_of_papers_are_read() -> None:
    expected = EndMembers.parse("ZnS-P2S5")
    for dash in ("\u2010", "\u2013", "\u2212", " - "):
        assert EndMembers.parse(f"ZnS{dash}P2S5") == expected
        assert is_system(f"ZnS{dash}P2S5")
    assert read_place("ZnS-P2S5") == expected
    assert read_place("Li5Si2") == Composition.parse("Li5Si2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Li2S-P2S5-Li3PS4", "2 Li3PS4 is 3 Li2S + P2S5. Leave Li3PS4 out"),
        ("Li3PS4-Li2S-P2S5", "2 Li3PS4 is 3 Li2S + P2S5. Leave Li3PS4 out"),
        ("Li-Si-Li5Si2", "Li5Si2 is 5 Li + 2 Si"),
        ("LiCl-NaBr-LiBr-NaCl", "react without changing the composition, LiCl + NaBr to"),
        ("ZnS-P2S5-ZnS", "names an end member twice: write each once"),
        ("Li2S-Li4S2", "twice, as Li2S and as Li4S2"),
        ("Li-Si-Li", "names an element twice"),
        ("Li-Xx", "'Xx' in 'Li-Xx' is not an element"),
        ("ZnS-P2Xx5", "'Xx' in 'P2Xx5'"),
        ("ZnS-", "lacks an end member beside a dash"),
        ("-ZnS", "lacks an end member beside a dash"),
        ("Li-1Si2", "negative count"),
    ],
)
def test_what_spans_no_system_is_refused(text: str, said: str) -> None:
    with pytest.raises(CompositionError) as error:
        EndMembers.parse(text)
    assert said in str(error.value)


def test_one_end_member_is_no_system() -> None:
    with pytest.raises(RequestError, match="'Li' is one element"):
        EndMembers.parse("Li")
    with pytest.raises(RequestError, match="'ZnS' is one compound"):
        EndMembers.parse("ZnS")


def test_too_many_compositions_are_refused_at_once() -> None:
    with pytest.raises(RequestError, match="too many compositions of Li2S-P2S5-LiCl"):
        EndMembers.parse("Li2S-P2S5-LiCl").compositions(5_000)
