"""Formulas as counts of units."""

from __future__ import annotations

import pytest

from gencsp.composition import Composition
from gencsp.errors import CompositionError, UnitError
from gencsp.units.formulas import split_formula


@pytest.mark.parametrize(
    ("formula", "units", "number", "counts"),
    [
        ("NaNH2", "NH2", 1, {"NH2": 1, "Na": 1}),
        ("Na16N16H32", ["NH2"], 1, {"NH2": 1, "Na": 1}),
        ("Ca(CO3)", (), 1, {"CO3": 1, "Ca": 1}),
        ("(NH4)2SO4", "SO4", 1, {"SO4": 1, "NH4": 2}),
        ("(NH4)2(SO4)", (), 1, {"NH4": 2, "SO4": 1}),
        ("K[PF6]", (), 1, {"PF6": 1, "K": 1}),
        ("Na(H2N)", (), 1, {"NH2": 1, "Na": 1}),
        ("K3[Fe(CN)6]", (), 1, {"CN": 6, "K": 3, "Fe": 1}),
        ("Mg(NO₃)₂(H2O)6", (), 1, {"NO3": 2, "H2O": 6, "Mg": 1}),
        ("Ca(OH)2·2(H2O)", (), 1, {"OH": 2, "H2O": 2, "Ca": 1}),
        ("CaSO4·2H2O", "SO4,H2O", 1, {"SO4": 1, "H2O": 2, "Ca": 1}),
        ("NH4NO3", "NH4,NO3", 1, {"NH4": 1, "NO3": 1}),
        ("NH4NO3", "NH4", 1, {"NH4": 1, "N": 1, "O": 3}),
        ("Na2C2O4", "C2O4", 2, {"C2O4": 1, "Na": 2}),
        ("Na2(C2O4)", (), 2, {"C2O4": 1, "Na": 2}),
        ("Hg2(N3)2", (), 1, {"N3": 1, "Hg": 1}),
        ("C6H6", "benzene", 6, {"C6H6": 1}),
        ("CO(NH2)2", (), 1, {"CO(NH2)2": 1}),
        ("CO(NH2)2", "urea", 1, {"CO(NH2)2": 1}),
        ("CH4N2O", "urea", 1, {"CO(NH2)2": 1}),
    ],
)
def test_split(formula: str, units: object, number: int, counts: dict[str, int]) -> None:
    found = split_formula(formula, units)  # type: ignore[arg-type]
    assert found.composition == Composition.parse(formula).reduced
    assert found.number == number
    assert {unit.name: n for unit, n in found.counts} == counts
    # No atom is lost or made.
    atoms: dict[str, int] = {}
    for unit, n in found.in_cell(3 * number):
        for symbol in unit.symbols:
            atoms[symbol] = atoms.get(symbol, 0) + n
    assert atoms == {symbol: 3 * number * n for symbol, n in found.composition.counts}


@pytest.mark.parametrize(
    ("formula", "units", "said"),
    [
        ("NaCl", "NH2", "has N, H, which NaCl does not"),
        ("NaCl", (), "no unit of NaCl is named"),
        ("NaNH", "NH2", "does not split into units of NH2"),
        ("NaNH2", "NH4", "too few atoms"),
        ("LiH10O5", "H2O,OH,H3O", "several ways"),
        ("Na(C5H5)", (), r"'\(C5H5\)'.*not a unit that is known"),
        ("(NH4)NO3", "NO3,NO2", "beside the units in brackets|does not split"),
        ("NaNH2", "Na", "there is no unit 'Na'"),
    ],
)
def test_what_does_not_split(formula: str, units: object, said: str) -> None:
    with pytest.raises(UnitError, match=said):
        split_formula(formula, units)  # type: ignore[arg-type]


def test_units_stay_whole_in_a_cell() -> None:
    with pytest.raises(UnitError, match="take multiples of 2"):
        split_formula("Na2C2O4", "C2O4").in_cell(3)
    with pytest.raises(CompositionError):
        split_formula("Na(NH2", "NH2")


def test_brackets_settle_what_is_ambiguous() -> None:
    found = split_formula("Li(H2O)3(OH)(H3O)")
    assert {unit.name: n for unit, n in found.counts} == {"H2O": 3, "OH": 1, "H3O": 1, "Li": 1}
