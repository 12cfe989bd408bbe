"""Distances against ASE's own, and the verdicts that follow from them."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk

from gencsp.composition import Composition
from gencsp.proposers.checks import has_composition, keeps_apart


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
