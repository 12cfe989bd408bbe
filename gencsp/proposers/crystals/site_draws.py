"""Atoms put on Wyckoff positions at random, many crystals in step.

The law is that of ``pyxtal.crystal.random_crystal`` (PyXtal 1.1). Elements are placed one after the
other. As long as atoms of an element are missing, a *trial* places one orbit:

1. A position is chosen among those with at most as many atoms as are missing: with probability one
   half evenly from all, else evenly from those of the largest multiplicity.
2. The parameters of its point are drawn evenly.
3. If an atom comes too near another of its own orbit, the orbit is merged: the nearest position
   with fewer atoms (a divisor of their number) takes its place, until the orbit is apart.
4. The orbit stays if it is apart from all atoms placed before. Else the trial is lost.

An attempt fails when an element has used up its trials: 10, or twice the number of general orbits
that it would fill. All distances are of a pair of elements, each with its own limit.

What differs from PyXtal on purpose: distances are those of the reduced primitive cell, so that none
is missed in a skewed one; parameters of positions such as x, x, z are even too (PyXtal's projection
of the first point favours some of them); an attempt ends at once where no position can hold the
atoms that are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gencsp.proposers.crystals.wyckoff_table import (
    LARGEST,
    choice_table,
    merge_table,
    wyckoff_table,
)

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Random numbers that one trial uses: two for the position, three for the point.
UNIFORMS = 5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Attempts:
    """What is drawn for each of n attempts.

    Attributes:
        group: space group, shape (n,).
        counts: atoms of each element in the primitive cell, zero beyond the last, shape (n, s).
        trials: most trials of each element, shape (n, s).
        least: least distance of each pair of elements, Å, shape (n, s, s).
        cells: reduced primitive cells, rows are vectors, shape (n, 3, 3).
        to_reduced: what takes fractional coordinates (rows) of the conventional cell to those of
            the reduced primitive one, shape (n, 3, 3).
        uniforms: random numbers in [0, 1), shape (n, trials, ``UNIFORMS``).
        draw: to which crystal an attempt belongs; ascending, shape (n,). Of the attempts of one
            crystal only the first that succeeds counts, and those after it may be cut short.
    """

    group: IntArray
    counts: IntArray
    trials: IntArray
    least: Array
    cells: Array
    to_reduced: Array
    uniforms: Array
    draw: IntArray

    def __len__(self) -> int:
        return len(self.group)


@dataclass(slots=True, eq=False)
class Placed:
    """The atoms of each attempt, element by element.

    Attributes:
        succeeded: all atoms are placed, shape (n,).
        fractional: in the reduced cell, shape (n, atoms, 3).
        position: index of its Wyckoff position in the table of all, shape (n, atoms).
        n_placed: shape (n,).
    """

    succeeded: BoolArray
    fractional: Array
    position: IntArray
    n_placed: IntArray


def place(attempts: Attempts) -> Placed:
    """Simulate all attempts; see the module for the distribution."""
    n, n_atoms = len(attempts), int(attempts.counts.sum(axis=1).max(initial=0))
    placed = Placed(
        np.zeros(n, dtype=bool),
        np.zeros((n, n_atoms, 3)),
        np.zeros((n, n_atoms), dtype=np.int64),
        np.zeros(n, dtype=np.int64),
    )
    run = _Run(attempts, placed)
    for trial in range(attempts.uniforms.shape[1]):
        if not len(run.active):
            break
        run.step(trial)
    return placed


class _Run:
    """The attempts that are still going on, one trial of each at a time."""

    def __init__(self, attempts: Attempts, placed: Placed) -> None:
        self.attempts, self.placed = attempts, placed
        n, (_, n_species) = len(attempts), attempts.counts.shape
        self.n_species = (attempts.counts > 0).sum(axis=1)
        self.element = np.zeros(n, dtype=np.int64)
        self.missing = attempts.counts[:, 0].copy()
        self.left = attempts.trials[:, 0].copy()
        self.squares = attempts.least**2
        self.half_heights = 0.5 * heights(attempts.cells)
        ends = np.cumsum(attempts.counts, axis=1)
        slots = np.arange(placed.fractional.shape[1])
        self.element_of = np.minimum((slots[None, :, None] >= ends[:, None]).sum(-1), n_species - 1)
        # The first vector is the shortest of the lattice: an atom and its own nearest image.
        own = np.diagonal(attempts.least, axis1=1, axis2=2) * (attempts.counts > 0)
        self.furthest = attempts.least.max(axis=(1, 2))
        shortest = np.sqrt((attempts.cells[:, 0] ** 2).sum(axis=-1))
        self.active = np.flatnonzero(shortest >= own.max(axis=1))
        self.best = np.full(int(attempts.draw.max(initial=0)) + 1, n)

    def step(self, trial: int) -> None:
        """One trial of every active attempt."""
        chosen, position = self._choose(self.active, self.attempts.uniforms[self.active, trial])
        self.active = chosen
        points = self.attempts.uniforms[chosen, trial, 2:]
        orbits, position, apart = self._orbits(chosen, position, points)
        stays = apart & self._clear(chosen, orbits[:, :1])
        self._add(chosen[stays], orbits[stays], position[stays])
        self._advance(chosen, stays)

    def _choose(self, active: IntArray, uniforms: Array) -> tuple[IntArray, IntArray]:
        """The attempts that can go on, and a position for each."""
        choices = choice_table()
        group = self.attempts.group[active]
        start = choices.start[group, np.minimum(self.missing[active], LARGEST)]
        end = choices.group_end[group]
        fits = start < end
        active, start, end, uniforms = active[fits], start[fits], end[fits], uniforms[fits]
        end = np.where(uniforms[:, 0] > 0.5, choices.tier_end[start], end)
        return active, start + (uniforms[:, 1] * (end - start)).astype(np.int64)

    def _orbits(
        self, chosen: IntArray, position: IntArray, points: Array
    ) -> tuple[Array, IntArray, BoolArray]:
        """Orbits (m, atoms, 3), merged where needed, and whether their atoms are far enough apart.

        Orbits with fewer atoms repeat their last one.
        """
        orbits = self._orbit(chosen, position, points)
        apart = self._keeps_apart(chosen, position, orbits)
        position, points = position.copy(), points.copy()
        todo = np.flatnonzero(~apart)
        while len(todo):
            found, special, moved = self._merge(chosen[todo], position[todo], points[todo])
            todo = todo[found]
            if not len(todo):
                break
            position[todo], points[todo] = special, moved
            some = self._orbit(chosen[todo], special, moved)
            last = some[:, -1:].repeat(orbits.shape[1] - some.shape[1], axis=1)
            orbits[todo] = np.concatenate([some, last], axis=1)
            apart[todo] = self._keeps_apart(chosen[todo], special, some)
            todo = todo[~apart[todo]]
        return orbits, position, apart

    def _orbit(self, chosen: IntArray, position: IntArray, points: Array) -> Array:
        table = wyckoff_table()
        size = table.multiplicity[position]
        ops = np.minimum(np.arange(size.max(initial=1)), size[:, None] - 1)
        ops += table.first_op[position][:, None]
        atoms = np.einsum("nmij,nj->nmi", table.rotations[ops], points) + table.translations[ops]
        return np.asarray(atoms @ self.attempts.to_reduced[chosen])

    def _keeps_apart(self, chosen: IntArray, position: IntArray, orbits: Array) -> BoolArray:
        """Whether the first atom of each orbit is apart from the others of its orbit."""
        squares = self._nearest(chosen, orbits[:, 1:] - orbits[:, :1])
        element = self.element[chosen]
        least = self.squares[chosen, element, element]
        size = wyckoff_table().multiplicity[position]
        others = np.arange(1, orbits.shape[1]) < size[:, None]
        return np.asarray(~((squares < least[:, None]) & others).any(axis=1))

    def _clear(self, chosen: IntArray, first: Array) -> BoolArray:
        """Whether the first atom of each orbit is apart from all atoms placed before."""
        placed = self.placed.n_placed[chosen]
        most = int(placed.max(initial=0))
        squares = self._nearest(chosen, self.placed.fractional[chosen, :most] - first)
        others = self.element_of[chosen, :most]
        least = self.squares[chosen[:, None], self.element[chosen][:, None], others]
        there = np.arange(most) < placed[:, None]
        return np.asarray(~((squares < least) & there).any(axis=1))

    def _nearest(self, chosen: IntArray, delta: Array) -> Array:
        """Squared distances that are exact where below the limits; ``delta`` (m, k, 3)."""
        near = self.furthest[chosen, None] > self.half_heights[chosen]
        return nearest_squares(delta, self.attempts.cells[chosen], axes=near.any(axis=0))

    def _merge(
        self, chosen: IntArray, position: IntArray, points: Array
    ) -> tuple[BoolArray, IntArray, Array]:
        """The nearest special position with fewer atoms: whether there is one, it, its point."""
        table, merges = wyckoff_table(), merge_table()
        n_rows = merges.end[position] - merges.first[position]
        owner = np.repeat(np.arange(len(chosen)), n_rows)
        begins = np.cumsum(n_rows) - n_rows
        row = np.arange(len(owner)) - begins[owner] + merges.first[position][owner]
        size = table.multiplicity[position][owner]
        divides = size % table.multiplicity[merges.position[row]] == 0
        owner, row = owner[divides], row[divides]
        vectors = np.einsum("rij,rj->ri", merges.maps[row], points[owner]) + merges.shifts[row]
        vectors = np.einsum("ri,rij->rj", vectors, self.attempts.to_reduced[chosen[owner]])
        vectors -= np.rint(vectors)
        vectors = np.einsum("ri,rij->rj", vectors, self.attempts.cells[chosen[owner]])
        order = np.lexsort(((vectors**2).sum(axis=-1), owner))
        found, nearest = np.unique(owner[order], return_index=True)
        best = row[order[nearest]]
        there = np.zeros(len(chosen), dtype=bool)
        there[found] = True
        moved = np.einsum("nij,nj->ni", table.rotations[merges.op[best]], points[found])
        return there, merges.position[best], moved + table.translations[merges.op[best]]

    def _add(self, kept: IntArray, orbits: Array, position: IntArray) -> None:
        size = wyckoff_table().multiplicity[position]
        row, atom = np.nonzero(np.arange(orbits.shape[1]) < size[:, None])
        slot = self.placed.n_placed[kept][row] + atom
        self.placed.fractional[kept[row], slot] = orbits[row, atom]
        self.placed.position[kept[row], slot] = position[row]
        self.placed.n_placed[kept] += size
        self.missing[kept] -= size

    def _advance(self, chosen: IntArray, stays: BoolArray) -> None:
        """Count the trial, go on to the next element, and drop attempts that have ended."""
        self.left[chosen] -= 1
        full = chosen[stays & (self.missing[chosen] == 0)]
        self.element[full] += 1
        done = full[self.element[full] == self.n_species[full]]
        self.placed.succeeded[done] = True
        np.minimum.at(self.best, self.attempts.draw[done], done)
        more = full[self.element[full] < self.n_species[full]]
        self.missing[more] = self.attempts.counts[more, self.element[more]]
        self.left[more] = self.attempts.trials[more, self.element[more]]
        on = (self.left[chosen] > 0) & ~self.placed.succeeded[chosen]
        on &= chosen < self.best[self.attempts.draw[chosen]]
        self.active = chosen[on]


def heights(cells: Array) -> Array:
    """Distances between opposite faces, shape (n, 3)."""
    reciprocal = np.linalg.inv(cells)  # its columns
    return np.asarray(1 / np.sqrt((reciprocal**2).sum(axis=1)))


def nearest_squares(delta: Array, cells: Array, *, axes: BoolArray) -> Array:
    """Squared distances of points from the origin among all lattice points, Å².

    Args:
        delta: fractional coordinates, shape (n, k, 3).
        cells: Minkowski-reduced, so that the nearest image is among the 27 around, (n, 3, 3).
        axes: along which neighbouring cells are looked at, shape (3,). Along the others a distance
            is only right if it is below half the height of the cell.

    Returns:
        Shape (n, k).
    """
    vectors = (delta - np.rint(delta)) @ cells
    squares = (vectors**2).sum(axis=-1)
    if not axes.any():
        return np.asarray(squares)
    images = _images(*axes.tolist()) @ cells
    products = (2.0 * images) @ np.swapaxes(vectors, 1, 2)
    products += (images**2).sum(axis=-1)[..., None]
    return np.asarray(squares + products.min(axis=1))


@cache
def _images(x: bool, y: bool, z: bool) -> Array:
    """The cell and its neighbours along the axes chosen, shape (k, 3)."""
    steps = [(-1.0, 0.0, 1.0) if axis else (0.0,) for axis in (x, y, z)]
    return np.array(list(product(*steps)))
