"""Hull over x and voltages, against pymatgen's InsertionElectrode."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.apps.battery.insertion_battery import InsertionElectrode
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from scipy.spatial import ConvexHull

from gencsp.errors import RequestError
from gencsp.intercalation.profile import Point, profile

METAL, MG = -1.9, -1.6


def made(energies: dict[str, float], volumes: dict[str, float] | None = None) -> list[Point]:
    volumes = volumes or {}
    return [
        Point(x=Fraction(x), energy=energy, volume=volumes.get(x, 30.0))
        for x, energy in energies.items()
    ]


def entry(ion: str, x: Fraction, energy: float, volume: float) -> ComputedStructureEntry:
    units = x.denominator
    n = x.numerator
    symbols = [ion] * n + ["Co"] * units + ["O"] * (2 * units)
    places = np.random.default_rng(0).random((len(symbols), 3))
    lattice = Lattice.cubic((volume * units) ** (1 / 3))
    return ComputedStructureEntry(Structure(lattice, symbols, places), energy * units)


def test_voltages_and_volumes_are_pymatgens() -> None:
    energies = {"0": -20.0, "1/4": -21.9, "1/2": -23.9, "3/4": -24.9, "1": -26.2}
    volumes = {"0": 30.0, "1/4": 31.0, "1/2": 31.5, "3/4": 33.0, "1": 32.0}
    points = made(energies, volumes)
    found = profile(points, metal=METAL, charge=1)
    entries = [entry("Li", p.x, p.energy, p.volume) for p in points]
    metal = ComputedStructureEntry(Structure(Lattice.cubic(2.7), ["Li"], [[0, 0, 0]]), METAL)
    theirs = InsertionElectrode.from_entries(entries, metal)
    pairs = sorted(theirs.voltage_pairs, key=lambda pair: -pair.voltage)
    assert [step.voltage for step in found.steps] == pytest.approx([p.voltage for p in pairs])
    assert found.average_voltage == pytest.approx(theirs.get_average_voltage())
    # Theirs is an absolute value, of charged against discharged.
    assert [step.volume_change for step in found.steps] == pytest.approx(
        [(p.vol_discharge - p.vol_charge) / p.vol_charge for p in pairs]
    )
    assert [str(p.x) for p in found.stable] == ["0", "1/2", "1"]


def test_a_guest_of_two_charges_has_half_the_voltage() -> None:
    points = made({"0": -20.0, "1": -26.2})
    found = profile(points, metal=MG, charge=2)
    entries = [entry("Mg", p.x, p.energy, p.volume) for p in points]
    metal = ComputedStructureEntry(Structure(Lattice.cubic(2.7), ["Mg"], [[0, 0, 0]]), MG)
    theirs = InsertionElectrode.from_entries(entries, metal)
    assert found.average_voltage == pytest.approx(theirs.get_average_voltage())
    assert found.average_voltage == pytest.approx((26.2 - 20.0 + MG) / 2)


def test_the_lowest_of_a_content_counts() -> None:
    points = [*made({"0": 0.0, "1": 0.0}), *made({"1/2": -0.1}), *made({"1/2": -0.3})]
    found = profile(points)
    assert [p.energy for p in found.points] == [0.0, -0.3, 0.0]
    assert found.formation == pytest.approx((0.0, -0.3, 0.0))
    assert found.steps == ()
    assert found.average_voltage is None


@given(
    st.dictionaries(
        st.fractions(0, 2, max_denominator=12),
        st.floats(-5, 5, allow_nan=False),
        min_size=3,
        max_size=12,
    )
)
def test_the_hull_is_scipys_and_voltages_fall(energies: dict[Fraction, float]) -> None:
    points = [Point(x=x, energy=e, volume=1.0) for x, e in energies.items()]
    found = profile(points, metal=METAL, charge=1)
    xs = np.array([float(p.x) for p in found.points])
    es = np.array([p.energy for p in found.points])
    high = np.column_stack([[xs[0], xs[-1]], [es.max() + 1] * 2])
    corners = ConvexHull(np.vstack([np.column_stack([xs, es]), high]))
    facets = corners.equations[corners.equations[:, 1] < -1e-12]
    lower = np.max([(-f[0] * xs - f[2]) / f[1] for f in facets], axis=0)
    assert np.array(found.above) == pytest.approx(es - lower, abs=1e-6)
    voltages = [step.voltage for step in found.steps]
    # Corners that lie on a line to the last digit have one voltage, up to rounding.
    assert all(later <= v + 1e-9 for v, later in pairwise(voltages))
    spans = [float(step.last - step.first) for step in found.steps]
    assert np.average(voltages, weights=spans) == pytest.approx(found.average_voltage, abs=1e-6)


def test_what_is_refused() -> None:
    with pytest.raises(RequestError, match="two contents, and there are 1"):
        profile(made({"0": 0.0}))
    with pytest.raises(RequestError, match="charge of a guest is 0"):
        profile(made({"0": 0.0, "1": 0.0}), metal=METAL, charge=0)
