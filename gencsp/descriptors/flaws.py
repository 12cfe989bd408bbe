"""Flaws of structures: the one place that decides whether a structure is valid.

Readers of files, proposers, moves, relaxations, exporters and stores all call :func:`find_flaws`
(or, before there are atoms, :func:`cell_flaws`), each with its own :class:`Limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS
from gencsp.deck import NonNegative, check_fields
from gencsp.descriptors.distances import min_height, pair_distances
from gencsp.descriptors.least_distances import CLOSEST, NO_PAIRS, LeastDistances

Array = NDArray[np.float64]

#: Å³: below this three lattice vectors span no cell.
NO_VOLUME = 1e-6
#: Å³/atom. Hydrogen at hundreds of GPa has about 2; no element is denser. spglib crashes on cells
#: of the size of its tolerance.
MIN_VOLUME_PER_ATOM = 1.0
#: Å³/atom. Caesium, the least dense solid, has 115; beyond this atoms hardly interact.
MAX_VOLUME_PER_ATOM = 1000.0
#: Å, of the shortest lattice vector: an atom is no closer to its own image than to another atom.
MIN_LATTICE_VECTOR = CLOSEST

#: An occupancy from here on is 1 with its rounding, such as 0.9999.
FULL = 0.995

# Least distances as shares of the sum of two covalent radii. They differ on purpose, by how the
# structure is used next.
#: Structures of proposers.
PROPOSED_SHARE = 0.6
#: Structures of moves, and seed structures of a search: both are relaxed next, which corrects
#: slightly short contacts.
MOVED_SHARE = 0.55
#: Atoms placed at random in a cell, one after another.
SCATTERED_SHARE = 0.7
#: Where a score model starts from: it moves atoms apart, so that only those on one place are
#: refused.
SAMPLER_START_SHARE = 0.25

_NUMBERS = np.array([atomic_numbers[symbol] for symbol in ELEMENTS])


class Flaw(StrEnum):
    """Why a structure is not sound, in words for a user."""

    NO_ATOMS = "no atoms"
    UNKNOWN_ELEMENT = "unknown element"
    NOT_FINITE = "positions or a cell that are not numbers"
    NOT_PERIODIC = "not periodic in three directions"
    NO_VOLUME = "lattice vectors that span no volume"
    PARTLY_OCCUPIED = "partly occupied sites"
    TOO_DENSE = "a cell too small for its atoms"
    TOO_SPARSE = "a cell too wide for its atoms"
    TOO_THIN = "a cell too thin"
    TOO_CLOSE = "atoms too close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for :func:`find_flaws`; none of them is applied by default.

    Attributes:
        known_elements: elements must be among :data:`gencsp.composition.ELEMENTS`.
        least_volume: of the cell, Å³.
        volume_per_atom: least and most, Å³/atom; ``None`` for any.
        least_vector: shortest lattice vector, Å.
        least_height: least distance of opposite faces of the cell, as a share of the cube root of
            its volume: 1 for a cube, small for cells thin or elongated.
        share: of the sum of two covalent radii (ASE's: Cordero et al., Dalton Trans. 2008, 2832)
            that all pairs must keep, and at least ``CLOSEST``; ``None`` asks for no distance.
        separations: least distances of pairs of elements, Å, in place of that share.
    """

    known_elements: bool = False
    least_volume: NonNegative = NO_VOLUME
    volume_per_atom: tuple[NonNegative, NonNegative] | None = None
    least_vector: NonNegative = 0.0
    least_height: NonNegative = 0.0
    share: NonNegative | None = None
    separations: LeastDistances = NO_PAIRS

    def __post_init__(self) -> None:
        check_fields(self)


#: Limits for structures during a relaxation.
RELAXABLE = Limits(
    known_elements=True,
    volume_per_atom=(MIN_VOLUME_PER_ATOM, MAX_VOLUME_PER_ATOM),
    least_vector=MIN_LATTICE_VECTOR,
)
_SOUND = Limits()


