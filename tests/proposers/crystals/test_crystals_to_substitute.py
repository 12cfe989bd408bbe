"""Known crystals: what the table of skeletons says of them, their coordinates say too."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources

import numpy as np
import pytest
import spglib
from ase.data import atomic_numbers
from hypothesis import given
from hypothesis import strategies as st

from gencsp.composition import ELEMENTS
from gencsp.proposers.crystals.known_crystals import GRID, KnownCrystals, known_crystals, pack
from gencsp.proposers.crystals.symmetry_prior import Family, symmetry_prior


def rows() -> list[tuple[Family, int, str]]:
    """Family, row and elements of all crystals of the table of skeletons."""
    return [
        (family, row, "".join(ELEMENTS[k] for k in family.elements[row]))
        for family in symmetry_prior().families.values()
        for row in range(len(family.templates))
    ]


def test_every_one_is_in_the_table_of_skeletons() -> None:
    skeletons = {(family.templates[row].name, elements) for family, row, elements in rows()}
    card = resources.files("gencsp").joinpath("data/symmetry_prior.card.json").read_text("utf-8")
    assert set(known_crystals().rows) <= skeletons
    assert len(known_crystals()) == json.loads(card)["facts"]["with_coordinates"] > 10_000


def test_numbers_volumes_and_symmetry_agree_with_the_skeletons() -> None:
    """Symmetry by spglib, of a sample; the others would take long."""
    rng = np.random.default_rng(0)
    every = [one for one in rows() if (one[0].templates[one[1]].name, one[2]) in known_crystals()]
    checked = Counter[bool]()
    for k in rng.permutation(len(every))[:300]:
        family, row, elements = every[k]
        template = family.templates[row]
        atoms = known_crystals().crystal(template.name, elements)
        assert atoms is not None
        own = [ELEMENTS[k] for k in family.elements[row]]
        numbers = {s: n for s, (n, _) in zip(own, template.roles, strict=True)}
        assert Counter(atoms.symbols) == numbers
        assert atoms.cell.volume / len(atoms) == pytest.approx(family.volumes[row], rel=0.01)
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        found = spglib.get_symmetry_dataset(cell, symprec=0.01)
        checked[found.number == template.space_group] += 1
    assert checked[True] >= 297  # the border of a tolerance is nowhere sharp


def test_one_that_is_not_there() -> None:
    assert known_crystals().crystal("225 1a 1b", "XeXe") is None
    assert ("225 1a 1b", "XeXe") not in known_crystals()


@given(
    cells=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_packed_is_read_again(cells: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = [
        (
            k % 2,
            f"X{k}",
            [3.0, 4.0, 5.0, 90.0, 100.0, 90.0],
            rng.random((n, 3)),
            rng.integers(1, 95, n),
        )
        for k, n in enumerate(cells)
    ]
    table = pack(["1 1a", "2 2i"], made)
    offsets = np.concatenate([[0], np.cumsum(table["sizes"], dtype=np.int64)])
    keys = {(["1 1a", "2 2i"][k], e): row for row, (k, e, *_) in enumerate(made)}
    crystals = KnownCrystals(keys, table["cells"], offsets, table["numbers"], table["grid"])
    for k, elements, cell, frac, numbers in made:
        atoms = crystals.crystal(["1 1a", "2 2i"][k], elements)
        assert atoms is not None
        np.testing.assert_array_equal(atoms.numbers, numbers)
        np.testing.assert_allclose(atoms.cell.cellpar(), cell, rtol=1e-6)
        delta = atoms.get_scaled_positions(wrap=False) - frac
        assert np.abs(delta - np.round(delta)).max() <= 0.5 / GRID


@pytest.mark.parametrize(
    "fraction", [1 / 2, 1 / 3, 2 / 3, 1 / 4, 3 / 4, 1 / 6, 1 / 8, 5 / 12, 1 / 16]
)
def test_special_positions_are_exact(fraction: float) -> None:
    numbers = np.array([atomic_numbers["Cu"]])
    row = (0, "Cu", [3.0, 3.0, 3.0, 90.0, 90.0, 90.0], np.full((1, 3), fraction), numbers)
    assert pack(["1 1a"], [row])["grid"][0] / GRID == pytest.approx([fraction] * 3, abs=1e-15)
