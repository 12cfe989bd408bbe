"""Mean displacements between crystals, against displacements that are known."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from gencsp.measure.displacement import mean_displacement

SALT = bulk("NaCl", "rocksalt", a=5.64).repeat((2, 1, 1))


def shaken(size: float) -> tuple[Atoms, float]:
    """A crystal and the mean displacement of its atoms about their mean, Å."""
    off = np.random.default_rng(0).normal(size=(len(SALT), 3))
    off -= off.mean(axis=0)
    off *= size / np.linalg.norm(off, axis=1).mean()
    moved = SALT.copy()
    moved.positions += off
    return moved, size


@pytest.mark.parametrize("size", [0.05, 0.4])
def test_it_is_that_of_the_atoms_however_the_crystal_is_written(size: float) -> None:
    moved, expected = shaken(size)
    assert mean_displacement(SALT, moved) == pytest.approx(expected, rel=1e-6)
    written = moved[[2, 3, 0, 1]]
    written.positions += [0.7, -0.4, 2.0]
    turn = Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    written.set_cell(1.1 * written.cell.array @ turn.T, scale_atoms=True)
    assert mean_displacement(SALT, written) == pytest.approx(expected, rel=1e-6)


def test_a_crystal_is_where_it_is_and_unlike_cells_do_not_compare() -> None:
    assert mean_displacement(SALT, SALT) == pytest.approx(0, abs=1e-9)
    flat = SALT.copy()
    flat.set_cell(flat.cell.array * [[1], [1], [6]], scale_atoms=True)
    assert np.isnan(mean_displacement(SALT, flat))
