"""Pseudo-random structures: the baseline that knows no chemistry.

Source: PIGEN, Methods, "Random structure generation", made there with AIRSS: 1 to 20 atoms, a list
of elements, a minimum separation of 1 Å. The paper says no more of the cell than "random-parameters
periodic box"; its lengths (ratios of 0.4 to 1), angles (60 to 120 degrees) and volume (5 to 30 Å³
per atom) are a choice of this module.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.cell import Cell

from gencsp.composition import ELEMENTS
from gencsp.descriptors.neighbours import pairs_within

#: Å: least distance of the paper's pseudo-random structures.
LEAST_DISTANCE = 1.0
#: Most atoms, volume per atom in Å³, and how often a place is tried for an atom.
MOST_ATOMS, VOLUMES, TRIES = 20, (5.0, 30.0), 100


def pseudo_random(rng: np.random.Generator) -> Atoms:
    """1-20 atoms, each of any of 89 elements; no two within 1 Å; random cell of 5-30 Å³ per atom.

    Args:
        rng: draws everything.
    """
    size = int(rng.integers(1, MOST_ATOMS + 1))
    while True:
        cell = Cell.fromcellpar([*rng.uniform(0.4, 1, 3), *rng.uniform(60, 120, 3)])
        if not cell.volume > 0.05:
            continue
        volume = size * rng.uniform(*VOLUMES)
        vectors = cell.array * (volume / cell.volume) ** (1 / 3)
        atoms = scattered(rng.choice(ELEMENTS, size), vectors, rng)
        if atoms is not None:
            return atoms


def scattered(
    symbols: np.ndarray, vectors: np.ndarray, rng: np.random.Generator, *, tries: int = TRIES
) -> Atoms | None:
    """Atoms placed one by one, evenly, none within 1 Å of another or of an image.

    Args:
        symbols: chemical symbols, shape (atoms,).
        vectors: lattice vectors in rows, Å, shape (3, 3).
        rng: draws the places.
        tries: places tried for an atom before giving up.

    Returns:
        The crystal, or ``None`` where an atom found no room.
    """
    atoms = Atoms(cell=vectors, pbc=True)
    for symbol in symbols:
        for _ in range(tries):
            atoms.append(symbol)
            atoms.positions[-1] = rng.random(3) @ vectors
            if len(pairs_within(atoms, LEAST_DISTANCE).distances) == 0:
                break
            del atoms[-1]
        else:
            return None
    return atoms
