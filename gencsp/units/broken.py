"""Whether rigid units are still what they were: bonds that changed or broke, and new ones.

The measure: a bond of a unit is broken where it is longer than :data:`STRETCHED` times what it was
before. Atoms of two units have formed a bond where both are of elements that bind by shared
electrons (:data:`BINDING`), at least one of them belongs to a unit of several atoms, and they are
nearer than :data:`JOINED` sums of their covalent radii. A hydrogen bond (H···N at 1.7 Å or more) is
none, nor is a cation next to an anion.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from gencsp.descriptors.neighbours import pairs_within
from gencsp.units.members import Members

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A bond longer than so many times its length before is broken.
STRETCHED = 1.25
#: Atoms of two units nearer than so many sums of their covalent radii are bonded.
JOINED = 1.2
#: Å: distances that differ by less are one.
SAME_DISTANCE = 1e-4
#: Elements whose atoms bind by shared electrons; contacts of all others count as ionic.
BINDING = frozenset(
    ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I")
)


def broken_units(before: Atoms, after: Atoms) -> list[str]:
    """What became of the units of a structure in a relaxation, in words; nothing where whole.

    Args:
        before: names its units.
        after: the same atoms in the same order, moved from there and not wrapped since.

    Raises:
        UnitError: the first structure names no units.
    """
    members = Members.of(before)
    # By the images that were bonded: a hydrogen that goes over to the next cell's unit has left.
    whole = after.positions + members.shifts @ after.cell.array
    return [*_stretched(before, whole, members), *_joined(after, whole, members)]


def bond_change(before: Atoms, after: Atoms) -> float | None:
    """By how much the bond of a unit that changed most is longer, as a share of what it was.

    Negative where that bond is shorter; ``None`` where no unit has a bond.

    Args:
        before: names its units.
        after: as for :func:`broken_units`.

    Raises:
        UnitError: the first structure names no units.
    """
    members = Members.of(before)
    whole = after.positions + members.shifts @ after.cell.array
    _, _, was, is_now = _lengths(before, whole, members)
    changes = is_now / was - 1
    return float(changes[np.abs(changes).argmax()]) if len(changes) else None


def _lengths(
    before: Atoms, whole: Array, members: Members
) -> tuple[IntArray, IntArray, Array, Array]:
    """The bonds of all units, their two atoms, and their lengths before and now, Å."""
    first, second = members.bonds(before).T
    was = np.linalg.norm(members.arms[first] - members.arms[second], axis=1)
    return first, second, was, np.linalg.norm(whole[first] - whole[second], axis=1)


def _stretched(before: Atoms, whole: Array, members: Members) -> list[str]:
    first, second, lengths, now = _lengths(before, whole, members)
    return [
        f"{_name(members, i)}: {before.symbols[i]}-{before.symbols[j]} {was:.2f} -> {is_now:.2f} Å"
        for i, j, was, is_now in zip(
            first.tolist(), second.tolist(), lengths.tolist(), now.tolist(), strict=True
        )
        if is_now > STRETCHED * was
    ]


def _joined(after: Atoms, whole: Array, members: Members) -> list[str]:
    able = np.array([symbol in BINDING for symbol in after.symbols])
    many = members.sizes[members.unit] > 1
    if not (able & many).any():
        return []
    found = []
    for (i, j), distances in sorted(_contacts(after, able, many).items()):
        others = sorted(distances)
        if members.unit[i] == members.unit[j] and i != j:
            # One of them may be within the unit; the images of its atoms belong to other units.
            own = float(np.linalg.norm(whole[i] - whole[j]))
            inside = [d for d in others if abs(d - own) < SAME_DISTANCE]
            others = [d for d in others if d not in inside[:1]] + inside[1:]
        if others:
            found.append(
                f"{_name(members, i)} and {_name(members, j)}: {after.symbols[i]}-"
                f"{after.symbols[j]} {min(others):.2f} Å"
            )
    return found


def _contacts(
    atoms: Atoms, able: NDArray[np.bool_], many: NDArray[np.bool_]
) -> dict[tuple[int, int], list[float]]:
    """Distances, Å, of pairs that count as bonded, by the two atoms, the smaller index first."""
    radii = covalent_radii[atoms.numbers]
    pairs = pairs_within(atoms, JOINED * 2 * float(radii[able].max()))
    i, j = pairs.first, pairs.second
    chosen = (
        (pairs.distances < JOINED * (radii[i] + radii[j]))
        & able[i]
        & able[j]
        & (many[i] | many[j])
        & (i <= j)
    )
    found: dict[tuple[int, int], list[float]] = {}
    for one, other, distance in zip(
        i[chosen].tolist(), j[chosen].tolist(), pairs.distances[chosen].tolist(), strict=True
    ):
        found.setdefault((one, other), []).append(distance)
    return found


def _name(members: Members, atom: int) -> str:
    number = int(members.unit[atom])
    return f"{members.names[number]} {number + 1}"
