"""Distances against ASE's own."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.descriptors.distances import COINCIDENT, any_coincident, min_height, pair_distances
from gencsp.proposers.crystals.lattice import Bravais, random_lattice


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6))
def test_distances_agree_with_ase(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    cell = random_lattice(15.0 * n, rng=rng, kind=Bravais.TRICLINIC_P).array
    skewed = np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ cell
    atoms = Atoms("H" * n, cell=skewed, pbc=True, scaled_positions=rng.normal(size=(n, 3)))
    distances = pair_distances(atoms)
    i, j, d = neighbor_list("ijd", atoms, cutoff=float(distances.max()) + 1e-6)
    expected = np.full((n, n), np.inf)
    np.minimum.at(expected, (i, j), d)
    np.testing.assert_allclose(distances, expected, atol=1e-9)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 6),
    gap=st.sampled_from([0.0, 1e-9, 0.5 * COINCIDENT, 0.999 * COINCIDENT, 1.001 * COINCIDENT, 0.1]),
    image=st.tuples(*[st.integers(-3, 3)] * 3),
)
def test_atoms_on_one_place_are_found_in_any_image(
    seed: int, n: int, gap: float, image: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(seed)
    cell = random_lattice(15.0 * n, rng=rng, kind=Bravais.TRICLINIC_P).array
    skewed = np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ cell
    corners = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0]])
    atoms = Atoms("H" * n, cell=skewed, pbc=True, scaled_positions=corners[[*range(n - 1), 0]])
    direction = rng.normal(size=3)
    atoms.positions[-1] += gap * direction / np.linalg.norm(direction) + image @ skewed
    atoms.translate(rng.choice([0.0, 1.0]) * rng.normal(size=3))
    assert any_coincident(atoms) == bool(pair_distances(atoms).min() < COINCIDENT)
    assert any_coincident(atoms) == (gap < COINCIDENT)


def test_single_atom_meets_its_own_image() -> None:
    assert pair_distances(bulk("Cu", "fcc", a=3.6))[0, 0] == pytest.approx(3.6 / np.sqrt(2))


def test_height_of_a_cell_is_what_reciprocal_vectors_say() -> None:
    cell = np.array([[3.0, 0, 0], [1.0, 4, 0], [-0.5, 0.7, 9]])
    expected = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max()
    assert min_height(cell) == pytest.approx(expected)
    assert min_height(-cell) == pytest.approx(expected)
