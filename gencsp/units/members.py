"""Which atoms of a structure are which rigid unit, and where the units are.

A structure of units has two arrays of whole numbers and one text: ``unit`` says which unit an atom
belongs to, ``unit_atom`` which atom of that unit it is, and ``info["unit_names"]`` what the units
are called, in the order of their numbers and joined by ``;``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import find_mic, get_distances
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.errors import UnitError
from gencsp.records import UNIT_NAMES

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Arrays of a structure of units.
UNIT, UNIT_ATOM = "unit", "unit_atom"
#: Atoms of a unit nearer than so many sums of their covalent radii are bonded.
BONDED = 1.25
#: Å: by how much atoms of a host may have moved by rounding.
SAME_PLACE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The rigid units of a structure, each of them whole.

    Attributes:
        names: of the units, in the order of their numbers.
        atoms: indices of the atoms of each unit, in the order of the unit's atoms.
        unit: which unit an atom belongs to, counted from 0, shape (n,).
        centres: mean positions of the atoms of each unit, Å, shape (u, 3).
        arms: positions of the atoms less the centre of their unit, Å, shape (n, 3).
        shifts: lattice vectors, in whole numbers, that take each atom from where it is in the
            structure to its unit, shape (n, 3).
    """

    names: tuple[str, ...]
    atoms: tuple[IntArray, ...]
    unit: IntArray
    centres: Array
    arms: Array
    shifts: Array

    @classmethod
    def of(cls, atoms: Atoms) -> Self:
        """The units that a structure names, put together where the cell cuts them.

        Raises:
            UnitError: it names none, or its arrays and names contradict each other.
        """
        names, unit, members = _read(atoms)
        positions = _whole(atoms, members)
        centres = np.array([positions[rows].mean(axis=0) for rows in members])
        shifts = np.round((positions - atoms.positions) @ np.linalg.inv(atoms.cell.array))
        return cls(names, members, unit, centres, positions - centres[unit], shifts)

    @property
    def sizes(self) -> IntArray:
        """Atoms of each unit, shape (u,)."""
        return np.array([len(rows) for rows in self.atoms], dtype=np.int64)

    @property
    def molecules(self) -> IntArray:
        """Numbers of the units of two atoms or more, which have an orientation."""
        return np.flatnonzero(self.sizes > 1)

    def positions(self) -> Array:
        """Positions of all atoms, units whole, Å, shape (n, 3)."""
        return self.centres[self.unit] + self.arms

    def placed(self, atoms: Atoms, *, centres: Array, arms: Array, cell: Array) -> Atoms:
        """A bare copy of the structure with its units elsewhere, which still names them.

        Args:
            atoms: the structure of these units.
            centres: Å, shape (u, 3).
            arms: Å, shape (n, 3).
            cell: rows, Å.
        """
        moved = Atoms(
            numbers=atoms.numbers, positions=centres[self.unit] + arms, cell=cell, pbc=True
        )
        keep_names(atoms, moved)
        return moved

    def bonds(self, atoms: Atoms) -> IntArray:
        """Pairs of bonded atoms of one unit, the smaller first, shape (k, 2).

        Bonded are those nearer than :data:`BONDED` sums of their covalent radii, and those without
        which a unit would not hang together: the shortest that connect it.
        """
        found: set[tuple[int, int]] = set()
        for rows in self.atoms:
            arms = self.arms[rows]
            apart = np.linalg.norm(arms[:, None] - arms, axis=-1)
            radii = covalent_radii[atoms.numbers[rows]]
            near = np.triu(apart < BONDED * (radii[:, None] + radii), 1)
            pairs = [(int(i), int(j)) for i, j in np.argwhere(near)] + _tree(apart)
            found |= {(int(min(rows[i], rows[j])), int(max(rows[i], rows[j]))) for i, j in pairs}
        return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def has_units(atoms: Atoms) -> bool:
    """Whether a structure names rigid units."""
    return UNIT in atoms.arrays and UNIT_ATOM in atoms.arrays and UNIT_NAMES in atoms.info


