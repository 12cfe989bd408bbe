"""Moves of rigid units: what they keep, what they change, and what they refuse."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from unit_salts import ammonium_chloride, bond_lengths, sodium_amide

from gencsp.errors import UnitError
from gencsp.searches.moves import get_move, move_names
from gencsp.searches.moves.base import Tools
from gencsp.testing import check_move
from gencsp.units.members import Members, has_units

#: Moves of units, and the moves of atoms that keep units whole.
OF_UNITS = ("exchange-units", "flip-unit", "rotate-unit", "translate-unit")
KEEPING = (*OF_UNITS, "rattle", "strain")


def child_of(name: str, parent: Atoms, seed: int, **tools: object) -> Atoms:
    move = get_move(name)
    assert move.applies((parent,))
    rng = np.random.default_rng(seed)
    for _ in range(20):
        child = move((parent,), rng=rng, tools=Tools(**tools))  # type: ignore[arg-type]
        if child is not None:
            return child
    raise AssertionError(f"{name} made nothing")


def test_the_moves_that_keep_units_are_these() -> None:
    assert {name for name in move_names() if get_move(name).keeps_units} == set(KEEPING)


@pytest.mark.parametrize("name", KEEPING)
def test_the_contract_holds(name: str) -> None:
    wrapped = sodium_amide()
    wrapped.wrap()
    check_move(get_move(name), [wrapped])


@pytest.mark.parametrize("name", KEEPING)
@given(seed=st.integers(0, 10_000), shift=st.tuples(*[st.floats(0, 1)] * 3))
@settings(max_examples=10, deadline=None)
def test_bonds_and_counts_are_kept_wherever_the_cell_cuts_units(
    name: str, seed: int, shift: tuple[float, float, float]
) -> None:
    parent = sodium_amide()
    parent.positions += np.array(shift) @ parent.cell.array
    parent.wrap()
    child = child_of(name, parent, seed)
    np.testing.assert_allclose(bond_lengths(child), 1.03, atol=1e-9)
    assert Counter(child.symbols) == Counter(parent.symbols)
    before, after = Members.of(parent), Members.of(child)
    assert before.names == after.names
    if name in OF_UNITS:
        np.testing.assert_array_equal(child.cell.array, parent.cell.array)
    again = child_of(name, parent, seed)
    np.testing.assert_array_equal(child.positions, again.positions)


def changed(name: str, seed: int = 0, **options: object) -> tuple[Members, Members]:
    parent = sodium_amide()
    text = ",".join(f"{key}={value}" for key, value in options.items())
    move = get_move(f"{name}:{text}" if text else name)
    child = move((parent,), rng=np.random.default_rng(seed), tools=Tools())
    assert child is not None
    return Members.of(parent), Members.of(child)


def test_a_rotation_leaves_the_centres_and_turns_one_unit() -> None:
    before, after = changed("rotate-unit", more=0, least=30, most=40)
    np.testing.assert_allclose(after.centres, before.centres, atol=1e-12)
    turned = np.abs(after.arms - before.arms).max(axis=1) > 1e-9
    (unit,) = set(before.unit[turned].tolist())
    one, other = before.arms[before.atoms[unit]], after.arms[before.atoms[unit]]
    matrix = np.linalg.lstsq(
        np.vstack([one, np.cross(one[1], one[2])]),
        np.vstack([other, np.cross(other[1], other[2])]),
        rcond=None,
    )[0]
    angle = np.degrees(np.arccos((np.trace(matrix) - 1) / 2))
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert 30 <= angle <= 40


def test_a_translation_leaves_the_orientations_and_moves_one_unit() -> None:
    kinds = set()
    for seed in range(30):
        before, after = changed("translate-unit", seed)
        np.testing.assert_allclose(after.arms, before.arms, atol=1e-12)
        (unit,) = np.flatnonzero(np.abs(after.centres - before.centres).max(axis=1) > 1e-9)
        kinds.add(before.names[unit])
    assert kinds == {"Na", "NH2"}


def test_a_unit_moves_into_a_hole() -> None:
    """In the CsCl arrangement with a vacancy in eight, the hole is where the vacancy is."""
    parent = ammonium_chloride()
    big = Atoms("Na2", positions=[[0, 0, 0], [0.3, 0, 0]], cell=[6, 6, 6], pbc=True)
    big.set_array("unit", np.arange(2))
    big.set_array("unit_atom", np.zeros(2, dtype=int))
    big.info["unit_names"] = "Na;Na"
    off = []
    for seed in range(20):
        move = get_move("translate-unit:holes=1")
        child = move((big,), rng=np.random.default_rng(seed), tools=Tools())
        assert child is not None
        off.append(child.get_distance(0, 1, mic=True))
    assert np.mean(off) > 4.3  # the farthest is 5.2, a random place 2.9 on the average
    assert get_move("translate-unit").applies((parent,))


def test_an_exchange_swaps_centres_of_two_kinds() -> None:
    before, after = changed("exchange-units", more=0)
    np.testing.assert_allclose(after.arms, before.arms, atol=1e-12)
    one, other = np.flatnonzero(np.abs(after.centres - before.centres).max(axis=1) > 1e-9)
    assert {before.names[one], before.names[other]} == {"Na", "NH2"}
    np.testing.assert_allclose(after.centres[[one, other]], before.centres[[other, one]])


def test_a_flip_inverts_a_unit_or_reverses_its_axis() -> None:
    inverted, reversed_ = 0, 0
    for seed in range(30):
        before, after = changed("flip-unit", seed)
        np.testing.assert_allclose(after.centres, before.centres, atol=1e-12)
        turned = np.abs(after.arms - before.arms).max(axis=1) > 1e-9
        (unit,) = set(before.unit[turned].tolist())
        rows = before.atoms[unit]
        one, other = before.arms[rows], after.arms[rows]
        if np.allclose(other, -one):
            inverted += 1
            continue
        reversed_ += 1
        # The hydrogens of NH2 lie along the axis of most spread: they change places.
        along = one[1] - one[2]
        np.testing.assert_allclose(other[1] - other[2], -along, atol=1e-9)
    assert min(inverted, reversed_) > 5
    for seed in range(20):
        before, after = changed("flip-unit", seed, inversion="false")
        assert not any(
            np.allclose(after.arms[rows], -before.arms[rows]) for rows in before.atoms[4:]
        )


def test_strain_moves_the_centres_alone() -> None:
    before, after = changed("strain")
    parent, child = sodium_amide(), child_of("strain", sodium_amide(), 0)
    np.testing.assert_allclose(after.arms, before.arms, atol=1e-12)
    np.testing.assert_allclose(
        before.centres @ np.linalg.inv(parent.cell.array),
        after.centres @ np.linalg.inv(child.cell.array),
        atol=1e-12,
    )


def test_rattle_moves_atoms_of_units_as_far_as_others() -> None:
    rng = np.random.default_rng(1)
    move = get_move("rattle:least=0.05,most=0.05")
    parent = sodium_amide()
    before = Members.of(parent)
    centres, atoms = [], []
    for _ in range(60):
        child = move((parent,), rng=rng, tools=Tools())
        assert child is not None
        after = Members.of(child)
        centres.append(after.centres - before.centres)
        atoms.append((after.arms - before.arms)[4:])
    assert np.std(centres) == pytest.approx(0.05, rel=0.1)
    # Rotations about three axes, each moving the atoms by 0.05 Å, across the arms alone.
    assert np.sqrt((np.array(atoms) ** 2).sum(axis=-1).mean()) == pytest.approx(
        0.05 * 2**0.5, rel=0.1
    )


@pytest.mark.parametrize("name", OF_UNITS)
def test_a_structure_without_units_is_refused_with_what_to_do(name: str) -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    for call in (
        lambda: get_move(name).applies((salt,)),
        lambda: get_move(name)((salt,), rng=np.random.default_rng(0), tools=Tools()),
    ):
        with pytest.raises(UnitError, match=f"'{name}' acts on rigid units.*--units NH2"):
            call()


def test_what_a_move_cannot_change_it_does_not_apply_to() -> None:
    atoms = Atoms("Na2", positions=[[0, 0, 0], [2, 2, 2]], cell=[4] * 3, pbc=True)
    atoms.set_array("unit", np.arange(2))
    atoms.set_array("unit_atom", np.zeros(2, dtype=int))
    atoms.info["unit_names"] = "Na;Na"
    able = {name for name in OF_UNITS if get_move(name).applies((atoms,))}
    assert able == {"translate-unit"}
    rng = np.random.default_rng(0)
    assert get_move("rotate-unit")((atoms,), rng=rng, tools=Tools()) is None


def test_moves_of_atoms_forget_the_units() -> None:
    for name in ("swap", "void", "slabs", "permute"):
        assert not has_units(child_of(name, sodium_amide(), 0))
