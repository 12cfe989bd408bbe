"""Which Wyckoff positions of a space group can hold which units, and how many.

A unit sits where the site group is part of its own point group
(:mod:`gencsp.proposers.units.orientations`). Positions without free coordinates hold one orbit, of
one unit; the others any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.errors import UnitError
from gencsp.proposers.crystals.lattice import space_group_lattice
from gencsp.proposers.crystals.wyckoff import sites
from gencsp.proposers.units.crystal import cartesian, coset_operations, site_operations
from gencsp.proposers.units.orientations import OrientationFamily, families
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Of positions: the letter, units of an orbit, and the bit that tells it from others where it can
#: be taken once only; 0 else.
Option = tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class UnitSite:
    """A Wyckoff position and what a unit can do there.

    Attributes:
        letter: of the position.
        multiplicity: units of an orbit in the primitive cell.
        point, origin: the first point of the orbit is ``point @ u + origin``, fractional.
        rotations, translations: to the centres of the orbit from the first one, fractional, shapes
            (m, 3, 3) and (m, 3).
        turns: the same rotations, Cartesian, shape (m, 3, 3).
        families: orientations that the site group allows.
    """

    letter: str
    multiplicity: int
    point: Array
    origin: Array
    rotations: Array
    translations: Array
    turns: Array
    families: tuple[OrientationFamily, ...]


def site_group(space_group: int, letter: str) -> Array:
    """The site group of a position as orthogonal matrices, Cartesian, shape (s, 3, 3).

    In conventional cells whose first vector is along x and whose second is in the xy plane it is
    the same for all cells that the space group can have.
    """
    return cartesian(site_operations(space_group, letter)[0], _some_cell(space_group))


@lru_cache(maxsize=16384)
def unit_site(space_group: int, letter: str, unit: RigidUnit) -> UnitSite:
    """A position for a unit, whose families are none where it cannot sit there."""
    rotations, translations = coset_operations(space_group, letter)
    site = sites(space_group)[letter]
    return UnitSite(
        letter,
        site.multiplicity,
        site.rotations[0],
        site.translations[0],
        rotations,
        translations,
        cartesian(rotations, _some_cell(space_group)),
        families(unit, site_group(space_group, letter)),
    )


@lru_cache(maxsize=16384)
def options(space_group: int, unit: RigidUnit) -> tuple[Option, ...]:
    """The positions that can hold a unit."""
    table = sites(space_group)
    bits = {letter: 1 << k for k, (letter, one) in enumerate(table.items()) if one.n_free == 0}
    return tuple(
        (letter, one.multiplicity, bits.get(letter, 0))
        for letter, one in table.items()
        if unit_site(space_group, letter, unit).families
    )


def can_hold_units(space_group: int, units: Sequence[RigidUnit], counts: Sequence[int]) -> bool:
    """Whether orbits can make exactly so many of each unit in the primitive cell."""
    of_units = tuple(options(space_group, unit) for unit in units)
    return _solvable(of_units, tuple(counts), 0)


def draw_letters(
    space_group: int,
    units: Sequence[RigidUnit],
    counts: Sequence[int],
    rng: np.random.Generator,
) -> list[tuple[int, str]]:
    """Positions for all units, drawn one after the other.

    As in :mod:`gencsp.proposers.crystals.site_draws` a position is drawn, with probability one
    half, evenly from all that hold at most as many units as are missing, else evenly from those of
    the largest multiplicity; only those count after which the others can still be placed.

    Returns:
        Index of the unit and letter of each orbit.

    Raises:
        UnitError: the group cannot hold the units, see :func:`can_hold_units`.
    """
    of_units = tuple(options(space_group, unit) for unit in units)
    used, drawn = 0, []
    left = list(counts)
    for k, mine in enumerate(of_units):
        while left[k]:
            fitting = [
                option
                for option in mine
                if option[1] <= left[k]
                and not option[2] & used
                and _solvable(of_units[k:], (left[k] - option[1], *left[k + 1 :]), used | option[2])
            ]
            if not fitting:
                raise UnitError(
                    f"space group {space_group} has no positions for these numbers of units: "
                    f"allow others, or other numbers of formula units."
                )
            if rng.random() < 0.5:
                largest = max(option[1] for option in fitting)
                fitting = [option for option in fitting if option[1] == largest]
            letter, multiplicity, bit = fitting[int(rng.integers(len(fitting)))]
            drawn.append((k, letter))
            left[k] -= multiplicity
            used |= bit
    return drawn


@lru_cache(maxsize=262144)
def _solvable(of_units: tuple[tuple[Option, ...], ...], counts: tuple[int, ...], used: int) -> bool:
    """Whether units can be placed on positions some of which are taken."""
    if not counts:
        return True
    mine, n = of_units[0], counts[0]
    free = tuple(sorted({m for _, m, bit in mine if not bit}))
    made = _sums(free, n)
    scarce = tuple((m, bit) for _, m, bit in mine if bit and not bit & used and m <= n)
    taken: set[int] = set()
    for mask, total in _subsets(scarce, n):
        if (n - total) in made and mask not in taken:
            taken.add(mask)
            if _solvable(of_units[1:], counts[1:], used | mask):
                return True
    return False


@lru_cache(maxsize=65536)
def _subsets(scarce: tuple[tuple[int, int], ...], most: int) -> tuple[tuple[int, int], ...]:
    """Choices among positions that are taken once: their bits and units, the fewest first."""
    found = {0: 0}
    for m, bit in scarce:
        found.update(
            {mask | bit: total + m for mask, total in list(found.items()) if total + m <= most}
        )
    return tuple(sorted(found.items(), key=lambda one: one[0].bit_count()))


@lru_cache(maxsize=65536)
def _sums(parts: tuple[int, ...], largest: int) -> frozenset[int]:
    """Sums of any number of the parts up to ``largest``; 0 is one."""
    sums = {0}
    for total in range(1, largest + 1):
        if any(total - part in sums for part in parts):
            sums.add(total)
    return frozenset(sums)


@lru_cache(maxsize=230)
def _some_cell(space_group: int) -> Cell:
    return space_group_lattice(space_group, volume=100.0, rng=np.random.default_rng(0))
