"""Distances against ASE's own, and the verdicts that follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.composition import Composition
from gencsp.diffusion.lattice import Bravais, random_lattice
from gencsp.proposers.checks import has_composition, keeps_apart, pair_distances


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


def test_single_atom_meets_its_own_image() -> None:
    assert pair_distances(bulk("Cu", "fcc", a=3.6))[0, 0] == pytest.approx(3.6 / np.sqrt(2))


def test_crowded_and_broken_structures_fail() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert keeps_apart(salt, separation=0.6)
    crowded = salt.copy()
    crowded.set_cell(salt.cell * 0.4, scale_atoms=True)
    assert not keeps_apart(crowded, separation=0.6)
    # Even without any separation asked for, no two nuclei are nearer than 0.5 Å.
    fused = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.49]], cell=[5, 5, 5], pbc=True)
    assert not keeps_apart(fused, separation=0.0)
    salt.positions[0, 0] = np.nan
    assert not keeps_apart(salt, separation=0.0)


def test_exact_composition() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert has_composition(salt, Composition.parse("NaCl"), (1, 2))
    assert not has_composition(salt, Composition.parse("NaCl"), (2,))
    assert not has_composition(salt, Composition.parse("NaCl2"), (1, 2))