def find_flaws(atoms: Atoms, limits: Limits = _SOUND) -> tuple[Flaw, ...]:
    """Every flaw of a structure, in the order of :class:`Flaw`; empty for a valid one.

    Volumes and distances are measured only where there are atoms in a cell of finite numbers.
    """
    found: list[Flaw] = []
    if len(atoms) == 0:
        found.append(Flaw.NO_ATOMS)
    if limits.known_elements and not np.isin(atoms.numbers, _NUMBERS).all():
        found.append(Flaw.UNKNOWN_ELEMENT)
    finite = is_finite(atoms)
    of_cell = cell_flaws(atoms.cell.array, limits, n_atoms=len(atoms)) if finite else ()
    if not finite or Flaw.NOT_FINITE in of_cell:
        found.append(Flaw.NOT_FINITE)
    if not atoms.pbc.all():
        found.append(Flaw.NOT_PERIODIC)
    if Flaw.NO_VOLUME in of_cell:
        found.append(Flaw.NO_VOLUME)
    if _partly_occupied(atoms):
        found.append(Flaw.PARTLY_OCCUPIED)
    if len(atoms) == 0 or not finite or {Flaw.NOT_FINITE, Flaw.NO_VOLUME} & set(of_cell):
        return tuple(found)
    found += of_cell
    if _too_close(atoms, limits):
        found.append(Flaw.TOO_CLOSE)
    return tuple(found)


def cell_flaws(cell: Array, limits: Limits, *, n_atoms: int = 0) -> tuple[Flaw, ...]:
    """The flaws of a cell of finite numbers; how dense it is only where it has atoms.

    Args:
        cell: rows are lattice vectors, Å, shape (3, 3).
        limits: what counts as a flaw.
        n_atoms: atoms in the cell.
    """
    with np.errstate(over="ignore"):
        volume = abs(float(np.linalg.det(cell)))
    if not np.isfinite(volume):
        return (Flaw.NOT_FINITE,)
    if volume < limits.least_volume:
        return (Flaw.NO_VOLUME,)
    found = []
    if n_atoms:
        cells, sizes = cell[None], np.array([n_atoms])
        if too_dense(cells, sizes, limits)[0]:
            found.append(Flaw.TOO_DENSE)
        if too_sparse(cells, sizes, limits)[0]:
            found.append(Flaw.TOO_SPARSE)
    if limits.least_height and min_height(cell) < limits.least_height * volume ** (1 / 3):
        found.append(Flaw.TOO_THIN)
    return tuple(found)


def is_finite(atoms: Atoms) -> bool:
    """Whether positions and cell are numbers, so that files and viewers can hold them."""
    return bool(np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all())


def too_dense(
    cells: Array, sizes: NDArray[np.int64], limits: Limits = RELAXABLE
) -> NDArray[np.bool_]:
    """Which of a batch are ``TOO_DENSE``; cells (b, 3, 3) in Å, numbers of atoms (b,)."""
    per_atom = np.abs(np.linalg.det(cells)) / sizes
    shortest = np.linalg.norm(cells, axis=2).min(axis=1)
    least = 0.0 if limits.volume_per_atom is None else limits.volume_per_atom[0]
    return np.asarray((per_atom < least) | (shortest < limits.least_vector))


def too_sparse(
    cells: Array, sizes: NDArray[np.int64], limits: Limits = RELAXABLE
) -> NDArray[np.bool_]:
    """Which of a batch are ``TOO_SPARSE``; cells (b, 3, 3) in Å, numbers of atoms (b,)."""
    most = np.inf if limits.volume_per_atom is None else limits.volume_per_atom[1]
    return np.asarray(np.abs(np.linalg.det(cells)) / sizes > most)


def _partly_occupied(atoms: Atoms) -> bool:
    """By the occupancies that ASE reads from CIF files: shares by site and element.

    Anything else under this name, such as one number for the structure, says nothing of sites.
    """
    occupancies = atoms.info.get("occupancy")
    sites = occupancies.values() if isinstance(occupancies, dict) else ()
    shares = [share for site in sites if isinstance(site, dict) for share in site.values()]
    return any(isinstance(share, int | float) and share < FULL for share in shares)


def _too_close(atoms: Atoms, limits: Limits) -> bool:
    if limits.share is None and not limits.separations:
        return False
    symbols = sorted(set(atoms.symbols))
    table = limits.separations.least(symbols, separation=limits.share or 0.0)
    kind = np.array([symbols.index(symbol) for symbol in atoms.symbols])
    return not bool((pair_distances(atoms) >= table[kind[:, None], kind[None]]).all())