def require_units(atoms: Atoms, what: str) -> None:
    """Find out whether a structure names rigid units.

    Args:
        atoms: the structure.
        what: needs them, such as ``the move 'rotate-unit'``.

    Raises:
        UnitError: it names none.
    """
    if not has_units(atoms):
        raise UnitError(
            f"{what} acts on rigid units, and a structure names none: say what they are, such as "
            f"--units NH2, or leave it out."
        )


def rattled(atoms: Atoms, scale: float, *, rng: np.random.Generator) -> Atoms:
    """A bare copy with its units displaced and turned normally, which still names them.

    Args:
        atoms: names its units.
        scale: standard deviation of the displacements of centres, Å, and of the root mean square
            displacements by which each component of a rotation moves a unit's atoms.
        rng: the only source of chance.

    Raises:
        UnitError: the structure names no units.
    """
    members = Members.of(atoms)
    moves = rng.normal(scale=scale, size=members.centres.shape)
    turns = rng.normal(scale=scale, size=members.centres.shape)
    squares = np.bincount(members.unit, (members.arms**2).sum(axis=1)) / members.sizes
    turns[members.sizes == 1] = 0.0
    turns[members.molecules] /= np.sqrt(squares[members.molecules])[:, None]
    arms = Rotation.from_rotvec(turns[members.unit]).apply(members.arms)
    cell = atoms.cell.array
    return members.placed(atoms, centres=members.centres + moves, arms=arms, cell=cell)


def deformed(atoms: Atoms, cell: Array) -> Atoms:
    """A bare copy in another cell: centres keep their fractional coordinates, units their shape.

    It still names its units.

    Args:
        atoms: names its units.
        cell: rows, Å, shape (3, 3).

    Raises:
        UnitError: the structure names no units.
    """
    members = Members.of(atoms)
    centres = members.centres @ np.linalg.inv(atoms.cell.array) @ cell
    return members.placed(atoms, centres=centres, arms=members.arms, cell=cell)


def keep_names(source: Atoms, target: Atoms) -> None:
    """Name the units of one structure in another of the same atoms in the same order.

    Where the first names none, the other names none afterwards.
    """
    drop_names(target)
    if has_units(source):
        for name in (UNIT, UNIT_ATOM):
            target.set_array(name, source.get_array(name).copy())
        target.info[UNIT_NAMES] = source.info[UNIT_NAMES]


def keep_names_of_part(source: Atoms, kept: NDArray[np.bool_], target: Atoms) -> None:
    """Name in a part of a structure the units that are in there.

    Where a unit has lost some of its atoms and not all, the part names none.

    Args:
        source: names its units, or not.
        kept: which of its atoms are in the part, shape (n,).
        target: the part, its atoms in the same order.
    """
    drop_names(target)
    if not has_units(source):
        return
    names, unit, members = _read(source)
    whole = [number for number, rows in enumerate(members) if kept[rows].all()]
    if sum(len(members[number]) for number in whole) < kept.sum():
        return
    target.set_array(UNIT, np.searchsorted(whole, unit[kept]))
    target.set_array(UNIT_ATOM, np.asarray(source.get_array(UNIT_ATOM))[kept])
    target.info[UNIT_NAMES] = ";".join(names[number] for number in whole)


