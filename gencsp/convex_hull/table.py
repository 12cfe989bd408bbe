"""Entries of a hull as the columns of a file, made into objects one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from gencsp.composition import ELEMENTS, Composition
from gencsp.symmetry.symbols import symbol_of

_KNOWN = frozenset(ELEMENTS)
_PART = re.compile(r"([A-Z][a-z]?)(\d*)")
_SYMBOLS = re.compile(r"(?:[A-Z][a-z]?)+")
#: Numbers that are zero, or follow neither a symbol nor a bracket.
_ODD_NUMBER = re.compile(r"(?<!\d)0|(?<![A-Za-z0-9)])\d")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_PLAIN = r"(?:[A-Z][a-z]?(?:[1-9]\d*)?)+"
_PLAIN_FORMULA = re.compile(_PLAIN)
_TIMES = r"(?:[1-9]\d*)?"
#: With brackets that hold no others, such as Ca(OH)2, and elements that are written several times.
_BRACKETED_FORMULA = re.compile(rf"(?:{_PLAIN}|\({_PLAIN}\){_TIMES})+")
_BRACKETED = re.compile(rf"\(({_PLAIN})\)({_TIMES})|({_PLAIN})")
_NO_DIGITS = str.maketrans("", "", "0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class HullEntry:
    """A phase and its energy, or under pressure its enthalpy.

    Attributes:
        composition: any multiple of its reduced formula.
        energy_per_atom: eV/atom; of an entry under pressure the enthalpy.
        model: what made the energy, such as "chgnet-0.3.0".
        entry_id: where the phase comes from; empty where that is not known.
        space_group: international number; 0 where it is not known.
        source: the database or collection that ``entry_id`` is of; empty where that is not known.
        pressure: that the phase was relaxed at, GPa.
        volume_per_atom: at that pressure, Å³/atom; ``None`` where it is not known.
    """

    composition: Composition
    energy_per_atom: float
    model: str
    entry_id: str = ""
    space_group: int = 0
    source: str = ""
    pressure: float = 0.0
    volume_per_atom: float | None = None

    @property
    def name(self) -> str:
        """Reduced formula and, where it is known, space group: ``SiO2 P3_121``."""
        return f"{self.composition.reduced.formula} {self.symbol}".rstrip()

    @property
    def symbol(self) -> str:
        """Short Hermann-Mauguin symbol of the space group; empty where it is not known."""
        return symbol_of(self.space_group) if self.space_group else ""

    @property
    def origin(self) -> str:
        """Where the phase comes from: source and id, as far as they are known."""
        parts = (self.source, self.entry_id)
        return " ".join(part for part in parts if part)

    @property
    def label(self) -> str:
        """Name and origin: ``SiO2 P3_121 (AMCSD amcsd-0000789)``."""
        return f"{self.name} ({self.origin})" if self.origin else self.name


class EntryTable(Sequence[HullEntry]):
    """Entries of one model and pressure, held as columns.

    A hull looks at the phases of few chemical systems, and to make tens of thousands of objects
    takes a second: an entry becomes an object when it is asked for.

    Args:
        formulas: plain ones, such as ``Li5Si2``: known elements, each once, and whole numbers.
        systems: their chemical systems, see :func:`systems_of`.
        energies: eV/atom; under pressure enthalpies.
        ids: see :attr:`HullEntry.entry_id`.
        groups: see :attr:`HullEntry.space_group`.
        origins: see :attr:`HullEntry.source`.
        volumes: see :attr:`HullEntry.volume_per_atom`.
        model: what made the energies.
        pressure: of all entries, GPa.
    """

    def __init__(
        self,
        *,
        formulas: Sequence[str],
        systems: Sequence[str],
        energies: Sequence[float],
        ids: Sequence[str],
        groups: Sequence[int],
        origins: Sequence[str],
        volumes: Sequence[float | None],
        model: str,
        pressure: float = 0.0,
    ) -> None:
        self.formulas = formulas
        self.systems = systems
        self.energies = energies
        self.ids = ids
        self.groups = groups
        self.origins = origins
        self.volumes = volumes
        self.model = model
        self.pressure = pressure

    def __len__(self) -> int:
        return len(self.formulas)

    @overload
    def __getitem__(self, index: int) -> HullEntry: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[HullEntry, ...]: ...

    def __getitem__(self, index: int | slice) -> HullEntry | tuple[HullEntry, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        return HullEntry(
            composition=self.composition(index),
            energy_per_atom=self.energies[index],
            model=self.model,
            entry_id=self.ids[index],
            space_group=self.groups[index],
            source=self.origins[index],
            pressure=self.pressure,
            volume_per_atom=self.volumes[index],
        )

    def __iter__(self) -> Iterator[HullEntry]:
        return (self[k] for k in range(len(self)))

    def composition(self, index: int) -> Composition:
        """That of one entry, without making the entry."""
        return Composition(_counts(self.formulas[index]))

    def counts(self) -> Iterator[tuple[tuple[str, int], ...]]:
        """The counts of each composition, as :attr:`.Composition.counts`."""
        return map(_counts, self.formulas)


def _counts(formula: str) -> tuple[tuple[str, int], ...]:
    return tuple((symbol, int(n or 1)) for symbol, n in _PART.findall(formula))


def systems_of(formulas: Sequence[str]) -> list[str]:
    """The chemical system of each formula, as :func:`system_name` writes it.

    Empty for one that :class:`EntryTable` does not take as it stands.
    """
    if not formulas:
        return []
    # Without its digits a formula is one text for all formulas of these elements in this order.
    together = "\n".join(formulas)
    letters = together.translate(_NO_DIGITS).split("\n")
    names = {one: _known_system(one) for one in set(letters)}
    systems = [names[one] for one in letters]
    if _ODD_NUMBER.search(together):
        plain = map(_PLAIN_FORMULA.fullmatch, formulas)
        systems = [name if match else "" for name, match in zip(systems, plain, strict=True)]
    return systems


def system_name(elements: Iterable[str]) -> str:
    """Elements in alphabetical order, each once: ``Fe-Li-O-P``."""
    return "-".join(sorted(set(elements)))


def plain_formula(formula: str) -> str:
    """A formula as :class:`EntryTable` takes it; empty for elements that gencsp does not know.

    Raises:
        CompositionError: it cannot be read.
    """
    if not _BRACKETED_FORMULA.fullmatch(formula):
        return Composition.parse(formula).formula
    # Read here a hundred times faster than by parsing: the shipped table has thousands.
    counts: dict[str, int] = {}
    for inside, times, outside in _BRACKETED.findall(formula):
        for symbol, n in _PART.findall(inside or outside):
            counts[symbol] = counts.get(symbol, 0) + int(n or 1) * int(times or 1)
    plain = "".join(symbol + (str(n) if n > 1 else "") for symbol, n in counts.items())
    return plain if _KNOWN.issuperset(counts) else ""


def _known_system(letters: str) -> str:
    if not _SYMBOLS.fullmatch(letters):
        return ""
    symbols = _SYMBOL.findall(letters)
    inside = frozenset(symbols)
    known = len(inside) == len(symbols) and inside <= _KNOWN
    return "-".join(sorted(symbols)) if known else ""
