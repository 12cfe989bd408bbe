"""Tie-lines as places to search: what fits, what is allowed, and which moves are left."""

from __future__ import annotations

import pickle
from collections import Counter
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.errors import RequestError
from gencsp.searches.ledger import Ledger
from gencsp.searches.settings import SearchSettings
from gencsp.searches.shares import LEAST_SHARE, shared
from gencsp.searches.space import Space
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import StrategyContext
from gencsp.searches.tie_line import TieLine, compositions_between

MEMBERS = EndMembers.parse("ZnS-P2S5")


@pytest.mark.parametrize(("least", "most"), [(2, 20), (10, 20), (18, 27)])
def test_units_and_sizes_are_those_that_fit(least: int, most: int) -> None:
    line = TieLine.of(MEMBERS, min_atoms=least, max_atoms=most)
    expected = [
        (formula, units)
        for formula in MEMBERS.compositions(most)
        if (units := tuple(u for u in range(1, most + 1) if least <= u * formula.size <= most))
    ]
    assert list(line) == expected == [line[k] for k in range(line.number)]
    assert line.sizes == tuple(sorted({f.size * u for f, units in expected for u in units}))
    for index in (-1, line.number):
        with pytest.raises(IndexError):
            line[index]
    allowed = {
        tuple(dict(f.counts).get(s, 0) * u for s in MEMBERS.elements)
        for f, units in expected
        for u in units
    }
    for counts in product(range(5), range(5), range(16)):
        here = {s: n for s, n in zip(MEMBERS.elements, counts, strict=True) if n}
        if here:
            assert line.allow(here) is (counts in allowed)
    assert not line.allow({"Zn": 1, "P": 2, "S": 6, "Cl": 9})


def test_a_space_between_compounds() -> None:
    space = Space.system(MEMBERS, max_atoms=20)
    assert (space.name, space.elements) == ("ZnS-P2S5", ("Zn", "P", "S"))
    assert space.variable
    assert space.free_elements == ()
    assert Space.system(("Li", "Si"), max_atoms=6).free_elements == ("Li", "Si")
    drawn = Counter(
        request.composition.formula
        for request in space.requests(4 * 400, rng=np.random.default_rng(0))
    )
    assert drawn.keys() == {one.formula for one in MEMBERS.compositions(20)}
    assert min(drawn.values()) > 25  # 50 each
    assert len(pickle.dumps(space)) < 2_000  # rules, no lists
    one = Space.system(MEMBERS, max_atoms=9)
    assert (one.variable, one.name, one.members) == (False, "ZnP2S6", None)


def test_moves_that_change_single_atoms_are_left_out_between_compounds() -> None:
    def names(members: EndMembers) -> list[str]:
        settings = SearchSettings(space=Space.system(members, max_atoms=20))
        context = StrategyContext(
            settings=settings,
            ledger=Ledger(hull=None),
            schedule=SeedSchedule(share=0.5, seeded=False),
            moves=None,
        )
        return [move.name for move in context.usable_moves(("rattle",), most_parents=2)]

    assert names(MEMBERS) == ["rattle"]
    assert names(EndMembers.parse("Zn-P-S")) == ["rattle", "transmute"]


def test_cells_that_hold_no_composition_are_refused() -> None:
    with pytest.raises(RequestError, match="no composition between ZnS and P2S5: 9 atoms hold"):
        compositions_between(MEMBERS, min_atoms=2, max_atoms=8)


@pytest.mark.parametrize("text", ["Li-Si", "ZnS-P2S5"])
@pytest.mark.parametrize("n", [1, 3, 4, 20, 21, 47, 1000])
@pytest.mark.parametrize("most", [None, 1, 3, 10_000])
def test_shares_are_fair(text: str, n: int, most: int | None) -> None:
    found = compositions_between(EndMembers.parse(text), min_atoms=2, max_atoms=20)
    shares = list(shared(found, n, most=most))
    sizes = [one.n for one in shares]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    if most is None:
        assert min(sizes) >= min(n, LEAST_SHARE)
        # One more would take some below the least share.
        assert len(shares) == found.number or Fraction(n, len(shares) + 1) < LEAST_SHARE
    else:
        assert len(shares) == min(most, n, found.number)
    numbers = [number for one in shares for number in range(one.first, one.first + one.n)]
    assert numbers == list(range(n))
    assert [one.composition for one in shares] == [found[k][0] for k in range(len(shares))]
    assert all(isinstance(one.composition, Composition) for one in shares)