def name_completed(host: Atoms, atoms: Atoms) -> None:
    """Name the units of a host in what completes it, whose other atoms stand alone.

    Args:
        host: names its units, or not; then nothing is named.
        atoms: has the atoms of the host where they were, in any order, and others.
    """
    drop_names(atoms)
    if not has_units(host):
        return
    names, unit, _ = _read(host)
    _, apart = get_distances(host.positions, atoms.positions, cell=atoms.cell, pbc=True)
    apart[host.numbers[:, None] != atoms.numbers] = np.inf
    place = apart.argmin(axis=1)
    if len(set(place.tolist())) < len(host) or apart.min(axis=1).max() > SAME_PLACE:
        return
    guests = np.setdiff1d(np.arange(len(atoms)), place)
    of_atom, within = np.empty(len(atoms), dtype=np.int64), np.zeros(len(atoms), dtype=np.int64)
    of_atom[place], within[place] = unit, host.get_array(UNIT_ATOM)
    of_atom[guests] = len(names) + np.arange(len(guests))
    atoms.set_array(UNIT, of_atom)
    atoms.set_array(UNIT_ATOM, within)
    atoms.info[UNIT_NAMES] = ";".join([*names, *(atoms.symbols[k] for k in guests)])


def drop_names(atoms: Atoms) -> None:
    """Forget which atoms are which unit, as where atoms were taken out or exchanged."""
    for name in (UNIT, UNIT_ATOM):
        if name in atoms.arrays:
            del atoms.arrays[name]
    atoms.info.pop(UNIT_NAMES, None)


def _read(atoms: Atoms) -> tuple[tuple[str, ...], IntArray, tuple[IntArray, ...]]:
    """Names of the units, the unit of each atom, and the atoms of each unit."""
    if not has_units(atoms):
        raise UnitError(
            "the structure names no rigid units: propose it with units (--units NH2), or give it "
            "the arrays 'unit' and 'unit_atom' and the text 'unit_names' in info."
        )
    names = tuple(str(atoms.info[UNIT_NAMES]).split(";"))
    given, place = (np.asarray(atoms.get_array(name)) for name in (UNIT, UNIT_ATOM))
    numbers, unit = np.unique(given, return_inverse=True)
    if len(numbers) != len(names):
        raise UnitError(
            f"the array 'unit' counts {len(numbers)} units and 'unit_names' names {len(names)}: "
            f"atoms were added or taken out since, so name the units anew."
        )
    members = []
    for number in range(len(numbers)):
        rows = np.flatnonzero(unit == number)
        rows = rows[np.argsort(place[rows], kind="stable")]
        if (place[rows] != np.arange(len(rows))).any():
            raise UnitError(
                f"unit {number} ({names[number]}) does not have each of its atoms once in the "
                f"array 'unit_atom': atoms were repeated or taken out since, so name the units "
                f"anew."
            )
        members.append(rows)
    return names, unit.astype(np.int64), tuple(members)


def _whole(atoms: Atoms, members: tuple[IntArray, ...]) -> Array:
    """Positions in which every unit hangs together, by its shortest bonds."""
    positions = np.array(atoms.positions)
    several = [rows for rows in members if len(rows) > 1]
    if not several:
        return positions
    first = np.concatenate([np.repeat(rows, len(rows)) for rows in several])
    second = np.concatenate([np.tile(rows, len(rows)) for rows in several])
    steps, _ = find_mic(positions[second] - positions[first], atoms.cell, pbc=True)
    ends = np.cumsum([len(rows) ** 2 for rows in several])
    for rows, part in zip(several, np.split(steps, ends[:-1]), strict=True):
        vectors = part.reshape(len(rows), len(rows), 3)
        for i, j in _tree(np.linalg.norm(vectors, axis=-1)):
            positions[rows[j]] = positions[rows[i]] + vectors[i, j]
    return positions


def _tree(apart: Array) -> list[tuple[int, int]]:
    """Edges of the shortest tree over points (m, m), each from what is reached to what is new.

    Prim, Bell System Technical Journal 36, 1389 (1957).
    """
    reached, edges = [0], []
    while len(reached) < len(apart):
        new = [k for k in range(len(apart)) if k not in reached]
        part = apart[np.ix_(reached, new)]
        i, j = np.unravel_index(int(part.argmin()), part.shape)
        edges.append((reached[int(i)], new[int(j)]))
        reached.append(new[int(j)])
    return edges
