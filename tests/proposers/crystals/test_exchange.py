"""Exchanged elements: the rest of a known crystal stays, and what is left out is never made."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import spglib
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.exchange import exchanged
from gencsp.proposers.crystals.known_crystals import known_crystals
from gencsp.proposers.crystals.volume import predict_volume


def drawn(seed: int, **settings: object) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    made = (exchanged(rng, **settings) for _ in range(40))  # type: ignore[arg-type]
    return [atoms for atoms in made if atoms is not None]


def sites(atoms: Atoms) -> tuple[bytes, tuple[int, ...]]:
    """Coordinates, and which atoms are of one element, whichever that is."""
    kinds = {number: k for k, number in enumerate(dict.fromkeys(atoms.numbers.tolist()))}
    return (
        (np.round(1e3 * atoms.get_scaled_positions(wrap=False)).astype(int) % 1000).tobytes(),
        tuple(kinds[number] for number in atoms.numbers.tolist()),
    )


@pytest.fixture(scope="module")
def known() -> dict[tuple[bytes, tuple[int, ...]], list[Atoms]]:
    found: dict[tuple[bytes, tuple[int, ...]], list[Atoms]] = {}
    for template, elements in known_crystals().rows:
        atoms = known_crystals().crystal(template, elements)
        assert atoms is not None
        found.setdefault(sites(atoms), []).append(atoms)
    return found


def test_a_known_crystal_has_the_sites_and_the_shape_and_other_elements(
    known: dict[tuple[bytes, tuple[int, ...]], list[Atoms]],
) -> None:
    made = drawn(0)
    assert len(made) > 20
    for atoms in made:
        models = [
            one
            for one in known[sites(atoms)]
            if np.allclose(one.cell.angles(), atoms.cell.angles(), atol=1e-3)
            and np.allclose(
                one.cell.lengths() / one.cell.lengths()[0],
                atoms.cell.lengths() / atoms.cell.lengths()[0],
                atol=1e-4,
            )
        ]
        assert models
        # As much larger or smaller than predicted as one of them.
        excess = [
            one.get_volume() / len(one) / predict_volume(Composition.of(one)).value
            for one in (atoms, *models)
        ]
        assert min(abs(excess[0] / one - 1) for one in excess[1:]) < 1e-3
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        assert len(spglib.find_primitive(cell)[2]) == len(atoms)


@given(seed=st.integers(0, 10**6), most=st.integers(2, 12))
def test_cells_are_as_small_as_asked_for_and_the_seed_decides(seed: int, most: int) -> None:
    once, again = drawn(seed, most_atoms=most), drawn(seed, most_atoms=most)
    assert [a.symbols.get_chemical_formula() for a in once] == [
        a.symbols.get_chemical_formula() for a in again
    ]
    assert once
    assert all(len(atoms) <= most for atoms in once)


def test_formulas_that_are_left_out_are_not_made() -> None:
    free = [Composition.of(atoms).formula_key for atoms in drawn(3)]
    left_out = set(free[:10])
    kept = [Composition.of(atoms).formula_key for atoms in drawn(3, left_out=left_out)]
    assert kept == [one for one in free if one not in left_out]
    assert len(kept) < len(free)


def test_common_elements_take_more_places_than_rare_ones() -> None:
    counts: Counter[str] = Counter()
    for seed in range(25):
        for atoms in drawn(seed):
            counts.update(set(atoms.get_chemical_symbols()))
    assert set(counts) <= set(ELEMENTS)
    rare = sum(counts[symbol] for symbol in ("Pm", "Ac", "Pa", "Np", "He", "Ne", "Ar"))
    assert counts["O"] > 10 * max(rare, 1)
