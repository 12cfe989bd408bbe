"""The hull filter under pressure, with a potential that costs nothing: EMT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from gencsp.convex_hull.entries import HullEntries, write_entries
from gencsp.convex_hull.under_pressure import references_at
from gencsp.errors import HullReferenceError
from gencsp.filters.hull_energy import ChgnetHullEnergy
from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.base import Engine

PRESSURE = 20.0


def emt() -> Engine:
    return AseEngine(EMT(), model="emt", digest="0" * 12)


class EmtHullEnergy(ChgnetHullEnergy):
    """The filter with another potential."""

    def _potential(self) -> Engine:
        return emt()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_phase_that_is_stable_there_lies_on_the_hull(own_cache: Path) -> None:
    """An energy in place of the enthalpy would lie 1.4 eV/atom below it."""
    one = EmtHullEnergy(pressure=PRESSURE, threshold=0.005)
    verdict = one.judge(bulk("Cu", "fcc", a=3.7))
    assert verdict.passed
    assert verdict.value == pytest.approx(0.0, abs=0.003)
    assert list(own_cache.rglob("*.csv")), "the references are kept"


@pytest.mark.usefixtures("own_cache")
def test_a_phase_of_higher_enthalpy_lies_above_it() -> None:
    square = EmtHullEnergy(pressure=PRESSURE, threshold=0.005).judge(bulk("Cu", "sc", a=2.4))
    assert not square.passed
    assert square.value > 0.1


@pytest.mark.usefixtures("own_cache")
def test_references_of_a_system_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(pressure: float, systems: Any, potential: Engine, **more: Any) -> HullEntries:
        asked.extend(systems)
        return references_at(pressure, systems, potential, **more)

    monkeypatch.setattr("gencsp.filters.hull_energy.references_at", counted)
    one = EmtHullEnergy(pressure=PRESSURE)
    values = [one.judge(bulk(symbol)).value for symbol in ("Cu", "Ag", "Cu")]
    assert asked == [("Cu",), ("Ag",)]
    assert values[0] == values[2]


def test_entries_must_be_of_the_pressure(tmp_path: Path) -> None:
    file = tmp_path / "at20.csv"
    write_entries(file, references_at(PRESSURE, [("Cu",)], emt(), cache=None).entries)
    fcc = bulk("Cu", "fcc", a=3.6)
    assert EmtHullEnergy(pressure=PRESSURE, entries=file).judge(fcc).passed
    with pytest.raises(HullReferenceError, match="20"):
        EmtHullEnergy(pressure=10.0, entries=file).judge(fcc)
    with pytest.raises(HullReferenceError, match="20"):
        EmtHullEnergy(entries=file).judge(fcc)
