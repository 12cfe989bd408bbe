"""Series of guest contents, and the cells that can have them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.intercalation.contents import (
    cells_of,
    formula_at,
    formula_units,
    nearest_contents,
    plan_contents,
    read_series,
    shown,
)


def test_series() -> None:
    assert read_series("0:1:0.125") == tuple(Fraction(k, 8) for k in range(9))
    assert read_series("0:1:1/3") == tuple(map(Fraction, ("0", "1/3", "2/3", "1")))
    assert read_series("1, 0,0.5,1/2") == tuple(map(Fraction, ("0", "1/2", "1")))
    # The last is not passed where the step does not lead to it.
    assert read_series("0:1:0.4") == tuple(map(Fraction, ("0", "2/5", "4/5")))


@pytest.mark.parametrize("text", ["", "0:1", "a", "1:0:0.1", "0:1:0", "1/0", "0:1:0.1:3", ","])
def test_what_is_no_series(text: str) -> None:
    with pytest.raises(RequestError, match="no series of guest contents"):
        read_series(text)


def test_contents_are_not_negative_and_not_too_many() -> None:
    with pytest.raises(RequestError, match="negative"):
        read_series("-0.5")
    with pytest.raises(RequestError, match="at most 1000"):
        read_series("0:1:1e-9")


def test_contents_are_counted_by_the_unit() -> None:
    graphite = Atoms("C4", positions=[[k, 0, 0] for k in range(4)], cell=[9] * 3, pbc=True)
    assert formula_units(graphite) == 4
    assert formula_units(graphite, Composition.parse("C6")) == Fraction(2, 3)
    with pytest.raises(RequestError, match="the host is C and the formula unit Si"):
        formula_units(graphite, Composition.parse("Si"))
    assert formula_units(bulk("NaCl", "rocksalt", a=5.6)) == 1


def test_cells_of_a_content() -> None:
    # CoO2, one unit in a cell of three atoms: x = 1/2 needs an even number of cells.
    found = cells_of(Fraction(1, 2), Fraction(1), 3, 14)
    assert [(one.multiple, one.guests) for one in found] == [(2, 1), (4, 2)]
    # LiC6 in two atoms of graphite: three cells for one lithium.
    found = cells_of(Fraction(1), Fraction(1, 3), 2, 14)
    assert [(one.multiple, one.guests) for one in found] == [(3, 1), (6, 2)]


def test_what_cannot_be_reached_names_the_nearest() -> None:
    with pytest.raises(RequestError) as caught:
        plan_contents([Fraction(0), Fraction(1, 8)], Fraction(1), 3, 14)
    assert str(caught.value) == (
        "a guest content of 0.125 cannot be reached within 14 atoms: the nearest that can be "
        "reached are 0, 0.25, 1/3, and 25 atoms would do."
    )
    assert len(plan_contents([Fraction(0), Fraction(1, 8)], Fraction(1), 3, 25)) == 2


@given(
    st.fractions(0, 3, max_denominator=20),
    st.integers(1, 4),
    st.integers(2, 6),
    st.integers(6, 60),
)
def test_cells_have_the_content_and_the_nearest_are_reachable(
    x: Fraction, units: int, host_atoms: int, limit: int
) -> None:
    for one in cells_of(x, Fraction(units), host_atoms, limit):
        assert Fraction(one.guests, one.multiple * units) == x
        assert one.multiple * host_atoms + one.guests <= limit
    near = nearest_contents(x, Fraction(units), host_atoms, limit)
    assert all(cells_of(other, Fraction(units), host_atoms, limit) for other in near)
    if cells_of(x, Fraction(units), host_atoms, limit):
        assert x in near


def test_as_text() -> None:
    host = Composition.parse("CoO2")
    assert [shown(Fraction(x)) for x in ("1/2", "1/3", "2", "7/40")] == ["0.5", "1/3", "2", "0.175"]
    assert formula_at(Fraction(0), "Li", host) == "CoO2"
    assert formula_at(Fraction(1), "Li", host) == "LiCoO2"
    assert formula_at(Fraction(1, 3), "Li", host) == "Li0.3333CoO2"
    assert formula_at(Fraction(2), "Li", host) == "Li2CoO2"
