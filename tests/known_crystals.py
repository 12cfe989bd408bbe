"""Crystals whose values are known, and ways to write one crystal differently."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

RIGHT = [90, 90, 90]


def known() -> dict[str, Atoms]:
    """Rock salt, caesium chloride, diamond, perovskite, spinel, at measured lattice constants."""
    return {
        "MgO": bulk("MgO", "rocksalt", a=4.212),
        "CsCl": bulk("CsCl", "cesiumchloride", a=4.123),
        "C": bulk("C", "diamond", a=3.567),
        "SrTiO3": Atoms(
            crystal(
                ["Sr", "Ti", "O"],
                [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
                spacegroup=221,
                cellpar=[3.905] * 3 + RIGHT,
            )
        ),
        "MgAl2O4": Atoms(
            crystal(
                ["Mg", "Al", "O"],
                [(1 / 8, 1 / 8, 1 / 8), (0.5, 0.5, 0.5), (0.2624, 0.2624, 0.2624)],
                spacegroup=227,
                setting=2,
                cellpar=[8.083] * 3 + RIGHT,
                primitive_cell=True,
            )
        ),
    }


def uneven(seed: int) -> Atoms:
    """Perovskite in a skewed cell, its atoms shaken so far that no symmetry is left."""
    rng = np.random.default_rng(seed)
    atoms = known()["SrTiO3"]
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.08, 0.08, (3, 3))), True)
    atoms.rattle(0.15, rng=rng)
    return atoms


def rewritten(atoms: Atoms, seed: int) -> dict[str, Atoms]:
    """The same crystal: rotated, with another origin, in another order, in larger cells."""
    rng = np.random.default_rng(seed)
    turned, moved = atoms.copy(), atoms.copy()
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    turned.set_cell(atoms.cell.array @ rotation.T, scale_atoms=True)
    moved.positions += rng.uniform(-5, 5, 3)
    sheared = make_supercell(atoms, np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]]))
    return {
        "rotation": turned,
        "origin": moved,
        "order": atoms[rng.permutation(len(atoms))],
        "other vectors": sheared,
        "supercell": atoms.repeat((2, 1, 1)),
    }
