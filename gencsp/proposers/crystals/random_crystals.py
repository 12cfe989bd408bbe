"""Random crystals with a space group, drawn many at once.

A crystal is drawn by PyXtal's law (lattices: :mod:`gencsp.proposers.crystals.random_cells`, sites:
:mod:`gencsp.proposers.crystals.site_draws`): up to 40 lattices with 10 attempts at the atoms each,
or 5 with 5 where sites without free coordinates can hold the composition; the first success is
taken. Many crystals of different groups and sizes are drawn in step, each from its own random
generator, so that a crystal does not depend on the others.

PyXtal counts 5 lattices with 5 attempts where the first combination of sites that it finds leaves
no freedom; here it is where any does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.occupancy import can_be_rigid
from gencsp.proposers.crystals.random_cells import NORMALS, TRIES, random_cells, reduced, system
from gencsp.proposers.crystals.site_draws import UNIFORMS, Attempts, heights, nearest_squares, place
from gencsp.proposers.crystals.wyckoff_table import wyckoff_table

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Lattices, and attempts at the atoms in each.
FREE_EFFORT, RIGID_EFFORT = (40, 10), (5, 5)
#: Trials of an element that fills few general orbits.
LEAST_TRIALS = 10
#: Attempts that are simulated together.
WIDTH = 512
#: Attempts of each crystal that are simulated first: most crystals need no more.
FIRST = 2
#: Å: no cell is as large.
NO_ROOM = 1e6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recipe:
    """One crystal to draw.

    Attributes:
        space_group: number.
        symbols: elements, in the order in which they are placed.
        counts: atoms of each in the primitive cell.
        volume: of the primitive cell, Å³.
        least: least distance of each pair of elements, Å, shape (s, s).
        rng: used for this crystal alone.
    """

    space_group: int
    symbols: tuple[str, ...]
    counts: tuple[int, ...]
    volume: float
    least: Array
    rng: np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class RandomCrystal:
    """A crystal in its reduced primitive cell.

    Attributes:
        atoms: element by element, orbit by orbit.
        letters: Wyckoff letter of each atom's position.
    """

    atoms: Atoms
    letters: tuple[str, ...]


def draw_crystals(recipes: Sequence[Recipe]) -> list[RandomCrystal | None]:
    """One crystal for each recipe, ``None`` where its atoms find no room.

    The composition must fit the group (:func:`gencsp.proposers.crystals.occupancy.can_hold`).
    """
    draws = [_Draw(recipe) for recipe in recipes]
    waiting = draws
    while waiting:
        _play(waiting)
        waiting = [draw for draw in waiting if draw.crystal is None and draw.played < draw.total]
    return [draw.crystal for draw in draws]


class _Draw:
    """A crystal that is being drawn."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        rigid = can_be_rigid(recipe.space_group, recipe.counts)
        lattices, self.per_lattice = RIGID_EFFORT if rigid else FREE_EFFORT
        self.total = lattices * self.per_lattice
        self.normals = recipe.rng.standard_normal((lattices, TRIES, NORMALS))
        general = int(_general(recipe.space_group))
        self.trials = [max(2 * (n // general), LEAST_TRIALS) for n in recipe.counts]
        self.played = 0
        self.crystal: RandomCrystal | None = None


def _play(draws: list[_Draw]) -> None:
    """Simulate the next attempts of each crystal: few at first, since most succeed soon."""
    share = max(2, WIDTH // len(draws))
    sizes = [min(d.total - d.played, share, max(FIRST, 3 * d.played)) for d in draws]
    draw_of = np.repeat(np.arange(len(draws)), sizes)
    cells, to_reduced, lattice_of, exists = _lattices(draws, sizes)
    # A lattice that could not be drawn has no room for any atom.
    least = np.where(exists[lattice_of][:, None, None], _least(draws)[draw_of], NO_ROOM)
    attempts = Attempts(
        group=np.array([d.recipe.space_group for d in draws])[draw_of],
        counts=_padded([d.recipe.counts for d in draws])[draw_of],
        trials=_padded([d.trials for d in draws])[draw_of],
        least=least,
        cells=cells[lattice_of],
        to_reduced=to_reduced[lattice_of],
        uniforms=_uniforms(draws, sizes),
        draw=draw_of,
    )
    placed = place(attempts)
    winners, first = np.unique(draw_of[placed.succeeded], return_index=True)
    rows = np.flatnonzero(placed.succeeded)[first]
    for k, row in zip(winners, rows, strict=True):
        n = int(placed.n_placed[row])
        cell, fractional = attempts.cells[row], placed.fractional[row, :n]
        draws[k].crystal = _crystal(draws[k].recipe, cell, fractional, placed.position[row, :n])
    for draw, size in zip(draws, sizes, strict=True):
        draw.played += size


def _uniforms(draws: list[_Draw], sizes: list[int]) -> Array:
    uniforms = np.zeros((sum(sizes), max(sum(draw.trials) for draw in draws), UNIFORMS))
    end = 0
    for draw, size in zip(draws, sizes, strict=True):
        n = sum(draw.trials)
        uniforms[end : end + size, :n] = draw.recipe.rng.random((size, n, UNIFORMS))
        end += size
    return uniforms


def _least(draws: list[_Draw]) -> Array:
    most = max(len(draw.recipe.counts) for draw in draws)
    least = np.zeros((len(draws), most, most))
    for k, draw in enumerate(draws):
        n = len(draw.recipe.counts)
        least[k, :n, :n] = draw.recipe.least
    return least


def _lattices(draws: list[_Draw], sizes: list[int]) -> tuple[Array, Array, IntArray, BoolArray]:
    """Reduced cells, what leads to their coordinates, each attempt's, and whether they exist."""
    normals, owners, lattice_of = [], [], []
    n = 0
    for k, (draw, size) in enumerate(zip(draws, sizes, strict=True)):
        wanted = np.arange(draw.played, draw.played + size) // draw.per_lattice
        normals.append(draw.normals[wanted[0] : wanted[-1] + 1])
        owners += [k] * len(normals[-1])
        lattice_of.append(wanted - wanted[0] + n)
        n += len(normals[-1])
    groups = np.array([draw.recipe.space_group for draw in draws])[owners]
    volumes = np.array([draw.recipe.volume for draw in draws])[owners]
    systems, nodes, primitive = (part[groups] for part in _settings())
    conventional, exists = random_cells(systems, volumes * nodes, np.concatenate(normals))
    conventional = np.where(exists[:, None, None], conventional, np.eye(3))
    cells = reduced(primitive @ conventional)
    return cells, conventional @ np.linalg.inv(cells), np.concatenate(lattice_of), exists


@cache
def _settings() -> tuple[IntArray, IntArray, Array]:
    """Crystal system, nodes of the conventional cell and primitive vectors by group number."""
    numbers = [1, *range(1, 231)]
    primitive = np.array([PRIMITIVE[centring(number)] for number in numbers])
    nodes = np.rint(1 / np.linalg.det(primitive)).astype(np.int64)
    return np.array([system(number) for number in numbers]), nodes, primitive


def _general(space_group: int) -> int:
    table = wyckoff_table()
    return int(table.multiplicity[table.first[space_group]])


def _padded(rows: Sequence[Sequence[int]]) -> IntArray:
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for k, row in enumerate(rows):
        table[k, : len(row)] = row
    return table


def _crystal(
    recipe: Recipe, cell: Array, fractional: Array, position: IntArray
) -> RandomCrystal | None:
    """The finished crystal, ``None`` if any pair of atoms is too near after all."""
    element = np.repeat(np.arange(len(recipe.counts)), recipe.counts)
    delta = (fractional[:, None] - fractional[None]).reshape(1, -1, 3)
    near = recipe.least.max() > 0.5 * heights(cell[None])[0]
    squares = nearest_squares(delta, cell[None], axes=near)
    squares = squares.reshape(len(element), -1)
    np.fill_diagonal(squares, (cell[0] ** 2).sum())
    if (squares < recipe.least[element[:, None], element] ** 2 * (1 - 1e-9)).any():
        return None
    numbers = np.array([atomic_numbers[symbol] for symbol in recipe.symbols])[element]
    wrapped = fractional - np.floor(fractional)
    atoms = Atoms(numbers=numbers, positions=wrapped @ cell, cell=cell, pbc=True)
    return RandomCrystal(atoms, tuple(wyckoff_table().letter[position].tolist()))
