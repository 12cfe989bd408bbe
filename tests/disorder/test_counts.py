"""Whole numbers for shares, charges, and formulas with broken numbers."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.disorder.charges import ionic_charges, is_neutral
from gencsp.disorder.counts import composition_distance, nearest_counts
from gencsp.disorder.crystal import SiteGroup
from gencsp.disorder.formulas import nearest_cell
from gencsp.errors import CompositionError, RequestError


def groups_of(*shares: dict[str, float]) -> list[SiteGroup]:
    return [SiteGroup(f"M{n}", one) for n, one in enumerate(shares)]


def test_the_smallest_cell_with_the_exact_composition() -> None:
    found = nearest_counts(groups_of({"Li": 0.5}, {"O": 1.0}), [1, 1], max_atoms=20)
    assert found.multiple == 2
    assert found.groups == ({"Li": 1}, {"O": 2})
    assert found.distance == pytest.approx(0.0)


def test_mixed_sites_are_filled() -> None:
    found = nearest_counts(groups_of({"Na": 1 / 3, "K": 2 / 3}, {"Cl": 1.0}), [1, 1], max_atoms=6)
    assert found.groups == ({"Na": 1, "K": 2}, {"Cl": 3})
    # Two cells within the limit cannot have it: one of each is nearer than two of one.
    found = nearest_counts(groups_of({"Na": 0.42, "K": 0.58}, {"Cl": 1.0}), [1, 1], max_atoms=4)
    assert found.groups == ({"Na": 1, "K": 1}, {"Cl": 2})
    assert found.distance == pytest.approx(0.5 * (0.5 - 0.42))


@settings(max_examples=60, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.integers(1, 3), st.integers(8, 24))
def test_no_rounding_of_the_shares_is_nearer(
    one: float, other: float, size: int, limit: int
) -> None:
    groups = groups_of({"Li": one}, {"Na": other}, {"O": 1.0})
    sizes = [size, 2, 2]
    wanted = {"Li": one * size, "Na": 2 * other, "O": 2.0}
    possible = []
    for multiple in range(1, limit):
        for a, b in product(range(1, multiple * size + 1), range(1, 2 * multiple + 1)):
            near = abs(a - one * size * multiple) < 1 and abs(b - other * 2 * multiple) < 1
            if near and a + b + 2 * multiple <= limit:
                amounts = {"Li": a, "Na": b, "O": 2 * multiple}
                possible.append(composition_distance(wanted, amounts))
    if not possible or min(possible) > 0.05:
        with pytest.raises(RequestError, match=f"at most {limit} atoms"):
            nearest_counts(groups, sizes, max_atoms=limit)
        return
    found = nearest_counts(groups, sizes, max_atoms=limit)
    assert found.size <= limit
    assert found.distance == pytest.approx(composition_distance(wanted, found.amounts))
    # The nearest, or one that is near enough in a smaller cell; 1e-3 of a site counts as whole.
    assert found.distance <= max(min(possible), 0.005) + 2e-3
    for group, size_of, counts in zip(groups, sizes, found.groups, strict=True):
        for symbol, share in group.shares.items():
            assert abs(counts[symbol] - share * size_of * found.multiple) < 1


def test_a_neutral_composition_is_taken_before_a_nearer_one() -> None:
    shares = groups_of({"Li": 0.2}, {"La": 0.92}, {"Cl": 1.0})
    charges = {"Li": 1.0, "La": 3.0, "Cl": -1.0}
    free = nearest_counts(shares, [1, 1, 3], max_atoms=55)
    held = nearest_counts(shares, [1, 1, 3], max_atoms=55, charges=charges)
    assert held.neutral
    assert is_neutral(held.amounts, charges)
    assert not is_neutral(free.amounts, charges)
    assert free.distance < held.distance < 0.03


def test_a_cell_that_is_too_small_for_a_rare_element() -> None:
    with pytest.raises(RequestError) as caught:
        nearest_counts(groups_of({"Li": 0.01, "Na": 0.99}, {"Cl": 1.0}), [1, 1], max_atoms=8)
    assert "of at most 8 atoms is near Li0.01Na0.99Cl1: of the nearest" in str(caught.value)
    needed = int(str(caught.value).split("Allow ")[1].split()[0])
    found = nearest_counts(
        groups_of({"Li": 0.01, "Na": 0.99}, {"Cl": 1.0}), [1, 1], max_atoms=needed
    )
    assert found.amounts["Li"] == 1
    assert found.distance <= 0.05
    with pytest.raises(RequestError, match="none with all elements"):
        nearest_counts(groups_of({"Li": 0.5}, {"O": 1.0}), [1, 1], max_atoms=1)


@pytest.mark.parametrize(
    ("amounts", "charges"),
    [
        ({"Li": 0.388, "Ta": 0.238, "La": 0.475, "Cl": 3.0}, {"Li": 1, "Ta": 5, "La": 3, "Cl": -1}),
        ({"Fe": 2.0, "O": 3.0}, {"Fe": 3, "O": -2}),
        ({"Li": 1.0, "Fe": 1.0, "P": 1.0, "O": 4.0}, {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
        ({"Li": 0.5, "Co": 1.0, "O": 2.0}, {"Li": 1, "Co": 3.5, "O": -2}),
        ({"Cu": 0.5, "Au": 0.5}, None),
        ({"Ar": 1.0, "O": 1.0}, None),
        ({"Li": 1.0}, None),
    ],
)
def test_charges(amounts: dict[str, float], charges: dict[str, float] | None) -> None:
    assert ionic_charges(amounts) == (None if charges is None else pytest.approx(charges))


def test_the_formula_of_the_superionic_conductor_in_a_cell() -> None:
    # Li0.388Ta0.238La0.475Cl3 (Y.-C. Yin et al., Nature 616, 77 (2023)), CHGGen's example.
    found = nearest_cell("Li0.388Ta0.238La0.475Cl3", 20)
    assert found is not None
    assert found.composition.formula == "Li2TaLa2Cl13"
    assert found.neutral
    exact = {"Li": 0.388, "Ta": 0.238, "La": 0.475, "Cl": 3.0}
    counts = {s: float(n) for s, n in found.composition.counts}
    assert found.distance == pytest.approx(composition_distance(exact, counts))
    larger = nearest_cell("Li0.388Ta0.238La0.475Cl3", 60)
    assert larger is not None
    assert larger.distance < found.distance


def test_formulas_that_have_no_broken_numbers_are_left_alone() -> None:
    for formula in ("Li5Si2", "CaSO4.2H2O", "CaSO4·0.5H2O", "K3[Fe(CN)6]"):
        assert nearest_cell(formula, 50) is None
    exact = nearest_cell("Li0.5CoO2", 20)
    assert exact is not None
    assert exact.composition.formula == "LiCo2O4"
    assert exact.distance == pytest.approx(0.0)
    for wrong in ("Xx0.5O2", "Li-0.5O", "Li0.5(O", "Li0O2", ""):
        with pytest.raises(CompositionError):
            nearest_cell(wrong, 20)
