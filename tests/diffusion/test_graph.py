"""Radius graphs against ASE's neighbour list."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.graph import density_cutoff, radius_graph


def random_crystal(seed: int, n: int) -> Atoms:
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * rng.uniform(2.0, 9.0, 3) + rng.uniform(-1.0, 1.0, (3, 3))
    return Atoms("Si" * n, scaled_positions=rng.uniform(-2, 2, (n, 3)), cell=cell, pbc=True)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**20), sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_edges_are_those_of_ase(seed: int, sizes: list[int]) -> None:
    structures = [random_crystal(seed + k, n) for k, n in enumerate(sizes)]
    batch = CrystalBatch.from_atoms(structures)
    cutoff = torch.linspace(3.0, 5.0, len(structures), dtype=torch.float64)
    graph = radius_graph(batch, cutoff)
    first = 0
    for atoms, limit in zip(structures, cutoff.tolist(), strict=True):
        i, j, vector = neighbor_list("ijD", atoms, limit)
        mine = (graph.centre >= first) & (graph.centre < first + len(atoms))
        ours = np.column_stack(
            [graph.centre[mine] - first, graph.neighbour[mine] - first, graph.vector[mine]]
        )
        theirs = np.column_stack([i, j, vector])
        assert ours.shape == theirs.shape
        ordered = [a[np.lexsort(np.round(a, 6).T)] for a in (ours, theirs)]
        np.testing.assert_allclose(ordered[0], ordered[1], atol=1e-8)
        first += len(atoms)


def test_edges_come_sorted_by_centre() -> None:
    batch = CrystalBatch.from_atoms([bulk("NaCl", "rocksalt", a=5.6), bulk("Cu")])
    graph = radius_graph(batch, density_cutoff(batch, 2.1))
    assert (graph.centre.diff() >= 0).all()


@pytest.mark.parametrize("name", ["C", "Si", "Cs", "Cu"])
def test_density_cutoff_gives_every_crystal_a_like_number_of_neighbours(name: str) -> None:
    batch = CrystalBatch.from_atoms([bulk(name)])
    graph = radius_graph(batch, density_cutoff(batch, 2.1))
    degree = len(graph.centre) / len(batch.numbers)
    assert 4 / 3 * np.pi * 2.1**3 == pytest.approx(degree, rel=0.3)


def test_density_cutoff_is_that_of_the_supercell() -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6)
    supercell = make_supercell(cell, [[2, 1, 0], [0, 1, 0], [0, 0, 3]])
    cutoffs = density_cutoff(CrystalBatch.from_atoms([cell, supercell]), 2.1)
    assert cutoffs[0] == pytest.approx(float(cutoffs[1]))
