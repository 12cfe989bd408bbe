"""The baseline keeps its own law."""

from __future__ import annotations

import numpy as np
from ase.neighborlist import neighbor_list

from gencsp.measure.pseudo_random import pseudo_random, scattered


def test_law_of_pseudo_random_structures() -> None:
    rng = np.random.default_rng(1)
    made = [pseudo_random(rng) for _ in range(120)]
    sizes = np.array([len(atoms) for atoms in made])
    assert sizes.min() >= 1
    assert sizes.max() == 20
    # Even over 1 to 20: mean 10.5, standard error 5.8 / √120.
    assert abs(sizes.mean() - 10.5) < 4 * 5.8 / 120**0.5
    for atoms in made:
        assert atoms.pbc.all()
        assert 5 <= atoms.cell.volume / len(atoms) <= 30
        assert len(neighbor_list("i", atoms, 1.0)) == 0
    again = np.random.default_rng(1)
    assert all(pseudo_random(again) == atoms for atoms in made[:5])


def test_no_room() -> None:
    rng = np.random.default_rng(0)
    assert scattered(np.array(["Li"] * 9), np.eye(3) * 1.2, rng) is None
    # An atom whose own image is too near has no room either.
    assert scattered(np.array(["Li"]), np.diag([0.9, 5, 5]), rng) is None
