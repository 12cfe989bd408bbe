"""Crystals from a space group, occupied Wyckoff sites and free parameters.

The tables are PyXtal's (:mod:`gencsp.proposers.crystals.wyckoff_table`), in the standard settings
of the International Tables (second origin, hexagonal axes, unique axis b), which are those of
:mod:`gencsp.proposers.crystals.lattice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.proposers.crystals.lattice import centring, primitive_cell
from gencsp.proposers.crystals.wyckoff_table import wyckoff_table

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One Wyckoff position.

    Attributes:
        letter: its letter.
        multiplicity: atoms of one orbit in the *primitive* cell.
        n_free: free coordinates, 0 to 3.
        rotations, translations: one orbit of the conventional cell, without the copies that the
            centring makes: fractional coordinates ``rotations @ u + translations`` of a point u,
            shapes (multiplicity, 3, 3) and (multiplicity, 3).
    """

    letter: str
    multiplicity: int
    n_free: int
    rotations: Array
    translations: Array

    def orbit(self, point: Array) -> Array:
        """Fractional coordinates in the conventional cell, shape (multiplicity, 3)."""
        return np.asarray(self.rotations @ point + self.translations)


@lru_cache(maxsize=230)
def sites(space_group: int) -> dict[str, Site]:
    """The Wyckoff positions of a space group by letter."""
    table = wyckoff_table()
    found = {}
    for k in table.positions(space_group):
        ops = slice(table.first_op[k], table.first_op[k + 1])
        letter = str(table.letter[k])
        found[letter] = Site(
            letter,
            int(table.multiplicity[k]),
            int(table.n_free[k]),
            table.rotations[ops],
            table.translations[ops],
        )
    return found


def build(
    space_group: int,
    conventional: Cell,
    occupied: Sequence[tuple[str, str]],
    *,
    rng: np.random.Generator,
) -> Atoms:
    """A crystal in its (Minkowski-reduced) primitive cell, free coordinates drawn evenly.

    Args:
        space_group: number.
        conventional: its conventional cell, see
            :func:`~gencsp.proposers.crystals.lattice.space_group_lattice`.
        occupied: (element symbol, Wyckoff letter) of every orbit.
        rng: advanced by three draws for each orbit.
    """
    table = sites(space_group)
    orbits = [table[letter].orbit(rng.random(3)) for _, letter in occupied]
    symbols = [symbol for (symbol, letter) in occupied for _ in range(table[letter].multiplicity)]
    atoms = Atoms(
        symbols,
        cell=primitive_cell(conventional, centring(space_group)),
        positions=np.concatenate(orbits) @ conventional.array,
        pbc=True,
    )
    atoms.wrap()
    return atoms


def primitive(conventional: Atoms, letter: str) -> Atoms:
    """The primitive cell of a crystal that is given in a centred conventional one.

    Args:
        conventional: fully periodic, in the standard setting.
        letter: its centring, P, A, C, I, F or R.
    """
    cell = primitive_cell(conventional.cell, letter)
    frac = conventional.positions @ np.linalg.inv(cell.array)
    chosen: list[int] = []
    for z in np.unique(conventional.numbers):
        same = np.flatnonzero(conventional.numbers == z)
        chosen += same[_distinct(frac[same])].tolist()
    chosen.sort()
    atoms = Atoms(
        numbers=conventional.numbers[chosen],
        positions=conventional.positions[chosen],
        cell=cell,
        pbc=True,
    )
    atoms.wrap()
    return atoms


def _distinct(fractional: Array) -> NDArray[np.int64]:
    """Indices of points no two of which differ by a lattice vector."""
    delta = fractional[:, None] - fractional[None]
    same = (np.abs(delta - np.round(delta)) < 1e-4).all(axis=-1)
    return np.flatnonzero(same.argmax(axis=1) == np.arange(len(fractional)))
