"""Moves: what they keep, what they change, and that they leave their parents alone."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.descriptors.distances import pair_distances
from gencsp.errors import RequestError
from gencsp.minimise.restraints import Symmetry
from gencsp.searches.moves import get_move, move_names
from gencsp.searches.moves.base import Tools, hold_symmetry
from gencsp.searches.moves.neighbour_group import cyclic_subgroup
from gencsp.searches.moves.renoise import Renoise
from gencsp.searches.moves.splice import AXES, OBLIQUE, join
from gencsp.searches.moves.void import hole
from gencsp.symmetry.refinement import space_group
from gencsp.testing import WrappedMixture

RUTILE = crystal(
    ["Ti", "O"],
    [(0, 0, 0), (0.305, 0.305, 0)],
    spacegroup=136,
    cellpar=[4.6, 4.6, 2.96, 90, 90, 90],
)
COLUMBITE = crystal(
    ["Ti", "O"],
    [(0, 0.178, 0.25), (0.272, 0.381, 0.414)],
    spacegroup=60,
    cellpar=[4.54, 5.5, 4.9, 90, 90, 90],
)
PARENTS = (RUTILE, COLUMBITE)
#: Those of rigid units are in test_unit_moves.py, those of DP-CDVAE in test_latent_moves.py.
OF_UNITS = ("exchange-units", "flip-unit", "rotate-unit", "translate-unit")
OWN_MODELS = ("latent-interpolation", "latent-neighbour")
ALONE = [
    name
    for name in move_names()
    if not get_move(name).needs_model and name not in ("transmute", *OWN_MODELS, *OF_UNITS)
]


def made(name: str, seed: int, parents: tuple[Atoms, ...] = PARENTS, **tools: Any) -> Atoms:
    """The first child that comes of a move."""
    rng = np.random.default_rng(seed)
    move = get_move(name)
    assert move.applies(parents[: move.n_parents])
    for _ in range(40):
        child = move(parents[: move.n_parents], rng=rng, tools=Tools(**tools))
        if child is not None:
            return child
    raise AssertionError(f"{name} made nothing")


@pytest.mark.parametrize("name", ALONE)
def test_a_move_keeps_the_atoms_and_leaves_the_parents(name: str) -> None:
    before = [parent.copy() for parent in PARENTS]
    for seed in range(5):
        child = made(name, seed)
        assert Counter(child.symbols) == Counter(RUTILE.symbols)
        assert child.pbc.all()
        assert np.isfinite(child.positions).all()
        assert child.cell.volume > 0
        assert not child.constraints
    for parent, copy in zip(PARENTS, before, strict=True):
        assert parent == copy


@pytest.mark.parametrize("name", ALONE)
def test_equal_generators_make_equal_children(name: str) -> None:
    one, other, third = made(name, 3), made(name, 3), made(name, 4)
    assert (one.positions == other.positions).all()
    assert (one.cell.array == other.cell.array).all()
    assert (one.numbers == other.numbers).all()
    same = one.positions.shape == third.positions.shape and np.allclose(
        one.positions, third.positions
    )
    assert not (same and (one.numbers == third.numbers).all())


@pytest.mark.parametrize("name", [n for n in ALONE if get_move(n).keeps_cell])
def test_a_fixed_cell_stays(name: str) -> None:
    strained = RUTILE.copy()
    strained.positions += 0.3
    child = made(name, 1, (RUTILE, strained), fixed_cell=True)
    np.testing.assert_allclose(child.cell.array, RUTILE.cell.array)


def test_swap_changes_species_alone_and_an_odd_number_of_places() -> None:
    child = made("swap", 2)
    np.testing.assert_array_equal(child.positions, RUTILE.positions)
    assert (child.numbers != RUTILE.numbers).sum() >= 2
    assert not get_move("swap").applies((bulk("Si"),))


def test_strain_keeps_fractions_and_nearly_the_volume() -> None:
    volumes = [made("strain", seed).cell.volume / RUTILE.cell.volume for seed in range(200)]
    assert abs(np.log(volumes).mean()) < 4 * 0.05 / math.sqrt(200)
    assert np.log(volumes).std() == pytest.approx(0.05, rel=0.25)
    child = made("strain", 0)
    np.testing.assert_allclose(
        child.get_scaled_positions(), RUTILE.get_scaled_positions(), atol=1e-10
    )


def test_a_hole_is_far_from_all_atoms() -> None:
    """A simple cubic crystal has one hole, in the middle of the cell."""
    atoms = Atoms("Po", cell=[3.4] * 3, pbc=True)
    off = [np.abs(hole(atoms, rng=np.random.default_rng(k)) / 3.4 - 0.5).max() for k in range(30)]
    assert np.mean(off) < 0.25  # uniform points would be at 0.375
    one_left = made("void", 0)
    moved = (~np.isclose(one_left.positions, RUTILE.positions)).any(axis=1)
    assert moved.sum() == 1


def test_slabs_keep_what_lies_within_a_slab() -> None:
    """Only reordered and shifted: the distances between atoms of one slab stay."""
    layers = Atoms("Li6", scaled_positions=[(0, 0, k / 6) for k in range(6)], cell=[3, 3, 12])
    layers.pbc = True
    child = made("slabs", 5, (layers,))
    heights = np.sort(child.get_scaled_positions()[:, 2])
    assert len(heights) == 6
    assert not np.allclose(child.positions, layers.positions)


@pytest.mark.parametrize("operation", [1, 3, 7, 13])
def test_a_cyclic_subgroup_is_closed_and_made_of_operations(operation: int) -> None:
    symmetry = Symmetry.of(hold_symmetry(RUTILE.copy(), 0.01))
    group = cyclic_subgroup(symmetry, operation)
    full = {
        (r.tobytes(), s.tobytes())
        for r, s in zip(symmetry.rotations, symmetry.sources, strict=True)
    }
    own = list(zip(group.rotations, group.sources, strict=True))
    assert {(np.round(r).tobytes(), s.tobytes()) for r, s in own} <= {
        (np.round(np.frombuffer(r)).reshape(3, 3).tobytes(), s) for r, s in full
    }
    assert len(symmetry.rotations) % len(own) == 0  # Lagrange


def test_neighbour_groups_are_subgroups_or_above() -> None:
    numbers = {
        space_group(made("neighbour-group", seed), symprec=1e-3).number for seed in range(20)
    }
    assert 136 not in numbers
    assert len(numbers) > 2
    orders = set()
    for seed in range(20):
        child = made("neighbour-group", seed)
        found = spglib.get_symmetry((child.cell.array, child.get_scaled_positions(), child.numbers))
        orders.add(len(found["rotations"]))
    assert all(16 % order == 0 for order in orders)


@given(seed=st.integers(0, 10**6), axis=st.booleans())
@settings(deadline=None, max_examples=10)
def test_joined_halves_come_from_their_own_side(seed: int, axis: bool) -> None:
    rng = np.random.default_rng(seed)
    joined = join(PARENTS, AXES if axis else OBLIQUE, rng=rng, fixed_cell=False)
    assert len(joined.numbers) == len(joined.inside) == len(RUTILE) + len(COLUMBITE)
    assert (joined.depth >= 0).all()
    assert (joined.depth <= 0.5).all()
    per_atom = abs(np.linalg.det(joined.cell)) / 9
    volumes = [p.cell.volume / len(p) for p in PARENTS]
    assert 0.3 * min(volumes) < per_atom < 3 * max(volumes)


def test_a_child_of_equal_parents_is_their_crystal() -> None:
    """Cut and joined without shifts a crystal would be itself; with them it has its volume."""
    child = made("heredity", 0, (RUTILE, RUTILE))
    assert child.cell.volume == pytest.approx(RUTILE.cell.volume)


def test_transmute_stays_in_the_system() -> None:
    kinds = Counter(
        str(made("transmute", seed, elements=("Ti", "O")).symbols.formula.reduce()[0])
        for seed in range(30)
    )
    assert len(kinds) >= 4
    sizes = {len(made("transmute", seed, elements=("Ti", "O"))) for seed in range(30)}
    assert sizes == {5, 6, 7}


@pytest.fixture(scope="module")
def model() -> WrappedMixture:
    """A model that knows one crystal: rutile, blurred."""
    return WrappedMixture.around([RUTILE], spread=0.05)


class Kept:
    """A maker of what is there already."""

    def __init__(self, model: WrappedMixture) -> None:
        self.model = model

    def __call__(self) -> WrappedMixture:
        return self.model


def test_renoised_crystals_come_back_to_what_the_model_knows(model: WrappedMixture) -> None:
    """From noise far below the distances between atoms every atom finds its own site."""
    rattled = RUTILE.copy()
    rattled.positions += np.random.default_rng(0).normal(scale=0.02, size=rattled.positions.shape)
    move = Renoise(least=0.2, most=0.3)
    for seed in range(4):
        child = move(
            (rattled,), rng=np.random.default_rng(seed), tools=Tools(score_model=Kept(model))
        )
        assert child is not None
        off = child.positions - RUTILE.positions
        assert np.linalg.norm(off, axis=1).max() < 0.3
        assert not np.allclose(child.positions, rattled.positions)
        assert not child.constraints


def test_repainting_keeps_the_rest(model: WrappedMixture) -> None:
    move = get_move("repaint")
    child = next(
        c
        for seed in range(20)
        if (
            c := move(
                (RUTILE,), rng=np.random.default_rng(seed), tools=Tools(score_model=Kept(model))
            )
        )
    )
    host = child.info["host_atoms"]
    assert 2 <= host <= 4
    kept = child[:host]
    everything = RUTILE + kept
    distances = pair_distances(everything)[len(RUTILE) :, : len(RUTILE)]
    assert (np.sort(distances, axis=1)[:, 0] < 1e-6).all()
    assert Counter(child.symbols) == Counter(RUTILE.symbols)


def test_a_model_that_is_missing_is_said() -> None:
    with pytest.raises(RequestError, match="score model"):
        made("renoise", 0)
    with pytest.raises(RequestError, match="there is no move 'warp'"):
        get_move("warp")
