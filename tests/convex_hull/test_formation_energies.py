"""Formation energies against those computed by hand."""

from __future__ import annotations

import pytest

from gencsp.composition import Composition
from gencsp.convex_hull.ends import formation_energy
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import HullReferenceError


def test_formation_energies_by_hand() -> None:
    rows = {"Na": -1.0, "Na2": -1.2, "Cl2": -2.0, "NaCl": -3.0}
    entries = [
        HullEntry(composition=Composition.parse(formula), energy_per_atom=energy, model="m")
        for formula, energy in rows.items()
    ]
    hull = Hull(entries, model="m")
    # Per atom: Na2Cl is two of the lowest sodium (-1.2) and one of chlorine (-2).
    found = formation_energy(hull, Composition.parse("Na2Cl"), -2.5)
    assert found == pytest.approx(-2.5 - (2 * -1.2 + -2.0) / 3)
    assert formation_energy(hull, Composition.parse("Na4"), -1.2) == pytest.approx(0.0)
    with pytest.raises(HullReferenceError):
        formation_energy(hull, Composition.parse("NaK"), -1.0)
