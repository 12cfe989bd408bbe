"""Fingerprints: what they must not depend on, how little they may change, what they measure."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from disguise import disguised, random_crystal, skewed
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.similarity import fingerprint

seeds = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=25)


def unit(atoms: Atoms) -> float:
    return float((atoms.get_volume() / len(atoms)) ** (1 / 3))


@given(seeds)
@few
def test_the_same_in_any_description(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = random_crystal(rng)
    expected = fingerprint(atoms)
    # A spread of zero is the root of a rounding error.
    np.testing.assert_allclose(fingerprint(disguised(atoms, rng)), expected, atol=1e-7)


@given(seeds)
@few
def test_the_same_at_any_volume(seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = random_crystal(rng)
    scaled = atoms.copy()
    scaled.set_cell(rng.uniform(0.5, 2) * atoms.cell.array, scale_atoms=True)
    np.testing.assert_allclose(fingerprint(scaled), fingerprint(atoms), atol=1e-7)


@given(seeds, st.floats(1e-6, 0.3))
@few
def test_moves_of_atoms_change_it_at_most_twofold(seed: int, size: float) -> None:
    """Also through supercells: the atoms of each image move on their own."""
    rng = np.random.default_rng(seed)
    atoms = random_crystal(rng)
    moved = atoms.repeat((1, 2, 1))
    moves = rng.normal(size=(len(moved), 3))
    moves *= size / np.linalg.norm(moves, axis=1).max()
    moved.positions += moves
    # The mean and the spread of distances that change by at most 2 size, in units of length:
    # together they are a norm of those distances, so both together obey the bound.
    distance = np.linalg.norm(fingerprint(moved) - fingerprint(atoms))
    assert distance <= 2 * size / unit(atoms) * (1 + 1e-6) + 1e-7


@given(seeds, st.floats(1e-6, 0.02))
@few
def test_continuous_in_strain(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    atoms = random_crystal(rng)
    strain = rng.uniform(-size, size, (3, 3))
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    distance = np.linalg.norm(fingerprint(strained) - fingerprint(atoms))
    # Neighbours of this many lie within four units of length; a strain moves them in proportion.
    assert distance <= 8 * np.linalg.norm(strain, 2)


def test_entries_are_the_average_minimum_distances() -> None:
    """Against distances from ASE's neighbour list, species by species."""
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    i, j, d = neighbor_list("ijd", atoms, 14.0)
    expected = []
    neighbours = 12
    for b in (11, 17):
        blocks = []
        for a in (11, 17):
            rows = []
            for k in np.flatnonzero(atoms.numbers == a):
                rows.append(np.sort(d[(i == k) & (atoms.numbers[j] == b)])[: neighbours // 2])
            blocks.append(np.array(rows) / unit(atoms) * np.sqrt(0.25 / (neighbours // 2)))
        expected += [block.mean(axis=0) for block in blocks]
        expected += [block.std(axis=0) for block in blocks]
    found = fingerprint(atoms, neighbours=neighbours)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-12)


def test_needles_and_plates() -> None:
    """Far-apart images: as many neighbours as asked for, whatever the cell."""
    plate = Atoms("NaCl", positions=[[0, 0, 0], [1.5, 1.5, 1]], cell=[3, 3, 60], pbc=True)
    needle = Atoms("NaCl", positions=[[0, 0, 0], [15, 15, 1]], cell=[30, 30, 3], pbc=True)
    for atoms in (plate, needle):
        rng = np.random.default_rng(0)
        assert np.isfinite(fingerprint(atoms)).all()
        np.testing.assert_allclose(
            fingerprint(skewed(atoms, rng, 6)), fingerprint(atoms), atol=1e-7
        )


def test_tells_species_apart_unless_blind() -> None:
    rock_salt = bulk("NaCl", "rocksalt", a=5.6).repeat(2)
    swapped = rock_salt.copy()
    swapped.numbers[[0, 3]] = swapped.numbers[[3, 0]]
    assert np.linalg.norm(fingerprint(swapped) - fingerprint(rock_salt)) > 0.02
    blind = fingerprint(swapped, species_blind=True)
    np.testing.assert_allclose(blind, fingerprint(rock_salt, species_blind=True), atol=1e-7)


def test_tells_stackings_apart() -> None:
    """Face-centred and hexagonal close packing have the same twelve nearest neighbours."""
    cubic = fingerprint(bulk("Co", "fcc", a=3.5))
    hexagonal = fingerprint(bulk("Co", "hcp", a=2.5, c=2.5 * np.sqrt(8 / 3)))
    assert np.linalg.norm(cubic - hexagonal) > 0.02


@pytest.mark.parametrize(
    "atoms",
    [
        Atoms(cell=[3, 3, 3], pbc=True),
        Atoms("Na", cell=[3, 3, 0], pbc=True),
        Atoms("Na", positions=[[np.nan, 0, 0]], cell=[3, 3, 3], pbc=True),
    ],
)
def test_refuses_what_is_no_crystal(atoms: Atoms) -> None:
    with pytest.raises(StructureFileError, match="fingerprint"):
        fingerprint(atoms)


@given(seeds)
@few
def test_all_distances_give_what_a_tree_gives(seed: int) -> None:
    atoms = random_crystal(np.random.default_rng(seed))
    module = sys.modules["gencsp.similarity.fingerprint"]
    vectors: list[NDArray[np.float64]] = []
    for pairs in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "DENSE", pairs)
            vectors.append(fingerprint(atoms))
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=0, atol=1e-12)
