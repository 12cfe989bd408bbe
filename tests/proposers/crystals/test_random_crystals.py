"""Random crystals drawn in step: the law of PyXtal, exact separations, the group, independence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import spglib
from scipy.stats import chi2_contingency, kstest

from gencsp.composition import Composition
from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.proposers.checks import keeps_apart, keeps_distances
from gencsp.proposers.crystals.occupancy import can_hold
from gencsp.proposers.crystals.random_crystals import RandomCrystal, Recipe, draw_crystals
from gencsp.proposers.crystals.site_draws import nearest_squares
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.pyxtal_random import draw_with_pyxtal

Sites = tuple[tuple[str, str], ...]


def recipe(formula: str, units: int, group: int, **changes: object) -> Recipe:
    composition = Composition.parse(formula)
    counts = tuple(n * units for _, n in composition.counts)
    values: dict[str, Any] = {
        "space_group": group,
        "symbols": composition.elements,
        "counts": counts,
        "volume": predict_volume(composition).value * sum(counts),
        "least": LeastDistances().least(composition.elements, separation=0.6),
        "rng": np.random.default_rng(0),
    }
    return Recipe(**(values | changes))


def many(one: Recipe, n: int, seed: int) -> list[RandomCrystal | None]:
    rngs = np.random.default_rng(seed).spawn(n)
    recipes = [replace(one, rng=rng) for rng in rngs]
    return [c for k in range(0, n, 64) for c in draw_crystals(recipes[k : k + 64])]


def occupied(crystal: RandomCrystal | None, group: int) -> Sites | None:
    if crystal is None:
        return None
    atoms = Counter(zip(crystal.atoms.get_chemical_symbols(), crystal.letters, strict=True))
    orbits = {key: n // sites(group)[key[1]].multiplicity for key, n in atoms.items()}
    return tuple(sorted(key for key, n in orbits.items() for _ in range(n)))


def by_pyxtal(one: Recipe, n: int, seed: int) -> list[Sites | None]:
    rngs = np.random.default_rng(seed).spawn(n)
    drawn = [draw_with_pyxtal(replace(one, rng=rng)) for rng in rngs]
    return [
        None
        if crystal is None
        else tuple(sorted((s.specie, s.wp.letter) for s in crystal.atom_sites))
        for crystal in drawn
    ]


def agreement(ours: Counter[Sites | None], theirs: Counter[Sites | None]) -> float:
    """p-value of one law behind both; kinds with few expected counts are pooled."""
    share = theirs.total() / (theirs.total() + ours.total())
    rows: dict[object, list[int]] = {}
    for kind in ours.keys() | theirs.keys():
        common = (ours[kind] + theirs[kind]) * share >= 5
        row = rows.setdefault(kind if common else "rare", [0, 0])
        row[0] += ours[kind]
        row[1] += theirs[kind]
    assert len(rows) > 1
    return float(chi2_contingency(np.array(list(rows.values())).T).pvalue)


@pytest.mark.parametrize(
    ("formula", "units", "group", "n"),
    [("CaTiO3", 1, 221, 40), ("SiO2", 1, 164, 40)],
)
def test_sites_as_pyxtal_chooses_them(formula: str, units: int, group: int, n: int) -> None:
    one = recipe(formula, units, group)
    ours = Counter(occupied(crystal, group) for crystal in many(one, 20 * n, seed=3))
    theirs = Counter(by_pyxtal(one, n, seed=4))
    assert agreement(ours, theirs) > 1e-3


CASES = [
    ("NaCl", 1, 160), ("CaTiO3", 2, 14), ("CaTiO3", 4, 62), ("MgAl2O4", 2, 227), ("SiO2", 3, 152),
    ("CaTiO3", 2, 1), ("CaTiO3", 2, 139), ("CaTiO3", 2, 166), ("MgAl2O4", 4, 43), ("Li3N", 2, 5),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "units", "group"), CASES)
def test_group_composition_volume_and_distances(formula: str, units: int, group: int) -> None:
    one = recipe(formula, units, group)
    made = [crystal for crystal in many(one, 40, seed=5) if crystal is not None]
    assert len(made) >= 30
    order = max(site.multiplicity for site in sites(group).values())
    for crystal in made:
        atoms = crystal.atoms
        assert Composition.of(atoms) == Composition.parse(formula) or units > 1
        symbols = atoms.get_chemical_symbols()
        assert [symbols.count(s) for s in one.symbols] == list(one.counts)
        assert atoms.cell.volume == pytest.approx(one.volume)
        assert keeps_apart(atoms, separation=0.6)
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        dataset = spglib.get_symmetry_dataset(cell, symprec=1e-4)
        assert len(dataset.rotations) % order == 0
        for a, b in zip(dataset.equivalent_atoms, range(len(atoms)), strict=True):
            assert atoms.numbers[a] == atoms.numbers[b]
        assert (atoms.get_scaled_positions(wrap=False) > -1e-9).all()


def test_a_crystal_does_not_depend_on_its_company() -> None:
    recipes = [recipe(f, u, g) for f, u, g in CASES]
    seeds = np.random.default_rng(8).integers(2**32, size=len(recipes)).tolist()

    def fresh(k: int) -> Recipe:
        return replace(recipes[k], rng=np.random.default_rng(seeds[k]))

    together = draw_crystals([fresh(k) for k in range(len(recipes))])
    alone = [draw_crystals([fresh(k)])[0] for k in reversed(range(len(recipes)))][::-1]
    assert sum(crystal is not None for crystal in together) >= 9
    for a, b in zip(together, alone, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert a.letters == b.letters
            np.testing.assert_allclose(a.atoms.positions, b.atoms.positions, atol=1e-10)
            np.testing.assert_allclose(a.atoms.cell.array, b.atoms.cell.array, atol=1e-10)


def test_free_coordinates_are_even() -> None:
    """One orbit on x, x, z in a cell so wide that nothing is rejected or merged."""
    tiny = np.full((1, 1), 0.01)
    one = recipe("Cu", 1, 99, symbols=("Cu",), counts=(4,), volume=4000.0, least=tiny)
    table = [crystal for crystal in many(one, 2500, seed=6) if crystal is not None]
    rows = [c for c in table if set(c.letters) == {"d"}]
    assert len(rows) > 200
    # The four-fold axis of 4mm keeps z; x of the first atom, whichever cell was chosen.
    x = [abs(c.atoms.get_scaled_positions()[0] @ c.atoms.cell.array)[:2].min() for c in rows]
    edge = [np.sqrt(np.linalg.norm(np.cross(*_in_plane(c.atoms.cell.array)))) for c in rows]
    folded = np.array(x) / np.array(edge)
    folded = np.abs(folded - np.round(folded)) * 2
    assert kstest(folded, "uniform").pvalue > 1e-3


def _in_plane(cell: np.ndarray) -> np.ndarray:
    """The two vectors of a tetragonal cell normal to its unique axis, which is along z."""
    return cell[np.argsort(np.abs(cell[:, 2]))[:2]]


def test_no_room_is_none() -> None:
    assert many(recipe("CaTiO3", 1, 221, volume=15.0), 5, seed=0) == [None] * 5
    assert many(recipe("CaTiO3", 1, 221, volume=0.5), 5, seed=0) == [None] * 5
    assert draw_crystals([]) == []


def test_separations_of_pairs() -> None:
    composition = Composition.parse("NaCl")
    pairs = LeastDistances.parse("Cl-Cl=3.2,Na-Cl=2.6,Cs-I=9.0")
    least = pairs.least(composition.elements, separation=0.6)
    one = recipe("NaCl", 2, 62, least=least, space_group=33, counts=(4, 4), volume=180.0)
    assert can_hold(33, (4, 4))
    made = [crystal.atoms for crystal in many(one, 30, seed=1) if crystal is not None]
    assert len(made) > 20
    closest: dict[str, list[float]] = {"ClCl": [], "ClNa": [], "NaNa": []}
    for atoms in made:
        assert keeps_distances(atoms, composition.elements, least)
        symbols = np.array(atoms.get_chemical_symbols())
        distances = pair_distances(atoms)
        for name in closest:
            rows, columns = symbols == name[:2], symbols == name[2:]
            closest[name].append(distances[rows][:, columns].min())
    assert min(closest["ClCl"]) >= 3.2
    assert min(closest["ClNa"]) >= 2.6
    assert min(closest["NaNa"]) < 2.6


def test_nearest_images() -> None:
    """Against all pairs of ASE's own, in reduced cells from compact to thin."""
    rng = np.random.default_rng(0)
    for crystal in many(recipe("CaTiO3", 2, 1), 20, seed=2):
        assert crystal is not None
        cell = crystal.atoms.cell.array
        delta = rng.uniform(-3, 3, size=(1, 30, 3))
        steps = np.stack(np.meshgrid(*[range(-6, 7)] * 3), axis=-1).reshape(-1, 3)
        expected = (((delta[0][:, None] + steps) @ cell) ** 2).sum(axis=-1).min(axis=1)
        found = nearest_squares(delta, cell[None], axes=np.ones(3, dtype=bool))[0]
        np.testing.assert_allclose(found, expected, atol=1e-9)
