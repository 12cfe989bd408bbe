"""Hulls: hand-computed, against pymatgen, and against linear programming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition as PymatgenComposition
from scipy.optimize import linprog

from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError

MODEL = "test-model"


def entry(formula: str, energy_per_atom: float, model: str = MODEL) -> HullEntry:
    return HullEntry(
        composition=Composition.parse(formula), energy_per_atom=energy_per_atom, model=model
    )


def parse(formula: str) -> Composition:
    return Composition.parse(formula)


@pytest.fixture
def binary() -> Hull:
    """Li at −2, Si at −5, LiSi one eV/atom below the line between them (−3.5)."""
    return Hull(
        [entry("Li", -2.0), entry("Si", -5.0), entry("LiSi", -4.5), entry("Si2", -4.9)],
        model=MODEL,
    )


def test_hand_computed_binary(binary: Hull) -> None:
    # Li3Si is half Li and half LiSi by atoms: 0.5 (−2) + 0.5 (−4.5) = −3.25.
    assert binary.decomposition_energy(parse("Li3Si"), -3.0) == pytest.approx(0.25)
    assert binary.decomposition_energy(parse("Li3Si"), -3.5) == pytest.approx(-0.25)
    products = {
        p.entry.composition.formula: p.fraction for p in binary.decomposition(parse("Li3Si"))
    }
    assert products == pytest.approx({"Li": 0.5, "LiSi": 0.5})


def test_multiples_and_order_of_elements_change_nothing(binary: Hull) -> None:
    values = [
        binary.decomposition_energy(parse(f), -3.0) for f in ("Li3Si", "SiLi3", "Li6Si2", "LiSiLi2")
    ]
    assert values == pytest.approx([0.25] * 4)


def test_a_reference_phase_is_judged_against_itself(binary: Hull) -> None:
    assert binary.decomposition_energy(parse("LiSi"), -4.5) == pytest.approx(0.0)
    assert binary.decomposition_energy(parse("Si"), -4.9) == pytest.approx(0.1)


def test_without_a_formula_the_hull_is_that_of_the_others(binary: Hull) -> None:
    others = binary.without([parse("SiLi")])
    assert others.decomposition_energy(parse("LiSi"), -4.5) == pytest.approx(-1.0)
    assert binary.decomposition_energy(parse("LiSi"), -4.5) == pytest.approx(0.0)


def test_ternary_by_hand() -> None:
    hull = Hull(
        [
            entry("Zn", 0.0),
            entry("P", 0.0),
            entry("S", 0.0),
            entry("ZnS", -1.0),
            entry("P2S5", -0.5),
        ],
        model=MODEL,
    )
    # ZnP2S6 = ZnS + P2S5: 2 atoms of 9 at −1 and 7 of 9 at −0.5.
    assert hull.decomposition_energy(parse("ZnP2S6"), 0.0) == pytest.approx((2 + 3.5) / 9)
    stable = {e.composition.formula for e in hull.stable(["Zn", "P", "S"])}
    assert stable == {"Zn", "P", "S", "ZnS", "P2S5"}


def test_the_live_hull_grows_and_the_references_do_not(binary: Hull) -> None:
    found = entry("Li3Si", -4.0)
    assert binary.energy_above(parse("Li3Si"), -4.0) == pytest.approx(-0.75)
    assert binary.add(found)
    assert binary.energy_above(parse("Li3Si"), -4.0) == pytest.approx(0.0)
    assert binary.energy_above(parse("Li3Si"), -3.9) == pytest.approx(0.1)
    # Li7Si3 lies between Li3Si and LiSi: by atoms 0.8 (Li3Si) and 0.2 (LiSi).
    assert binary.energy_above(parse("Li7Si3"), -4.1) == pytest.approx(-4.1 + 0.8 * 4.0 + 0.2 * 4.5)
    assert binary.decomposition_energy(parse("Li3Si"), -4.0) == pytest.approx(-0.75)
    assert not binary.add(entry("Li3Si", -3.9))


def test_energies_of_two_models_never_mix(binary: Hull) -> None:
    with pytest.raises(HullReferenceError, match="other-model"):
        Hull([entry("Li", -2.0), entry("Si", -5.0, "other-model")], model=MODEL)
    with pytest.raises(HullReferenceError, match="other-model"):
        binary.add(entry("Li2Si", -4.0, "other-model"))
    with pytest.raises(HullReferenceError, match="other-model"):
        binary.decomposition_energy(parse("Li2Si"), -4.0, model="other-model")


def test_a_missing_element_is_named_with_what_to_do() -> None:
    hull = Hull([entry("Li", -2.0), entry("LiSi", -4.5)], model=MODEL)
    with pytest.raises(HullReferenceError, match=r"no Si: add the element"):
        hull.decomposition_energy(parse("LiSi"), -4.5)
    with pytest.raises(HullReferenceError, match=r"no O and no Si: add the element"):
        hull.require_elements(["Si", "Li", "O"])
    hull.require_elements(["Li"])
    with pytest.raises(HullReferenceError, match="none"):
        Hull([], model=MODEL)


def test_the_digest_follows_what_the_hull_depends_on(binary: Hull) -> None:
    again = Hull([entry("LiSi", -4.5), entry("Si", -5.0), entry("Li", -2.0)], model=MODEL)
    assert again.digest == binary.digest
    assert binary.without([parse("LiSi")]).digest != binary.digest


@st.composite
def ternary_entries(draw: st.DrawFn) -> list[tuple[str, float]]:
    phases = draw(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).filter(any),
            max_size=8,
        )
    )
    energies = st.floats(-2, 0.5).map(lambda x: round(x, 3))
    rows = [("Zn", 0.0), ("P", 0.0), ("S", 0.0)]
    for counts in phases:
        formula = "".join(f"{s}{n}" for s, n in zip(("Zn", "P", "S"), counts, strict=True) if n)
        rows.append((formula, draw(energies)))
    return rows


@given(ternary_entries(), st.tuples(*[st.integers(1, 5)] * 3), st.floats(-3, 1))
@settings(deadline=None, max_examples=40)
def test_decomposition_energy_is_pymatgens_and_the_linear_programmes(
    rows: list[tuple[str, float]], counts: tuple[int, int, int], energy: float
) -> None:
    hull = Hull([entry(f, e) for f, e in rows], model=MODEL)
    target = Composition(tuple(zip(("Zn", "P", "S"), counts, strict=True)))
    found = hull.decomposition_energy(target, energy)

    pd_entries = []
    for formula, e in rows:
        composition = PymatgenComposition(formula)
        pd_entries.append(PDEntry(composition, e * composition.num_atoms))
    candidate = PymatgenComposition(dict(target.counts))
    diagram = PhaseDiagram(pd_entries)
    assert found == pytest.approx(energy - diagram.get_hull_energy_per_atom(candidate), abs=1e-9)

    fractions = [PymatgenComposition(f).fractional_composition for f, _ in rows]
    columns = np.array([[x[s] for x in fractions] for s in ("Zn", "P", "S")])
    lowest = linprog(
        [e for _, e in rows],
        A_eq=columns,
        b_eq=[candidate.get_atomic_fraction(s) for s in ("Zn", "P", "S")],
    )
    assert lowest.success
    assert found == pytest.approx(energy - lowest.fun, abs=1e-7)

    products = hull.decomposition(target)
    assert sum(p.fraction for p in products) == pytest.approx(1.0)
    for symbol, n in target.counts:
        share = sum(
            p.fraction * dict(p.entry.composition.counts).get(symbol, 0) / p.entry.composition.size
            for p in products
        )
        assert share == pytest.approx(n / target.size)


def test_large_systems_are_the_linear_programme_and_end() -> None:
    symbols = [
        "Li",
        "Na",
        "K",
        "Mg",
        "Ca",
        "Al",
        "Si",
        "Ti",
        "Mn",
        "Fe",
        "Ni",
        "Cu",
        "Zn",
        "O",
        "S",
    ]
    rng = np.random.default_rng(0)
    known = [entry(s, float(rng.uniform(-5, -1))) for s in symbols]
    for k in range(60):
        pair = rng.choice(symbols, 2, replace=False)
        known.append(entry(f"{pair[0]}{k % 3 + 1}{pair[1]}", float(rng.uniform(-6, -2))))
    hull = Hull(known, model=MODEL)
    everything = Composition.parse("".join(symbols))
    below = hull.decomposition_energy(everything, 0.0)
    products = hull.decomposition(everything)
    assert sum(p.fraction for p in products) == pytest.approx(1.0)
    assert sum(p.fraction * p.entry.energy_per_atom for p in products) == pytest.approx(-below)
    assert hull.energy_above(everything, 0.0) == pytest.approx(below)
    hull.add(entry("".join(symbols), -20.0))
    assert hull.energy_above(everything, -20.0) == pytest.approx(0.0)


def test_both_ways_to_the_hull_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    known = [entry(s, float(rng.uniform(-5, -1))) for s in ("Li", "Na", "Mg", "Si", "O")]
    known += [
        entry(f, float(rng.uniform(-6, -2))) for f in ("Li2O", "MgO", "SiO2", "NaMg", "Mg2Si")
    ]
    at = Composition.parse("LiNaMg2SiO3")
    diagram = Hull(known, model=MODEL)
    expected = {p.entry.composition.formula: p.fraction for p in diagram.decomposition(at)}
    monkeypatch.setattr("gencsp.convex_hull.hull.LARGEST_DIAGRAM", 0)
    programme = Hull(known, model=MODEL)
    found = {p.entry.composition.formula: p.fraction for p in programme.decomposition(at)}
    assert found == pytest.approx(expected)
    assert programme.decomposition_energy(at, 0.0) == pytest.approx(
        diagram.decomposition_energy(at, 0.0)
    )
