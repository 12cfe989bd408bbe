"""The symmetry prior: consistent tables, exact compositions, chemistry that makes sense."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import held_out_formulas

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.lattice import N_FREE, bravais
from gencsp.proposers.crystals.likeness import ElementMetric, element_metric
from gencsp.proposers.crystals.symmetry_prior import Skeleton, SymmetryPrior, symmetry_prior
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.drawing import UNIT_SHARES

COMPOSITIONS = st.dictionaries(
    st.sampled_from(ELEMENTS), st.integers(1, 4), min_size=1, max_size=4
).map(Composition.from_counts)


def count(skeleton: Skeleton) -> Counter[str]:
    table = sites(skeleton.space_group)
    atoms: Counter[str] = Counter()
    for symbol, letter in skeleton.occupied:
        atoms[symbol] += table[letter].multiplicity
    return atoms


def check(skeleton: Skeleton, composition: Composition, units: tuple[int, ...]) -> None:
    assert any(count(skeleton) == Counter(composition.symbols(u)) for u in units)
    assert len(skeleton.shape) == N_FREE[bravais(skeleton.space_group)[0]]
    table = sites(skeleton.space_group)
    fixed = [letter for _, letter in skeleton.occupied if table[letter].n_free == 0]
    assert len(fixed) == len(set(fixed))


def test_every_known_crystal_is_consistent() -> None:
    """Letters and multiplicities of the table (spglib) agree with the builder's (PyXtal)."""
    prior = symmetry_prior()
    n = 0
    for numbers, family in prior.families.items():
        for template, shape in zip(family.templates, family.shapes, strict=True):
            table = sites(template.space_group)
            placed = [sum(table[c].multiplicity for c in own) for _, own in template.roles]
            assert tuple(placed) == numbers
            assert len(shape) == N_FREE[bravais(template.space_group)[0]]
            n += 1
    card = resources.files("gencsp").joinpath("data/symmetry_prior.card.json").read_text("utf-8")
    assert n == json.loads(card)["facts"]["crystals"]


def test_no_held_out_formula_is_in_the_table() -> None:
    held_out = {frozenset(formula.counts) for formula in held_out_formulas()}
    for numbers, family in symmetry_prior().families.items():
        divisor = int(np.gcd.reduce(numbers))
        for row in family.elements:
            symbols = [ELEMENTS[i] for i in row]
            formula = frozenset((s, n // divisor) for s, n in zip(symbols, numbers, strict=True))
            assert formula not in held_out


@pytest.mark.parametrize(
    ("formula", "number", "occupied"),
    [
        ("DyCu", 221, {("Dy", 1), ("Cu", 1)}),
        ("LiGaSi", 216, {("Li", 1), ("Ga", 1), ("Si", 1)}),
        ("Ca3SnO", 221, {("Ca", 3), ("Sn", 1), ("O", 1)}),
        ("PrNi2B2C", 139, {("Pr", 1), ("Ni", 2), ("B", 2), ("C", 1)}),
        ("CaCd2P2", 164, {("Ca", 1), ("Cd", 2), ("P", 2)}),
    ],
)
def test_true_symmetry_is_among_the_likeliest(
    formula: str, number: int, occupied: set[tuple[str, int]]
) -> None:
    """Ground states that the table does not hold, from the textbooks."""
    composition = Composition.parse(formula)
    ranked = symmetry_prior().known(composition, tuple(composition.units_within(20))).ranked()
    assert (number, occupied) in [(s.space_group, set(count(s).items())) for s in ranked[:20]]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(composition=COMPOSITIONS, seed=st.integers(0, 2**32 - 1))
def test_drawn_skeletons_have_the_composition(composition: Composition, seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = (1, 2)
    known = symmetry_prior().known(composition, units)
    for _ in range(5):
        skeleton = known.draw(rng)
        if skeleton is None:
            assert len(known) == 0
            break
        check(skeleton, composition, units)
    invented = symmetry_prior().invent(composition, 2, rng=rng)
    assert invented is not None
    check(invented, composition, (2,))


def test_the_likeliest_come_first() -> None:
    """Whatever the generator; a choice comes again when another is no more than twice as likely."""
    composition = Composition.parse("SrTiO3")
    known = symmetry_prior().known(composition, (1, 2, 4))
    ranked = [(s.space_group, s.occupied) for s in known.ranked()]
    drawn = []
    for seed in range(40):
        skeleton = known.draw(np.random.default_rng(seed), likeliest=True)
        assert skeleton is not None
        drawn.append((skeleton.space_group, skeleton.occupied))
    assert drawn[0] == ranked[0]
    firsts = list(dict.fromkeys(drawn))
    assert firsts == ranked[: len(firsts)]
    assert len(firsts) < len(drawn)
    assert max(drawn.count(one) for one in firsts) <= known.MOST_REPEATS


def test_space_groups_are_obeyed() -> None:
    composition = Composition.parse("MgO")
    known = symmetry_prior().known(composition, (1, 2), space_groups=(186, 216))
    assert {s.space_group for s in known.ranked()} == {186, 216}
    rng = np.random.default_rng(0)
    for _ in range(20):
        skeleton = symmetry_prior().invent(composition, 2, rng=rng, space_groups=(11, 12))
        assert skeleton is not None
        assert skeleton.space_group in (11, 12)


def test_impossible_request_invents_nothing() -> None:
    """P4_1 has nothing but its general position, an orbit of four atoms."""
    composition = Composition.parse("Cu")
    rng = np.random.default_rng(0)
    assert symmetry_prior().invent(composition, 1, rng=rng, space_groups=(76,)) is None


def test_skeletons_without_freedom_are_drawn_once() -> None:
    composition = Composition.parse("DyCu")
    known = symmetry_prior().known(composition, (1,))
    rng = np.random.default_rng(0)
    drawn: Counter[tuple[object, ...]] = Counter()
    while (skeleton := known.draw(rng)) is not None:
        drawn[skeleton.space_group, skeleton.occupied] += 1
        assert drawn[skeleton.space_group, skeleton.occupied] <= min(1 + skeleton.n_free, 4)
    assert len(known) == 0
    assert len(drawn) > 3


def test_draws_follow_the_weights() -> None:
    """The likeliest skeleton comes first about as often as its share says."""
    composition = Composition.parse("DyCu")
    first: Counter[int] = Counter()
    rng = np.random.default_rng(0)
    for _ in range(200):
        skeleton = symmetry_prior().known(composition, (1, 2, 4)).draw(rng)
        assert skeleton is not None
        first[skeleton.space_group] += 1
    known = symmetry_prior().known(composition, (1, 2, 4))
    weights = known._weights / known._weights.sum()
    share = sum(
        w
        for w, (template, _) in zip(weights, known._keys, strict=True)
        if template.space_group == 221
    )
    assert first[221] / 200 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 200))


def test_a_metric_is_the_distance_of_points() -> None:
    points = {symbol: [0.0, 0.0] for symbol in ELEMENTS} | {"Na": [3.0, 4.0], "K": [3.0, 3.0]}
    metric = ElementMetric.from_table({"points": points, "floor": 1e-3})
    na, k, cl = (ELEMENTS.index(symbol) for symbol in ("Na", "K", "Cl"))
    assert metric.log_likeness[na, cl] == metric.log_likeness[cl, na] == pytest.approx(-25.0)
    assert metric.log_likeness[na, k] == pytest.approx(-1.0)
    assert metric.floor == 1e-3


def test_candidates_are_shares_and_sorted() -> None:
    """Of all that is known of a composition; each by the crystals that have its skeleton."""
    composition = Composition.parse("PrNi2B2C")
    known = symmetry_prior().known(composition, (1, 2))
    candidates = known.candidates()
    assert [one.skeleton for one in candidates] == known.ranked()
    shares = [one.probability for one in candidates]
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)
    for one in candidates:
        weights = [crystal.weight for crystal in one.crystals]
        assert weights == sorted(weights, reverse=True)
        assert {crystal.template.space_group for crystal in one.crystals} == {
            one.skeleton.space_group
        }
        assert one.skeleton.shape == one.crystals[0].shape
    total = sum(crystal.weight for one in candidates for crystal in one.crystals)
    for one in candidates:
        own = sum(crystal.weight for crystal in one.crystals)
        assert one.probability == pytest.approx(own / total)


