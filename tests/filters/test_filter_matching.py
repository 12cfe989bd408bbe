"""Frameworks, prototypes, uniqueness and novelty: what is the same crystal, and what is not."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from known_crystals import known, uneven

from gencsp.errors import StructureFileError
from gencsp.filters import get_filter
from gencsp.filters.frameworks import Framework
from gencsp.filters.matching import Candidate, interchangeable, same
from gencsp.filters.novelty import reference_structures
from gencsp.filters.prototypes import shipped_prototypes, unmatched_shares
from gencsp.io.packed import PackedStructures, pack


def test_frameworks_are_blind_to_species_and_size() -> None:
    diamond = Framework.of(bulk("Si", "diamond", a=5.43))
    blende = Framework.of(bulk("GaAs", "zincblende", a=5.65))
    assert diamond.matches(blende)
    np.testing.assert_allclose(diamond.fingerprint, blende.fingerprint, atol=1e-6)
    salt = Framework.of(known()["MgO"])
    assert not salt.matches(diamond)
    # The cell is primitive as the species have it: rock salt keeps two atoms, simple cubic has one.
    assert len(salt) == 2
    assert not salt.matches(Framework.of(bulk("Po", "sc", a=3.35)))


@pytest.mark.parametrize("name", ["MgO", "CsCl", "C", "SrTiO3", "MgAl2O4"])
def test_common_prototypes_are_known(name: str) -> None:
    verdict = get_filter("prototypes").judge(known()[name])
    assert not verdict.passed
    assert 1 <= verdict.value <= 100
    assert verdict.note.startswith("as ")


def test_other_frameworks_are_not() -> None:
    rng = np.random.default_rng(2)
    places = rng.random((7, 3))
    odd = Atoms("Li2B2O3", scaled_positions=places, cell=[4.1, 5.3, 6.9, 81, 99, 94], pbc=True)
    verdict = get_filter("prototypes", {"search": 1000}).judge(odd)
    assert verdict.passed
    assert verdict.value == np.inf
    assert get_filter("aflow_prototypes").judge(odd).passed


def test_prototypes_are_ranked() -> None:
    table = shipped_prototypes()
    assert list(table.counts) == sorted(table.counts, reverse=True)
    assert len(set(table.names)) == len(table.names)
    assert table.first_match(Framework.of(known()["CsCl"]), within=1000) == next(
        table.matches(Framework.of(bulk("NiAl", "cesiumchloride", a=2.88)), within=1000)
    )


def test_aflow_prototypes() -> None:
    verdict = get_filter("aflow_prototypes").judge(known()["C"])
    assert not verdict.passed
    assert "Zincblende" in verdict.note


def test_unmatched_shares() -> None:
    shares = unmatched_shares([1, 3, 3, float("inf")], top=4)
    assert shares == [1, 0.75, 0.75, 0.25, 0.25]


def ordering(seed: int) -> Atoms:
    """CuAu on the sites of an fcc crystal: stacked layers (0) or a chessboard of columns (1)."""
    fcc = bulk("Cu", cubic=True, a=3.85)
    wide = fcc.repeat((2, 1, 1)) if seed else fcc
    heights = wide.positions[:, 2] if not seed else wide.positions[:, :2].sum(axis=1)
    layer = np.round(heights / (3.85 / 2)).astype(int)
    wide.numbers[(layer % 2 == 1) if not seed else (layer % 4 >= 2)] = 79
    return wide


def test_orderings_of_an_alloy_are_one_only_to_the_disordered_matcher() -> None:
    one, other = Candidate.of(ordering(0)), Candidate.of(ordering(1))
    assert one.formula == other.formula == "AuCu"
    assert not same(one, other, matching="ordered")
    assert same(one, other, matching="disordered")


def test_elements_that_replace_each_other() -> None:
    groups = interchangeable(_elements("Sr Ca Ti O"))
    assert [sorted(e.symbol for e in group) for group in groups] == [["Ca", "Sr", "Ti"]]
    assert interchangeable(_elements("Na Cl")) == []


def _elements(symbols: str) -> list:  # type: ignore[type-arg]
    from pymatgen.core import Element

    return [Element(symbol) for symbol in symbols.split()]


def test_uniqueness_counts_the_first() -> None:
    unique = get_filter("uniqueness")
    blende, wurtzite = bulk("ZnS", "zincblende", a=5.4), bulk("ZnS", "wurtzite", a=3.82, c=6.26)
    said = [unique.judge(a) for a in (blende, wurtzite, blende.repeat(2), known()["MgO"], wurtzite)]
    assert [v.passed for v in said] == [True, True, False, True, False]
    assert said[2].note == "as structure 1"
    assert said[4].note == "as structure 2"


def test_novelty() -> None:
    judge = get_filter("novelty").judge
    assert not judge(known()["MgO"]).passed
    assert not judge(known()["SrTiO3"].repeat((1, 1, 2))).passed
    layered = Atoms("MgO", positions=[(0, 0, 0), (0, 0, 2)], cell=[2.1, 2.1, 12], pbc=True)
    assert judge(layered).passed
    assert judge(uneven(0)[:3]).passed


def test_novelty_against_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.extxyz"
    ase.io.write(path, [bulk("ZnS", "zincblende", a=5.4)])
    judge = get_filter("novelty", {"reference": path}).judge
    assert not judge(bulk("ZnS", "zincblende", a=5.5)).passed
    assert judge(bulk("ZnS", "wurtzite", a=3.82, c=6.26)).passed
    assert judge(known()["MgO"]).passed
    empty = tmp_path / "none.cif"
    empty.write_text("")
    with pytest.raises(StructureFileError, match=r"none\.cif"):
        get_filter("novelty", {"reference": empty}).judge(known()["MgO"])


def test_packed_structures_come_back() -> None:
    packed = PackedStructures(pack([*known().values(), uneven(3)]))
    for k, atoms in enumerate([*known().values(), uneven(3)]):
        back = packed[k]
        np.testing.assert_array_equal(back.numbers, atoms.numbers)
        np.testing.assert_allclose(back.cell.cellpar(), atoms.cell.cellpar(), atol=6e-4)
        apart = back.get_scaled_positions() - atoms.get_scaled_positions()
        np.testing.assert_allclose(apart - np.round(apart), 0, atol=2e-5)
    oxide = next(iter(reference_structures().of_formula("MgO")))
    assert oxide.get_chemical_formula(empirical=True) == "MgO"
