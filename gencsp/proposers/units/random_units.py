"""Random crystals of rigid units in a space group, as in AIRSS (Pickard and Needs, 2011).

A crystal is drawn in attempts, each with a cell, if it is free, and Wyckoff positions for all
units. Units are placed orbit by orbit: of each, points of its position and orientations that the
site group allows are drawn evenly, many at once, and the first that keeps the least distances to
all that was placed before is taken. An attempt ends where an orbit finds no place. Each crystal
draws from a generator of its own, so that it does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.crystals.random_cells import NORMALS, TRIES, random_cells, reduced, system
from gencsp.proposers.crystals.site_draws import heights, nearest_squares
from gencsp.proposers.units.crystal import Placement, UnitCrystal
from gencsp.proposers.units.orientations import OrientationFamily
from gencsp.proposers.units.separations import apart_from_images, lattice_vectors
from gencsp.proposers.units.unit_sites import UnitSite, can_hold_units, draw_letters, unit_site
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Cells, or choices of positions in a fixed cell, that are tried for one crystal.
ATTEMPTS = 40
#: Placements of one orbit that are tried, in the steps in which they are drawn.
DRAWS = (8, 32, 96)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UnitRecipe:
    """One crystal to draw.

    Attributes:
        space_group: number.
        units: in the order in which they are placed.
        counts: of each in the primitive cell.
        elements: of the rows of ``least``.
        least: least distance of atoms of different units by pair of elements, Å, shape (s, s).
        rng: used for this crystal alone.
        cell: conventional, in the standard setting and orientation (``Cell.fromcellpar``); ``None``
            for a random one.
        volume: of the primitive cell, Å³, where the cell is random.
    """

    space_group: int
    units: tuple[RigidUnit, ...]
    counts: tuple[int, ...]
    elements: tuple[str, ...]
    least: Array
    rng: np.random.Generator
    cell: Cell | None = None
    volume: float = 0.0


def draw_unit_crystals(
    recipes: Sequence[UnitRecipe], *, attempts: int = ATTEMPTS
) -> list[UnitCrystal | None]:
    """One crystal for each recipe, ``None`` where its units find no room or no positions."""
    return [_draw(recipe, attempts) for recipe in recipes]


def _draw(recipe: UnitRecipe, attempts: int) -> UnitCrystal | None:
    if not can_hold_units(recipe.space_group, recipe.units, recipe.counts):
        return None
    species = [_species(unit, recipe.elements) for unit in recipe.units]
    for frame in _frames(recipe, attempts):
        crystal = _Attempt(recipe, frame, species).play()
        if crystal is not None:
            return crystal
    return None


class _Frame:
    """A conventional cell, its reduced primitive one, and what follows for distances in there."""

    def __init__(self, recipe: UnitRecipe, cell: Array) -> None:
        self.cell = cell
        self.primitive = reduced((PRIMITIVE[centring(recipe.space_group)] @ cell)[None])[0]
        self.inverse = np.linalg.inv(self.primitive)
        furthest = float(recipe.least.max())
        self.near = furthest > 0.5 * heights(self.primitive[None])[0]
        #: Lattice vectors that can bring a unit near itself.
        self.steps = [
            lattice_vectors(self.primitive, 2 * unit.radius + furthest) for unit in recipe.units
        ]


def _frames(recipe: UnitRecipe, attempts: int) -> Iterator[_Frame]:
    """The cells of the attempts."""
    if recipe.cell is not None:
        return repeat(_Frame(recipe, recipe.cell.array), attempts)
    letter = centring(recipe.space_group)
    nodes = round(1 / np.linalg.det(PRIMITIVE[letter]))
    cells, exist = random_cells(
        np.full(attempts, system(recipe.space_group)),
        np.full(attempts, recipe.volume * nodes),
        recipe.rng.standard_normal((attempts, TRIES, NORMALS)),
    )
    return (_Frame(recipe, cell) for cell in cells[exist])


class _Attempt:
    """Units that are being placed in a cell, one orbit after the other."""

    def __init__(self, recipe: UnitRecipe, frame: _Frame, species: Sequence[IntArray]) -> None:
        self.recipe, self.frame, self.species = recipe, frame, species
        self.squares = recipe.least**2
        self.fractional = np.zeros((0, 3))
        self.elements = np.zeros(0, dtype=np.int64)

    def play(self) -> UnitCrystal | None:
        """The finished crystal, or ``None`` where an orbit finds no place."""
        recipe = self.recipe
        # The shortest vector of the lattice comes first: an atom and its own nearest image.
        own = max(float(recipe.least[k, k]) for kinds in self.species for k in kinds)
        if np.linalg.norm(self.frame.primitive[0]) < own:
            return None
        placements = []
        for k, letter in draw_letters(recipe.space_group, recipe.units, recipe.counts, recipe.rng):
            placement = self._place(k, unit_site(recipe.space_group, letter, recipe.units[k]))
            if placement is None:
                return None
            placements.append(placement)
        cell = Cell(self.frame.cell)
        return UnitCrystal(recipe.space_group, cell, recipe.units, tuple(placements))

    def _place(self, k: int, site: UnitSite) -> Placement | None:
        """Draw places for an orbit until one keeps all distances."""
        unit, rng = self.recipe.units[k], self.recipe.rng
        for n in DRAWS:
            # Nothing is free where there is one point and one orientation.
            points = rng.random((n, 3)) @ site.point.T + site.origin
            turns = _orientations(site.families, n, rng)
            chosen = np.arange(n)
            if not unit.is_atom:
                least = self.recipe.least[self.species[k][:, None], self.species[k]]
                apart = apart_from_images(unit, turns, self.frame.steps[k], least)
                chosen = np.flatnonzero(apart)
            if not len(chosen):
                continue
            atoms = self._orbits(site, unit, points[chosen], turns[chosen])
            good = np.flatnonzero(self._apart(k, atoms, unit.size))
            if len(good):
                first = chosen[good[0]]
                self.fractional = np.concatenate([self.fractional, atoms[good[0]]])
                self.elements = np.concatenate(
                    [self.elements, np.tile(self.species[k], site.multiplicity)]
                )
                return Placement(k, site.letter, points[first], turns[first])
        return None

    def _orbits(self, site: UnitSite, unit: RigidUnit, points: Array, turns: Array) -> Array:
        """Atoms of whole orbits, fractional in the reduced cell, shape (n, m * atoms, 3)."""
        centres = np.einsum("mij,nj->nmi", site.rotations, points) + site.translations
        shapes = np.einsum("mij,njk,ak->nmai", site.turns, turns, unit.positions)
        atoms = (centres @ self.frame.cell)[:, :, None] + shapes
        return np.asarray(atoms.reshape(len(points), -1, 3) @ self.frame.inverse)

    def _apart(self, k: int, atoms: Array, size: int) -> BoolArray:
        """Whether the first unit of each orbit is apart from its others and all placed before."""
        mine = self.species[k]
        others = np.concatenate(
            [
                atoms[:, size:],
                np.broadcast_to(self.fractional, (len(atoms), *self.fractional.shape)),
            ],
            axis=1,
        )
        if not others.shape[1]:
            return np.ones(len(atoms), dtype=bool)
        kinds = np.concatenate([np.tile(mine, atoms.shape[1] // size - 1), self.elements])
        delta = (atoms[:, :size, None] - others[:, None]).reshape(1, -1, 3)
        squares = nearest_squares(delta, self.frame.primitive[None], axes=self.frame.near)
        squares = squares.reshape(len(atoms), size, -1)
        return np.asarray((squares >= self.squares[mine[:, None], kinds]).all(axis=(1, 2)))


def _orientations(families: Sequence[OrientationFamily], n: int, rng: np.random.Generator) -> Array:
    """Orientations drawn evenly from families, those with free angles more often.

    Families with more free angles are drawn alone: where a unit on a line may stand across an axis
    in any direction, or along it, both are as likely.

    Returns:
        Rotations, shape (n, 3, 3).
    """
    first = families[0]
    if len(families) == 1 and first.n_free == 0:
        return np.broadcast_to(first.rotation, (n, 3, 3))
    if first.n_free == 3:
        return np.asarray(Rotation.random(n, rng=rng).as_matrix() @ first.rotation)
    chosen = rng.integers(len(families), size=n)
    bases = np.array([one.rotation for one in families])[chosen]
    axes = np.array([np.zeros(3) if one.axis is None else one.axis for one in families])[chosen]
    angles = rng.uniform(-np.pi, np.pi, size=n)
    return np.asarray(Rotation.from_rotvec(angles[:, None] * axes).as_matrix() @ bases)


@lru_cache(maxsize=4096)
def _species_of(symbols: tuple[str, ...], elements: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(elements.index(symbol) for symbol in symbols)


def _species(unit: RigidUnit, elements: tuple[str, ...]) -> IntArray:
    return np.array(_species_of(unit.symbols, elements))