def test_a_template_whose_crystals_were_all_left_out_is_none() -> None:
    table = {"templates": {"225 1a 1b": "", "221 1a 1b": "DyCu::20.8"}}
    prior = SymmetryPrior(table)
    assert [f.templates[0].name for f in prior.families.values()] == ["221 1a 1b"]
    assert prior.group_counts == {221: 1}
    alone = SymmetryPrior({"templates": {"225 1a 1b": ""}})
    assert len(alone.known(Composition.parse("DyCu"), (1,))) == 0


def test_weights_are_likenesses_of_roles_and_a_floor() -> None:
    """Of LaCu for DyCu: that of the one pair of elements that differ."""
    metric = element_metric()
    known = symmetry_prior().known(Composition.parse("DyCu"), (1,), (221,)).candidates()
    found = {c.formula: c.weight for one in known for c in one.crystals if c.symbols[1] == "Dy"}
    for formula in found:
        copper, other = formula[:2], formula[2:]
        if copper == "Cu":
            pair = metric.log_likeness[ELEMENTS.index("Dy"), ELEMENTS.index(other)]
            assert found[formula] == pytest.approx(np.exp(pair) + metric.floor)
    assert sum(formula.startswith("Cu") for formula in found) > 3


def test_likeness() -> None:
    likeness = np.exp(element_metric().log_likeness)
    np.testing.assert_allclose(likeness, likeness.T)
    np.testing.assert_allclose(np.diag(likeness), 1.0)

    def alike(a: str, b: str) -> float:
        return float(likeness[ELEMENTS.index(a), ELEMENTS.index(b)])

    assert alike("La", "Ce") > 0.5
    assert alike("Na", "K") > alike("Na", "Cl")
    assert alike("S", "Se") > alike("S", "Sn")
    assert alike("Fe", "Co") > alike("Fe", "O")


def test_unit_shares_are_those_of_the_table() -> None:
    counts = symmetry_prior().unit_counts
    total = sum(counts.values())
    for units, share in UNIT_SHARES.items():
        assert counts[units] / total == pytest.approx(share, abs=0.006)
