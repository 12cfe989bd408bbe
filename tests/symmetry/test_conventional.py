"""The conventional cell, against crystals whose cells are known."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.similarity import same_crystal
from gencsp.symmetry.refinement import conventional, space_group


@pytest.mark.parametrize(
    ("atoms", "size", "lengths"),
    [
        (bulk("NaCl", "rocksalt", a=5.64), 8, (5.64, 5.64, 5.64)),
        (bulk("Fe", "bcc", a=2.87), 2, (2.87, 2.87, 2.87)),
        (bulk("Mg", "hcp", a=3.21, c=5.21), 2, (3.21, 3.21, 5.21)),
    ],
)
def test_known_crystals(atoms: Atoms, size: int, lengths: tuple[float, ...]) -> None:
    atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    made = conventional(atoms)
    assert made is not None
    assert len(made) == size
    assert made.cell.lengths() == pytest.approx(lengths)
    assert same_crystal(made, atoms)
    assert space_group(made, symprec=1e-5) == space_group(atoms)


def test_noise_is_symmetrised_away() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.01, rng=np.random.RandomState(0))
    made = conventional(atoms)
    assert made is not None
    assert space_group(made, symprec=1e-5).number == 225


def test_without_symmetry_there_is_none() -> None:
    places = np.random.default_rng(0).random((5, 3))
    atoms = Atoms("LiNaKRbCs", scaled_positions=places, cell=[5, 6, 7, 80, 85, 95], pbc=True)
    assert conventional(atoms) is None
