"""Reads the search space from AIRSS ``.cell`` decks, as buildcell understands them.

Meanings as in AIRSS 0.9 and its manual: ``#VARVOL`` is the volume of the rows of the positions
block before ``NUM`` expands them, of a formula unit with ``#SPECIES``, and of an atom with
``#NATOM``; without ``#SYMMOPS`` there is no symmetry. ``##`` and ``!`` begin a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from math import isfinite
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen

from gencsp.composition import Composition
from gencsp.deck import (
    CellAtoms,
    Pressure,
    Separation,
    SpaceGroupNumber,
    VolumePerAtom,
    check_fields,
)
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import CompositionError, DeckError, RequestError

#: Settings of CASTEP and of buildcell that mean nothing to a search with another potential.
IGNORED = frozenset(
    {
        "COMPACT",
        "FIX_COM",
        "KPOINTS_MP_GRID",
        "KPOINTS_MP_SPACING",
        "KPOINT_MP_SPACING",
        "SNAP_TO_SYMMETRY",
        "SPECIES_LCAO_STATES",
        "SPECIES_POT",
        "SYMMETRY_GENERATE",
        "SYMMETRY_TOL",
    }
)
KNOWN = ("SPECIES", "MINSEP", "VARVOL", "NFORM", "SYMMOPS", "NATOM", "SLACK")
#: First number of each geometric class of space groups, and the order of its point group.
_ORDERS = (
    *((1, 1), (2, 2), (10, 4), (47, 8), (75, 4), (83, 8), (123, 16), (143, 3), (147, 6)),
    *((162, 12), (168, 6), (175, 12), (191, 24), (195, 12), (200, 24), (221, 48)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AirssDeck:
    """The settings of a deck; ``None`` where it has none.

    Attributes:
        composition: of a formula unit.
        elements: of a search of variable composition.
        units: numbers of formula units.
        min_atoms, max_atoms: in a cell of variable composition.
        volume_per_atom: Å³/atom.
        space_groups: those with the requested number of operations.
        pressure: GPa.
        least: distance of all pairs that ``pairs`` leaves out, Å, slack taken off.
        pairs: least distances of pairs of elements, slack taken off.
    """

    composition: Composition | None = None
    elements: tuple[str, ...] = ()
    units: Annotated[tuple[CellAtoms, ...], MinLen(1)] | None = None
    min_atoms: CellAtoms | None = None
    max_atoms: CellAtoms | None = None
    volume_per_atom: VolumePerAtom | None = None
    space_groups: tuple[SpaceGroupNumber, ...] | None = None
    pressure: Pressure | None = None
    least: Separation | None = None
    pairs: LeastDistances = field(default_factory=LeastDistances)

    def __post_init__(self) -> None:
        check_fields(self, DeckError)

    def separations(self, elements: tuple[str, ...]) -> LeastDistances:
        """Least distances of those pairs of these elements that the deck names, Å."""
        if self.least is None:
            return self.pairs
        every = combinations_with_replacement(elements, 2)
        return LeastDistances(tuple((*pair, self.least) for pair in every)) | self.pairs


def read_airss(path: Path) -> AirssDeck:
    """Read a deck.

    Raises:
        DeckError: it cannot be read, or holds something that is not known, which is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeckError(f"the deck {path} cannot be read ({error}).") from error
    blocks: dict[str, list[str]] = {}
    settings: dict[str, str] = {}
    for key, value in _entries(text.splitlines(), blocks, path):
        if key not in (*KNOWN, *IGNORED):
            raise DeckError(
                f"{path} has '{key}', which is not known here: known are "
                f"{', '.join('#' + k for k in KNOWN)}."
            )
        settings[key] = value
    return _Reader(path, settings, blocks).deck()


def groups_of_order(orders: tuple[int, ...]) -> tuple[int, ...]:
    """Space groups with so many operations in the primitive cell (that of their point group)."""
    groups = []
    for number in range(1, 231):
        order = next(order for first, order in reversed(_ORDERS) if number >= first)
        if order in orders:
            groups.append(number)
    return tuple(groups)


def _entries(
    lines: list[str], blocks: dict[str, list[str]], path: Path
) -> Iterator[tuple[str, str]]:
    """Keys in capitals with their values; blocks are collected separately."""
    block = ""
    for raw in lines:
        line = raw.strip()
        if line.upper().startswith("%BLOCK"):
            block = line.split()[1].upper()
            if block not in (*_BLOCKS, *IGNORED):
                raise DeckError(f"{path} has a block '{block}', which is not known here.")
            blocks[block] = []
        elif line.upper().startswith("%ENDBLOCK"):
            block = ""
        elif block:
            if line and not line.startswith(("!", "##")):
                blocks[block].append(line)
        elif line.startswith("#") and not line.startswith("##"):
            key, _, value = line[1:].strip().partition("=")
            if re.fullmatch(r"[A-Za-z_]+", key.strip()):
                yield key.strip().upper(), value.strip()
        elif line and not line.startswith(("!", "##")):
            key, _, value = re.sub(r"[:=]", " ", line, count=1).partition(" ")
            yield key.upper(), value.strip()


_BLOCKS = ("LATTICE_CART", "LATTICE_ABC", "POSITIONS_FRAC", "POSITIONS_ABS", "EXTERNAL_PRESSURE")


