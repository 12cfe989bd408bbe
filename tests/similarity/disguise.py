"""The same crystal written down in another way."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk


def bare(atoms: Atoms) -> Atoms:
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def skewed(atoms: Atoms, rng: np.random.Generator, steps: int = 3) -> Atoms:
    """Another cell of the same lattice, of the same volume."""
    same = bare(atoms)
    for _ in range(steps):
        i, j = rng.permutation(3)[:2]
        cell = same.cell.array.copy()
        cell[i] += rng.choice([-2, -1, 1, 2]) * cell[j]
        same.set_cell(cell)
    return same


def disguised(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Supercell, skewed cell, rotation, perhaps reflection, origin and order of the atoms."""
    same = skewed(bare(atoms).repeat(rng.permutation([2, 1, 1])), rng)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    same.set_cell(same.cell.array @ rotation)
    same.positions = same.positions @ rotation + rng.normal(size=3)
    same.wrap()
    same.positions += rng.integers(-2, 3, (len(same), 3)) @ same.cell.array
    return same[rng.permutation(len(same))]


def random_crystal(rng: np.random.Generator, n: int = 6) -> Atoms:
    """Some arrangement of two or three species; nothing physical."""
    numbers = rng.choice([8, 22, 38], n)
    numbers[:2] = 8, 22
    cell = np.diag(rng.uniform(3, 6, 3)) + rng.uniform(-1, 1, (3, 3))
    return Atoms(numbers, scaled_positions=rng.random((n, 3)), cell=cell, pbc=True)


def polymorphs() -> list[Atoms]:
    """Three structures of ZnS and two other crystals."""
    return [
        bulk("ZnS", "zincblende", a=5.4),
        bulk("ZnS", "wurtzite", a=3.8, c=6.2),
        bulk("ZnS", "rocksalt", a=5.1),
        bulk("NaCl", "rocksalt", a=5.6),
        bulk("Si", "diamond", a=5.4),
    ]
