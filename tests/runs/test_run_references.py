"""The volume that the references at a pressure make likely, and that searches begin at."""

from __future__ import annotations

from pathlib import Path

import pytest

from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry, write_entries
from gencsp.convex_hull.hull import Hull
from gencsp.proposers.crystals.compression import volume_under
from gencsp.runs.cycle import open_cycle
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.references import common_pressure, likely_volume, systems_of
from gencsp.runs.search import Plan

PRESSURE = 40.0
NACL, NA2CL = Composition.parse("NaCl"), Composition.parse("Na2Cl")


def entries(*, volumes: bool = True, scale: float = 1.0) -> list[HullEntry]:
    known = {"Na": (1.0, 10.0), "Cl": (1.0, 14.0), "NaCl": (-1.0, 9.0)}
    return [
        HullEntry(
            composition=Composition.parse(formula),
            energy_per_atom=enthalpy,
            model="chgnet-0.3.0",
            pressure=PRESSURE,
            volume_per_atom=scale * volume if volumes else None,
        )
        for formula, (enthalpy, volume) in known.items()
    ]


def hull(**given: bool | float) -> Hull:
    return Hull(entries(**given), model="chgnet-0.3.0", pressure=PRESSURE)  # type: ignore[arg-type]


def test_the_denser_one_of_references_and_equation_of_state() -> None:
    assert volume_under(NACL, PRESSURE) > 9.0
    assert likely_volume(hull(), NACL) == pytest.approx(9.0)
    # Na2Cl is two thirds of its atoms NaCl, and one third Na.
    assert likely_volume(hull(), NA2CL) == pytest.approx(9.0 * 2 / 3 + 10.0 / 3)
    assert likely_volume(hull(scale=9.0), NACL) == volume_under(NACL, PRESSURE)
    assert likely_volume(hull(volumes=False), NACL) == volume_under(NACL, PRESSURE)


def test_searches_begin_at_it(tmp_path: Path) -> None:
    file = write_entries(tmp_path / "entries.csv", entries())

    def volume(formula: str | None, **settings: object) -> float | None:
        given: dict[str, object] = {
            "formula": formula,
            "pressure": PRESSURE,
            "hull": file,
            "seeds": [],
        }
        deck = SearchDeck.make(**{**given, **settings})
        return Plan.of(deck).settings.space.volume_per_atom

    assert volume("NaCl") == pytest.approx(9.0)
    assert volume("NaCl", volume=11.0) == 11.0
    assert volume("NaCl", cell=[[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]) is None
    assert volume(None, system="Na-Cl") is None
    assert volume("NaCl", pressure=0.0, hull=None) is None


def test_cycles_begin_at_it(tmp_path: Path) -> None:
    file = write_entries(tmp_path / "entries.csv", entries())
    deck = CycleDeck.make(formula="NaCl", pressure=PRESSURE, hull=file, workers=1)
    with open_cycle(deck, in_memory=True) as cycle:
        assert cycle.settings.volume_per_atom == pytest.approx(9.0)


def test_pressures_and_systems_of_nothing() -> None:
    assert common_pressure([]) == 0
    assert systems_of([]) == set()
