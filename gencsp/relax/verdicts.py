"""When a structure is no longer one: the limits beyond which numbers mean nothing.

A potential trained on crystals gives energies for anything, and the lowest for what it knows least.
These checks turn such structures into verdicts, the same for every engine.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS
from gencsp.relax.result import Outcome

#: Å³/atom. Hydrogen at hundreds of GPa has about 2; no element is denser.
MIN_VOLUME_PER_ATOM = 1.0
#: Å³/atom. Caesium, the widest solid, has 115; beyond this atoms no longer see each other.
MAX_VOLUME_PER_ATOM = 1000.0
#: Å. Shortest lattice vector; the shortest bond of all, H-H, is 0.74.
MIN_LATTICE_VECTOR = 0.5
#: Å. Two nuclei closer than this are a hole of the potential, not a bond.
MIN_DISTANCE = 0.5
#: Steps over which a structure must have come half way to the ceiling to be let go on.
PATIENCE = 20

_NUMBERS = np.array([atomic_numbers[symbol] for symbol in ELEMENTS])


def check_input(atoms: Atoms) -> Outcome | None:
    """The verdict on a structure that cannot even be started with, or ``None``.

    Slabs and molecules are not periodic in three directions. Bad input: no atoms, elements outside
    :data:`gencsp.composition.ELEMENTS`, no volume, or numbers that are not finite. A cell too small
    for its atoms has collapsed; whether one is too wide is for the engine to say, which sees
    isolated atoms.
    """
    if len(atoms) > 0 and not atoms.pbc.all():
        return Outcome.NOT_PERIODIC
    sound = (
        len(atoms) > 0
        and bool(np.isin(atoms.numbers, _NUMBERS).all())
        and bool(np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all())
        and atoms.cell.rank == 3
        and atoms.cell.volume > 1e-6
    )
    if not sound:
        return Outcome.BAD_INPUT
    collapsed = bool(have_collapsed(atoms.cell.array[None], np.array([len(atoms)]))[0])
    return Outcome.EXPLODED if collapsed else None


def have_collapsed(cells: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each cell is too small for its atoms; cells (b, 3, 3) in Å, sizes (b,)."""
    per_atom = np.abs(np.linalg.det(cells)) / sizes
    shortest = np.linalg.norm(cells, axis=2).min(axis=1)
    return np.asarray((per_atom < MIN_VOLUME_PER_ATOM) | (shortest < MIN_LATTICE_VECTOR))


def have_exploded(cells: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each cell is too wide for its atoms; cells (b, 3, 3) in Å, sizes (b,)."""
    return np.asarray(np.abs(np.linalg.det(cells)) / sizes > MAX_VOLUME_PER_ATOM)


def is_hopeless(enthalpies: list[float], ceiling: float) -> bool:
    """Whether a structure stays above ``ceiling``; both in eV/atom, enthalpies step by step.

    It does when it has never been below and its last :data:`PATIENCE` steps brought it less than
    half of the way that remains.
    """
    if len(enthalpies) <= PATIENCE or min(enthalpies) <= ceiling:
        return False
    gained = enthalpies[-1 - PATIENCE] - enthalpies[-1]
    return gained < 0.5 * (enthalpies[-1] - ceiling)
