"""The columns of PIGEN's Extended Data Table 3, each against a case that only it counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencsp.measure.synergy import PAPER, Columns, Comparison, Trace, paper_row


def search(*energies: float, start: float | None = None) -> Trace:
    """A search that found these minima, ten trials apart."""
    minima = tuple((10 * k, energy) for k, energy in enumerate(energies))
    return Trace(trials=100, minima=minima, lowest_start=start)


def comparison(**changes: Any) -> Comparison:
    words: dict[str, Any] = {
        "model": "plain",
        "filtered": True,
        "formula": "LiNb7N8",
        "structure_id": "g0000",
        "generated": -1.0,
        "seeded": search(-1.0),
        "unseeded": search(-1.0),
    }
    return Comparison(**{**words, **changes})


def columns(*some: Comparison) -> Columns:
    return Columns.of(some)


def test_a_counts_structures_that_neither_search_betters() -> None:
    stays = comparison(seeded=search(-1.0), unseeded=search(-0.9))
    seed_bettered = comparison(seeded=search(-1.0, -1.2), unseeded=search(-0.9))
    other_bettered = comparison(seeded=search(-1.0), unseeded=search(-1.1))
    assert [columns(one).a for one in (stays, seed_bettered, other_bettered)] == [1, 0, 0]
    assert columns(comparison(seeded=search(-1.0005))).a == 1  # what two relaxations differ by
    assert columns(comparison(seeded=search(-1.002))).a == 0
    assert columns(comparison(seeded=search(-1.002), unchanged=True)).a == 1
    assert columns(comparison(generated=None)).a == 0


def test_b_counts_compositions_that_end_lower_with_the_seed() -> None:
    assert columns(comparison(seeded=search(-1.3), unseeded=search(-1.2))).b == 1
    assert columns(comparison(seeded=search(-1.2), unseeded=search(-1.3))).b == 0
    assert columns(comparison(seeded=search(-1.2005), unseeded=search(-1.2))).b == 0
    assert columns(comparison(seeded=search(-1.2), unseeded=search())).b == 1
    assert columns(comparison(seeded=search(), unseeded=search())).b == 0


def test_c_is_the_mean_gain_of_those_that_gain() -> None:
    by_seeded = comparison(seeded=search(-1.1), unseeded=search(-1.05))
    by_other = comparison(seeded=search(-1.0), unseeded=search(-1.3))
    nothing = comparison(seeded=search(-1.0), unseeded=search(-0.5))
    lost = comparison(generated=None, seeded=search(-9.0))
    assert columns(by_seeded, by_other, nothing, lost).c == pytest.approx(200.0)
    assert columns(nothing, lost).c is None


def test_d_is_the_mean_by_which_a_search_stays_above() -> None:
    """Also where the other search finds something lower, as in the paper's rows with a = 0."""
    above = comparison(seeded=search(-1.2), unseeded=search(-0.98))
    far_above = comparison(seeded=search(-1.0), unseeded=search(-0.94))
    assert columns(above, far_above, comparison()).d == pytest.approx(40.0)
    assert columns(above).a == 0
    assert columns(comparison(unseeded=search())).d == 0.0


def test_e_compares_with_what_the_search_begins_with_by_itself() -> None:
    assert columns(comparison(seeded=search(-1.5, start=-0.9))).e == 1
    assert columns(comparison(seeded=search(-1.5, start=-1.1))).e == 0
    assert columns(comparison(seeded=search(-1.5, start=None))).e == 1
    assert columns(comparison(generated=None, seeded=search(-1.5, start=-0.9))).e == 0


def test_f_counts_what_did_not_converge() -> None:
    assert columns(comparison(), comparison(generated=None)).f == 1


def test_a_trace_is_the_lowest_so_far() -> None:
    trace = search(-0.5, -0.8, -1.0)
    assert [trace.lowest_after(n) for n in (0, 1, 10, 11, 100)] == [
        float("inf"),
        -0.5,
        -0.5,
        -0.8,
        -1.0,
    ]


energies = st.floats(-2, 0, allow_nan=False)
traces = st.lists(energies, max_size=4).map(lambda some: search(*sorted(some, reverse=True)))


@given(st.one_of(st.none(), energies), traces, traces)
def test_every_composition_is_one_of_three(
    generated: float | None, seeded: Trace, unseeded: Trace
) -> None:
    """It failed, it remained lowest, or the searches gained; gains and deficits are positive."""
    one = comparison(generated=generated, seeded=seeded, unseeded=unseeded)
    assert (generated is None) + one.remains_lowest + (one.gain is not None) == 1
    assert one.gain is None or one.gain >= 1e-3
    assert all(above > 1e-3 for above in one.deficits)


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_counts_add_up_over_compositions(failed: list[bool]) -> None:
    some = [comparison(generated=None if one else -1.0) for one in failed]
    parts = [columns(one) for one in some]
    whole = columns(*some)
    for name in ("compositions", "a", "b", "e", "f"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)


def test_the_papers_rows_are_found_by_their_targets() -> None:
    found = paper_row({"m_led": 9.0, "compactness": 0.7}, filtered=True)
    assert found == ("PIGEN | (M_LED, C)", Columns(20, 0, 6, 333.6, 0.0, 2, 0))
    unfiltered = paper_row({}, filtered=False)
    assert unfiltered is not None
    assert unfiltered[1].f == 4
    assert paper_row({"m_led": 9.0, "complexity": 3.0}, filtered=True) is None
    # Of the eight models; a and f of the table's other three are 1 + 2 + 1 and 0.
    rows = [row for _, *two in PAPER.values() for row in two]
    assert (sum(row.a for row in rows), sum(row.f for row in rows)) == (8 - 4, 28)
    assert sum(row.b for row in rows) == 214 - (9 + 6 + 13 + 8 + 9 + 7)
    assert sum(row.e for row in rows) == 47 - (2 + 0 + 2 + 5 + 3 + 1)
