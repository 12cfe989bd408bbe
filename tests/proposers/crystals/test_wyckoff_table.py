"""The shipped table of Wyckoff positions, and what compositions they hold, against PyXtal."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pyxtal.symmetry import Group

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.occupancy import can_be_rigid, can_hold
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.crystals.wyckoff_table import choice_table, merge_table, wyckoff_table


def test_all_positions_are_those_of_pyxtal() -> None:
    table = wyckoff_table()
    for number in range(1, 231):
        nodes = round(1 / np.linalg.det(PRIMITIVE[centring(number)]))
        positions = table.positions(number)
        reference = Group(number).Wyckoff_positions
        assert [p.letter for p in reference] == [table.letter[k] for k in positions]
        for k, position in zip(positions, reference, strict=True):
            assert position.multiplicity == table.multiplicity[k] * nodes
            assert position.get_dof() == table.n_free[k]
            ours = slice(table.first_op[k], table.first_op[k + 1])
            matrices = np.array([op.affine_matrix for op in position.ops])
            first = matrices[0]
            np.testing.assert_allclose(table.rotations[ours][0], first[:3, :3], atol=1e-12)
            np.testing.assert_allclose(table.translations[ours][0], first[:3, 3], atol=1e-6)


@pytest.mark.parametrize("number", [5, 38, 62, 139, 166, 194, 216, 227])
def test_orbits_are_those_of_pyxtal(number: int) -> None:
    """With the copies that the centring makes, the same atoms of the conventional cell."""
    point = np.array([0.137, 0.291, 0.618])
    to_primitive = np.linalg.inv(PRIMITIVE[centring(number)])
    for position in Group(number).Wyckoff_positions:
        theirs = position.apply_ops(point) @ to_primitive
        ours = sites(number)[position.letter].orbit(point) @ to_primitive
        delta = theirs[:, None] - ours[None]
        near = (np.abs(delta - np.round(delta)) < 1e-4).all(axis=-1)
        assert (near.sum(axis=1) == 1).all()
        assert (near.sum(axis=0) == len(theirs) / len(ours)).all()


@pytest.mark.parametrize("number", [1, 2, 14, 47, 62, 139, 147, 191, 216, 221, 225, 227, 229])
def test_what_a_group_holds(number: int) -> None:
    group = Group(number)
    nodes = round(1 / np.linalg.det(PRIMITIVE[centring(number)]))
    for counts in product((1, 2, 3, 4), (1, 2, 6)):
        compatible, _ = group.check_compatible([n * nodes for n in counts])
        assert can_hold(number, counts) == compatible


def test_rigid_only_where_it_can_be() -> None:
    assert can_be_rigid(225, (1, 1))
    assert can_be_rigid(221, (1, 1, 3))
    assert not can_be_rigid(221, (1, 1, 12))
    assert can_hold(221, (1, 1, 12))
    assert not can_be_rigid(1, (1,))


def test_choices_and_merges_stay_within_the_group() -> None:
    table, choices, merges = wyckoff_table(), choice_table(), merge_table()
    for number in range(1, 231):
        positions = table.positions(number)
        sizes = table.multiplicity[positions.start : positions.stop]
        for missing in (1, 2, 3, 6, 48):
            fits = [k for k, m in zip(positions, sizes, strict=True) if m <= missing]
            assert list(range(choices.start[number, missing], positions.stop)) == fits
        for k, m in zip(positions, sizes, strict=True):
            tier = [j for j, n in zip(positions, sizes, strict=True) if n == m]
            assert choices.tier_end[k] == tier[-1] + 1
            lower = {j for j, n in zip(positions, sizes, strict=True) if n < m}
            assert set(merges.position[merges.first[k] : merges.end[k]].tolist()) == lower


def test_merging_vector_leads_to_the_position() -> None:
    """Of rocksalt's 8 c or lower: the point moved by the vector lies on the generator's locus."""
    table, merges = wyckoff_table(), merge_table()
    point = np.array([0.21, 0.33, 0.47])
    general = table.positions(225).start
    for row in range(merges.first[general], merges.end[general], 7):
        moved = table.rotations[merges.op[row]] @ point + table.translations[merges.op[row]]
        target = moved + merges.maps[row] @ point + merges.shifts[row]
        generator = table.first_op[merges.position[row]]
        again = table.rotations[generator] @ target + table.translations[generator]
        np.testing.assert_allclose(again, target, atol=1e-12)