class _Reader:
    """Interprets the entries of one deck."""

    def __init__(self, path: Path, settings: dict[str, str], blocks: dict[str, list[str]]) -> None:
        self.path = path
        self.settings = settings
        self.blocks = blocks

    def deck(self) -> AirssDeck:
        counts, rows = self._counts()
        variable = "NATOM" in self.settings
        if variable and any(n is not None for n in counts.values()):
            raise self._wrong("NATOM", "together with NUM it is not known here")
        if variable and "NFORM" in self.settings:
            raise self._wrong("NFORM", "together with NATOM it is not known here")
        atoms = self._numbers("NATOM")
        volume = self._number("VARVOL")
        divisor = 1 if variable else rows
        least, pairs = self._separations()
        symmetry = self._numbers("SYMMOPS") or (1,)
        groups = groups_of_order(symmetry)
        if not groups:
            raise self._wrong("SYMMOPS", "no space group has so many operations")
        return AirssDeck(
            composition=None if variable else self._composition(counts),
            elements=tuple(counts) if variable else (),
            units=None if variable else self._numbers("NFORM") or (1,),
            min_atoms=min(atoms) if atoms else None,
            max_atoms=max(atoms) if atoms else None,
            volume_per_atom=None if volume is None else volume / divisor,
            space_groups=groups,
            pressure=self._pressure(),
            least=least,
            pairs=pairs,
        )

    def _counts(self) -> tuple[dict[str, int | None], int]:
        """Atoms of each species (``None`` where nothing is said), and what VARVOL is divided by."""
        counts: dict[str, int | None] = {}
        positions = self.blocks.get("POSITIONS_FRAC", []) + self.blocks.get("POSITIONS_ABS", [])
        if "SPECIES" in self.settings:
            if positions:
                raise self._wrong("SPECIES", "together with a positions block it is an error")
            for part in re.split(r"[,\s]+", self.settings["SPECIES"]):
                symbol, _, tags = part.partition("%")
                counts[symbol] = self._count(tags, "SPECIES")
            return counts, sum(n or 1 for n in counts.values())
        if not positions:
            raise DeckError(f"{self.path} names no species: give #SPECIES or a positions block.")
        for line in positions:
            body, _, tags = line.partition("#")
            symbol = body.split()[0]
            number = self._count(tags.partition("%")[2], "a row of the positions block")
            counts[symbol] = (counts.get(symbol) or 0) + (number or 1)
        return counts, len(positions)

    def _count(self, tags: str, where: str) -> int | None:
        number = None
        for tag in tags.split():
            key, _, value = tag.lstrip("%").partition("=")
            if key.upper() != "NUM" or not value.isdigit():
                raise self._wrong(where, f"'{tag}' is not known here")
            number = int(value)
        return number

    def _composition(self, counts: dict[str, int | None]) -> Composition:
        try:
            return Composition.from_counts({s: n or 1 for s, n in counts.items()})
        except CompositionError as error:
            raise DeckError(f"in {self.path}, {error}") from error

    def _separations(self) -> tuple[float | None, LeastDistances]:
        slack = self._number("SLACK") or 0.0
        if not 0 <= slack < 1:
            raise self._wrong("SLACK", "give a number from 0 to 1")
        least: float | None = None
        pairs: list[tuple[str, str, float]] = []
        for part in self.settings.get("MINSEP", "").split():
            names, equals, value = part.rpartition("=")
            distance = self._float("MINSEP", value) * (1 - slack)
            if not (isfinite(distance) and distance > 0):
                raise self._wrong("MINSEP", f"'{part}' is not a positive distance")
            if not equals:
                least = distance
                continue
            one, dash, other = names.partition("-")
            if not dash:
                raise self._wrong("MINSEP", f"'{part}' is not known here")
            pairs.append((one, other, distance))
        try:
            return least, LeastDistances(tuple(pairs))
        except RequestError as error:
            raise self._wrong("MINSEP", str(error).rstrip(".")) from error

    def _pressure(self) -> float | None:
        rows = self.blocks.get("EXTERNAL_PRESSURE")
        if not rows:
            return None
        if not re.match(r"[-\d.]", rows[0]):
            if rows[0].lower() != "gpa":
                raise self._wrong("EXTERNAL_PRESSURE", f"the unit '{rows[0]}' is not known here")
            rows = rows[1:]
        numbers = [self._float("EXTERNAL_PRESSURE", x) for row in rows for x in row.split()]
        if len(numbers) != 6 or len({numbers[0], numbers[3], numbers[5]}) > 1:
            raise self._wrong("EXTERNAL_PRESSURE", "only a hydrostatic one is known here")
        return numbers[0]

    def _numbers(self, key: str) -> tuple[int, ...] | None:
        """``4``, ``2-8`` or ``{1,2,4}``."""
        if key not in self.settings:
            return None
        value = self.settings[key].replace(" ", "")
        if found := re.fullmatch(r"(\d+)-(\d+)", value):
            numbers = tuple(range(int(found[1]), int(found[2]) + 1))
        elif re.fullmatch(r"\{?\d+(,\d+)*\}?", value):
            numbers = tuple(int(n) for n in value.strip("{}").split(","))
        else:
            raise self._wrong(key, f"'{value}' is not known here: write 4, 2-8 or {{1,2,4}}")
        if not numbers or min(numbers) < 1:
            raise self._wrong(key, f"'{value}' holds no positive number")
        return numbers

    def _number(self, key: str) -> float | None:
        return self._float(key, self.settings[key]) if key in self.settings else None

    def _float(self, key: str, value: str) -> float:
        try:
            number = float(value)
        except ValueError as error:
            why = f"'{value}' is not one number, and nothing else is known here"
            raise self._wrong(key, why) from error
        if key != "EXTERNAL_PRESSURE" and not number >= 0:
            raise self._wrong(key, f"'{value}' is below zero")
        return number

    def _wrong(self, key: str, why: str) -> DeckError:
        return DeckError(f"in {self.path}, {key}: {why}.")
