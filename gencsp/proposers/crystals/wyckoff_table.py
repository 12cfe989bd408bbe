"""The Wyckoff positions of the 230 space groups as flat arrays, for drawing many crystals at once.

``data/wyckoff.npz`` is made from PyXtal's tables by ``tools/build_wyckoff_table.py``; it loads in
milliseconds, so that neither drawing nor importing waits for PyXtal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gencsp.shipped import open_shipped

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Translations are stored in these parts of a cell edge.
PARTS = 24
#: Atoms of the largest orbit in a primitive cell.
LARGEST = 48


@dataclass(frozen=True, slots=True, eq=False)
class WyckoffTable:
    """All positions, group by group, each group from its general position down.

    Attributes:
        first: position at which each group begins, by its number, shape (232,); ``first[g + 1]``
            is where it ends.
        letter: of each position, shape (w,).
        multiplicity: atoms of one orbit in the primitive cell, shape (w,).
        n_free: free coordinates, 0 to 3, shape (w,).
        first_op: operation at which each position begins, shape (w + 1,).
        rotations, translations: operations in fractional coordinates of the conventional cell,
            ``rotations @ u + translations``, shapes (o, 3, 3) and (o, 3). The copies that the
            centring makes are left out.
    """

    first: IntArray
    letter: NDArray[np.str_]
    multiplicity: IntArray
    n_free: IntArray
    first_op: IntArray
    rotations: Array
    translations: Array

    def positions(self, space_group: int) -> range:
        """Indices of the positions of a group."""
        return range(int(self.first[space_group]), int(self.first[space_group + 1]))


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceTable:
    """Where the choice of a position for so many missing atoms begins and ends.

    Attributes:
        start: first position with at most so many atoms, by group and missing atoms (48 stands for
            all above), shape (231, 49).
        tier_end: end of the positions of a group with the same multiplicity, by position.
        group_end: end of the positions of a group, by its number.
    """

    start: IntArray
    tier_end: IntArray
    group_end: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class MergeTable:
    """How far a point is from the special positions of its group.

    Row by row, for a special position and a general operation g: with q = g(p), the vector from q
    to the generator of the position at parameters q is ``maps @ p + shifts`` (conventional
    fractional coordinates, up to a lattice vector).

    Attributes:
        first: row at which the positions with fewer atoms than a position begin, shape (w,).
        end: row at which they end, shape (w,).
        maps, shifts: shapes (m, 3, 3) and (m, 3).
        position: the special position of each row, shape (m,).
        op: index of g among all operations, shape (m,).
    """

    first: IntArray
    end: IntArray
    maps: Array
    shifts: Array
    position: IntArray
    op: IntArray


@cache
def wyckoff_table() -> WyckoffTable:
    """The table that ships with gencsp."""
    with open_shipped("wyckoff.npz") as file, np.load(file, allow_pickle=False) as stored:
        group = stored["group"].astype(np.int64)
        multiplicity = stored["multiplicity"].astype(np.int64)
        rotations = stored["rotations"].astype(float)
        translations = stored["translations"] / PARTS
        letter = stored["letter"]
    first_op = np.concatenate([[0], np.cumsum(multiplicity)])
    return WyckoffTable(
        first=np.searchsorted(group, np.arange(232)),
        letter=letter,
        multiplicity=multiplicity,
        n_free=np.linalg.matrix_rank(rotations[first_op[:-1]]).astype(np.int64),
        first_op=first_op,
        rotations=rotations,
        translations=translations,
    )


@cache
def choice_table() -> ChoiceTable:
    """See :class:`ChoiceTable`."""
    table = wyckoff_table()
    start = np.zeros((231, LARGEST + 1), dtype=np.int64)
    tier_end = np.zeros(len(table.multiplicity), dtype=np.int64)
    for number in range(1, 231):
        low, high = table.first[number], table.first[number + 1]
        descending = -table.multiplicity[low:high]
        start[number] = low + np.searchsorted(descending, -np.arange(LARGEST + 1))
        tier_end[low:high] = low + np.searchsorted(descending, descending, side="right")
    return ChoiceTable(start, tier_end, np.append(table.first[1:], table.first[-1]))


@cache
def merge_table() -> MergeTable:
    """See :class:`MergeTable`."""
    table, ends = wyckoff_table(), choice_table().tier_end
    first, last = np.zeros_like(ends), np.zeros_like(ends)
    maps, shifts, positions, ops = [], [], [], []
    row = 0
    for number in range(1, 231):
        low, high = int(table.first[number]), int(table.first[number + 1])
        n_ops = int(table.multiplicity[low])
        general = np.arange(table.first_op[low], table.first_op[low] + n_ops)
        generators = table.first_op[low:high]
        project = table.rotations[generators] - np.eye(3)
        maps.append(np.einsum("wij,gjk->wgik", project, table.rotations[general]).reshape(-1, 3, 3))
        moved = np.einsum("wij,gj->wgi", project, table.translations[general])
        shifts.append((moved + table.translations[generators][:, None]).reshape(-1, 3))
        positions.append(np.repeat(np.arange(low, high), n_ops))
        ops.append(np.tile(general, high - low))
        first[low:high] = row + (ends[low:high] - low) * n_ops
        row += (high - low) * n_ops
        last[low:high] = row
    return MergeTable(
        first,
        last,
        np.concatenate(maps),
        np.concatenate(shifts),
        np.concatenate(positions),
        np.concatenate(ops),
    )
