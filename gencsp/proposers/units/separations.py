"""How near atoms of different units may come, and whether a cell can hold the units at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances
from gencsp.errors import UnitError
from gencsp.proposers.crystals.site_draws import heights
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Least distance of two atoms one of which is a metal, in sums of their covalent radii.
SEPARATION = 0.8
#: The same of two nonmetals of different units; nearer than 1.2 they would be bonded.
UNBONDED = 1.3
#: Elements between which bonds would make one molecule of two.
NONMETALS = frozenset([
    "H", "He", "B", "C", "N", "O", "F", "Ne", "Si", "P", "S", "Cl", "Ar", "As", "Se", "Br", "Kr",
    "Te", "I", "Xe",
])  # fmt: skip
#: Å: step of the grid on which the volume of units is counted.
_STEP = 0.1
#: Orientations in which a unit is tried against its own images.
_TURNS = 500


def least_between(
    elements: Sequence[str],
    *,
    separation: float = SEPARATION,
    unbonded: float = UNBONDED,
    given: LeastDistances = NO_PAIRS,
) -> Array:
    """Least distances of atoms of different units by pair of elements, Å, shape (s, s).

    Args:
        elements: s symbols.
        separation: of pairs with a metal, as a share of the sum of the covalent radii.
        unbonded: the same of two nonmetals.
        given: distances of pairs that take the place of a share.
    """
    with_metal = given.least(elements, separation=separation)
    nonmetal = np.isin(elements, list(NONMETALS))
    both = nonmetal[:, None] & nonmetal
    return np.where(both, given.least(elements, separation=unbonded), with_metal)


def require_room(
    cell: Cell,
    units: Sequence[RigidUnit],
    counts: Sequence[int],
    elements: Sequence[str],
    least: Array,
) -> None:
    """Raise where no arrangement of units in a cell can keep the least distances.

    Args:
        cell: any of the lattice.
        units: those in there.
        counts: how many of each.
        elements: of the rows of ``least``.
        least: Å, as :func:`least_between` gives it.

    Raises:
        UnitError: a unit is too near its own image in the next cell, in each of ``_TURNS``
            orientations, or spheres about the atoms of different units, which must not overlap,
            fill more than the volume.
    """
    place = {symbol: i for i, symbol in enumerate(elements)}
    own = {
        symbol: float(least[place[symbol], place[symbol]]) for u in units for symbol in u.symbols
    }
    widest = max(own, key=own.__getitem__)
    shortest = float(np.linalg.norm(cell.minkowski_reduce()[0].array, axis=1).min())
    if shortest < own[widest]:
        raise UnitError(
            f"the cell repeats after {shortest:.2f} Å, and two {widest} are kept {own[widest]:.2f} "
            f"Å apart: give a larger cell or smaller least distances."
        )
    radii = np.diag(least) / 2
    # Where a pair may come nearer than its radii say, both shrink, so that none overlap.
    radii = radii * np.minimum(1, least / (radii[:, None] + radii)).min(axis=1)
    needed = sum(
        n * _volume(unit, radii[[place[symbol] for symbol in unit.symbols]])
        for unit, n in zip(units, counts, strict=True)
    )
    if needed > cell.volume:
        named = ", ".join(f"{n} {unit.name}" for unit, n in zip(units, counts, strict=True))
        raise UnitError(
            f"a cell of {cell.volume:.1f} Å³ cannot hold {named}, which take at least "
            f"{needed:.1f} Å³: give a larger cell or fewer formula units."
        )
    for unit in units:
        kinds = np.array([place[symbol] for symbol in unit.symbols])
        if not unit.is_atom and not _clears_itself(unit, cell, least[kinds[:, None], kinds]):
            raise UnitError(
                f"the unit '{unit.name}' is too large for the cell: however it is turned, it comes "
                f"nearer to itself in the next cell than allowed. Give a larger cell."
            )


def _clears_itself(unit: RigidUnit, cell: Cell, least: Array) -> bool:
    """Whether a unit can be turned so that it is apart from itself in other cells.

    Args:
        unit: n atoms.
        cell: of the lattice.
        least: of the pairs of its atoms, Å, shape (n, n).
    """
    steps = lattice_vectors(cell.minkowski_reduce()[0].array, 2 * unit.radius + float(least.max()))
    turns = Rotation.random(_TURNS, rng=np.random.default_rng(0)).as_matrix()
    return any(bool(apart_from_images(unit, one[None], steps, least)[0]) for one in turns)


def apart_from_images(unit: RigidUnit, turns: Array, steps: Array, least: Array) -> BoolArray:
    """Whether a unit is apart from itself in other cells, in each orientation.

    Args:
        unit: n atoms.
        turns: rotations, shape (m, 3, 3).
        steps: vectors of the lattice, without zero, shape (k, 3).
        least: of the pairs of its atoms, Å, shape (n, n).

    Returns:
        Shape (m,).
    """
    if not len(steps):
        return np.ones(len(turns), dtype=bool)
    shapes = np.einsum("mij,aj->mai", turns, unit.positions)
    delta = (shapes[:, :, None] - shapes[:, None])[:, :, :, None] + steps
    squares = (delta**2).sum(axis=-1).min(axis=-1)
    return np.asarray((squares >= least**2).all(axis=(1, 2)))


def lattice_vectors(cell: Array, reach: float) -> Array:
    """Vectors of a lattice, without zero, up to a length in Å, shape (k, 3).

    Args:
        cell: Minkowski-reduced, so that few vectors are looked at, shape (3, 3).
        reach: largest length.
    """
    most = np.ceil(reach / heights(cell[None])[0]).astype(int)
    ranges = [np.arange(-n, n + 1) for n in most]
    vectors = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    squares = (vectors**2).sum(axis=1)
    return np.asarray(vectors[(squares > 1e-12) & (squares < reach**2)])


def _volume(unit: RigidUnit, radii: Array) -> float:
    """Volume of overlapping spheres about the atoms of a unit, Å³."""
    if unit.is_atom:
        return float(4 / 3 * np.pi * radii[0] ** 3)
    low = (unit.positions - radii[:, None]).min(axis=0)
    high = (unit.positions + radii[:, None]).max(axis=0)
    axes = [np.arange(a + _STEP / 2, b, _STEP) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    squares = ((points[:, None] - unit.positions) ** 2).sum(axis=-1)
    return float((squares < radii**2).any(axis=1).sum()) * _STEP**3
