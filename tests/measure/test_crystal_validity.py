"""Validity of structures and compositions is that of CDVAE."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from ase.formula import Formula
from cdvae_crystals import REFERENCE, crystals
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.measure.element_tables import element_tables
from gencsp.measure.validity import compositionally_valid, structurally_valid


def numbers_of(formula: str) -> list[int]:
    counts = Formula(formula).count()
    return [atomic_numbers[symbol] for symbol, n in counts.items() for _ in range(n)]


@pytest.mark.parametrize(
    ("formula", "valid"),
    [
        ("NaCl", True),
        ("TiO2", True),
        ("CaTiO3", True),
        ("C24", True),  # one element
        ("Cu3Au", True),  # metals alone
        ("Na2Cl", False),  # no state of Na or Cl
        ("NaClO", True),
        ("AlF", True),
        ("AlF4", False),
        ("Fe3O4", False),  # all atoms of an element have one state
        ("ArO", False),  # argon has no state
        ("HeNaCl", False),
    ],
)
def test_compositions_that_one_can_judge(formula: str, valid: bool) -> None:
    assert compositionally_valid(numbers_of(formula)) is valid


def test_compositions_are_judged_as_by_the_program_of_cdvae() -> None:
    wrong = [
        (elements, counts)
        for elements, counts, valid in REFERENCE["compositions"]
        if compositionally_valid(np.repeat(elements, counts)) is not valid
    ]
    assert wrong == []
    assert {row[2] for row in REFERENCE["compositions"]} == {True, False}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(range(1, 84)), st.integers(1, 6), min_size=2, max_size=4),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_the_rule_is_that_of_all_ways_to_choose_states(
    counts: dict[int, int], multiple: int, random: object
) -> None:
    """Written out as SMACT does; order and number of formula units do not matter."""
    tables = element_tables()
    numbers = [z for z, n in counts.items() for _ in range(n * multiple)]
    random.shuffle(numbers)  # type: ignore[attr-defined]
    elements = list(counts)
    expected = set(elements) <= tables.metals
    for states in product(*(tables.oxidation_states[z] for z in elements)):
        pairs = [
            (tables.electronegativity.get(a), tables.electronegativity.get(b))
            for a, s in zip(elements, states, strict=True)
            for b, t in zip(elements, states, strict=True)
            if s > 0 > t
        ]
        apart = all(a is None or b is None or a < b for a, b in pairs)
        neutral = sum(s * n for s, n in zip(states, counts.values(), strict=True)) == 0
        expected = expected or (neutral and apart)
    assert compositionally_valid(numbers) is expected


def test_structures() -> None:
    for name, atoms in crystals().items():
        assert structurally_valid(atoms), name
    near = Atoms("H2", positions=[(0, 0, 0), (0, 0, 0.501)], cell=[4] * 3, pbc=True)
    assert structurally_valid(near)
    near.positions[1, 2] = 0.499
    assert not structurally_valid(near)
    # The neighbour is across the border of the cell.
    near.positions[:] = [(0, 0, 0.1), (0, 0, 3.7)]
    assert not structurally_valid(near)
    near.positions[1, 2] = 3.5
    assert structurally_valid(near)
    near.positions[1, 2] = np.nan
    assert not structurally_valid(near)


@pytest.mark.parametrize(
    ("edges", "valid"), [((0.6, 0.6, 0.6), True), ((0.49, 5, 5), False), ((0.5, 0.5, 0.39), False)]
)
def test_cells(edges: tuple[float, ...], valid: bool) -> None:
    assert structurally_valid(Atoms("H", cell=edges, pbc=True)) is valid


def test_flat_cells_are_judged_at_once() -> None:
    """Two long edges nearly along each other: no image is near, or the volume is too small."""
    flat = bulk("Cu")
    flat.set_cell([[50, 0, 0], [50, 1e-6, 0], [0, 0, 50]], scale_atoms=True)
    assert not structurally_valid(flat)
    collapsed = Atoms("H", cell=[[20, 0, 0], [20, 0.01, 0], [0, 0, 20]], pbc=True)
    assert not structurally_valid(collapsed)  # an image is 0.01 Å away
