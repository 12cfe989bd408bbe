"""Which guests complete a host to a formula, and in which cells."""

from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.intercalation.completion import SHAPES, complete


def rock_salt(*, cubic: bool = False) -> Atoms:
    return bulk("NiO", "rocksalt", a=4.2, cubic=cubic)


def parse(formula: str) -> Composition:
    return Composition.parse(formula)


def test_the_cell_that_is_given_stays_where_the_formula_fits() -> None:
    host = rock_salt(cubic=True)
    found = complete([host], parse("LiNi2O2"), max_atoms=1)
    assert (found.guests, found.units, found.cells, found.size) == (("Li",), 2, 1, 10)
    assert found.hosts[0] is host
    # A formula with fewer atoms than the cell holds goes in as often as it takes.
    assert complete([host], parse("LiNiO"), max_atoms=1).units == 4
    assert complete([host], parse("MgLi2NiO"), ["Li", "Mg"], max_atoms=1).guests == ("Mg", "Li")


def test_a_formula_that_does_not_fit_goes_into_primitive_supercells() -> None:
    found = complete([rock_salt(cubic=True)], parse("LiNi3O3"), max_atoms=7)
    assert (found.units, found.cells) == (1, 3)
    assert 1 <= len(found.hosts) <= SHAPES
    volume = rock_salt().cell.volume
    for host in found.hosts:
        assert host.get_chemical_symbols().count("Ni") == 3
        assert host.cell.volume == pytest.approx(3 * volume)
        # Each is rock salt: nickel has six oxygen atoms at 2.1 Å.
        away = host.get_all_distances(mic=True)[host.numbers == 28][:, host.numbers == 8]
        assert away.min() == pytest.approx(2.1)
    with pytest.raises(RequestError, match=r"needs 3 cells .* 7 atoms .* limit is 6: allow 7"):
        complete([rock_salt(cubic=True)], parse("LiNi3O3"), max_atoms=6)


def test_a_formula_not_in_lowest_terms_is_the_cell() -> None:
    found = complete([rock_salt()], parse("Li2Ni4O4"), max_atoms=10)
    assert (found.composition, found.units, found.cells) == (parse("LiNi2O2"), 2, 4)
    two = rock_salt().repeat((2, 1, 1))
    two.positions[0, 0] += 0.2  # so that it is no supercell
    with pytest.raises(RequestError, match="no whole number of cells of the host"):
        complete([two], parse("Li3Ni3O3"), max_atoms=20)


@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)
)
def test_the_smallest_supercell_that_holds_the_formula(
    a: int, b: int, times: int, guests: int, multiple: int
) -> None:
    """Against trying one cell after the other, for hosts without smaller cells."""
    symbols = ["Ni"] * a * times + ["O"] * b * times
    places = np.random.default_rng(a + 7 * b).random((len(symbols), 3))
    host = Atoms(symbols, scaled_positions=places, cell=[5.0, 6.0, 7.0], pbc=True)
    formula = Composition((("Li", guests), ("Ni", a * multiple), ("O", b * multiple))).reduced
    found = complete([host], formula, max_atoms=1000)
    wanted = dict(formula.counts)
    cells = next(
        m for m in count(1)
        if (m * a * times) % wanted["Ni"] == 0
    )  # fmt: skip
    assert found.cells == cells
    assert found.units * wanted["Ni"] == cells * a * times
    held = Counter(found.hosts[0].get_chemical_symbols())
    assert held == {"Ni": found.units * wanted["Ni"], "O": found.units * wanted["O"]}


@pytest.mark.parametrize(
    ("formula", "guests", "says"),
    [
        ("NiO", None, "already is NiO, so nothing is left to add: name its guests"),
        ("LiCoO", None, "the host NiO has Ni, and LiCoO has none"),
        ("LiNiO2", None, "larger share of O: .* or name O among the guests"),
        ("LiNi3O2", None, "larger share of Ni"),
        ("LiNiO", ["Na"], "Li in LiNiO is neither in the host nor a guest"),
        ("LiNiO", ["Li", "Na"], "Na is a guest and not in LiNiO"),
        ("LiNaNiO", ["Na"], "Li in LiNaNiO is neither"),
    ],
)
def test_what_is_no_completion(formula: str, guests: list[str] | None, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        complete([rock_salt()], parse(formula), guests, max_atoms=100)
