"""Formulas as counts of rigid units: which atoms are bound in units, and which stand alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gencsp.composition import Composition
from gencsp.errors import CompositionError, UnitError
from gencsp.units.builtin import builtin_names, builtin_unit
from gencsp.units.lookup import get_units
from gencsp.units.unit import RigidUnit

#: Units and how many there are of each: molecules and ions, then single atoms.
UnitCounts = tuple[tuple[RigidUnit, int], ...]

#: Formula units that are tried together until they hold whole units.
MOST_TOGETHER = 12
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_NUMBER = re.compile(r"\d+")
_DOTS = re.compile(r"[·•∙⋅*・]")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


@dataclass(frozen=True, slots=True, eq=False)
class UnitFormula:
    """A formula as units.

    Attributes:
        composition: of the formula, in lowest terms.
        number: least number of these formula units that has whole units: 2 for Na2C2O4, whose
            lowest terms are NaCO2.
        counts: units in so many of them.
    """

    composition: Composition
    number: int
    counts: UnitCounts

    @property
    def units(self) -> tuple[RigidUnit, ...]:
        """The units, without how many there are."""
        return tuple(unit for unit, _ in self.counts)

    def in_cell(self, formula_units: int) -> UnitCounts:
        """Units in a cell of so many formula units.

        Raises:
            UnitError: the cell would have to break a unit.
        """
        times, rest = divmod(formula_units, self.number)
        if rest or not times:
            raise UnitError(
                f"{formula_units} x {self.composition} does not hold whole units "
                f"({', '.join(unit.name for unit in self.units)}): take multiples of {self.number}."
            )
        return tuple((unit, times * n) for unit, n in self.counts)


def split_formula(
    formula: str | Composition, units: str | Sequence[str | Path | RigidUnit] = ()
) -> UnitFormula:
    """Split a formula into units; atoms that no unit takes stand alone.

    Of each unit that is given there is at least one, and as many atoms as possible are in units.
    Brackets name units by themselves: ``(NH4)2(SO4)``, ``K[PF6]``.

    Args:
        formula: as a user writes it, or a composition, which has no brackets.
        units: names, files or units; a text may hold several with commas.

    Raises:
        CompositionError: the formula cannot be read.
        UnitError: no unit is named, one is not known, the formula has too few atoms for the units
            or can be split in several ways.
    """
    given = get_units(units)
    if isinstance(formula, Composition):
        return _split(formula, given, {})
    composition = Composition.parse(formula)
    named = _named(formula, given)
    try:
        return _split(composition, given, named)
    except UnitError:
        if not (given and named):
            raise
        # The brackets of CO(NH2)2 name nothing where urea is meant.
        return _split(composition, given, {})


def _split(
    composition: Composition, given: Sequence[RigidUnit], named: Mapping[RigidUnit, int]
) -> UnitFormula:
    """Split a formula, of whose units the numbers of some are known."""
    reduced = composition.reduced
    every = list(dict.fromkeys([*given, *named]))
    molecules = [unit for unit in every if not unit.is_atom]
    if not molecules:
        raise UnitError(
            f"no unit of {composition} is named: give one, such as --units NH2, or put it in "
            f"brackets, as in Ca(CO3)."
        )
    for unit in molecules:
        _require_elements(unit, reduced)
    if named:
        times = composition.size // reduced.size
        return _of_counts(reduced, times, molecules, named)
    for number in range(1, MOST_TOGETHER + 1):
        counts = {symbol: n * number for symbol, n in reduced.counts}
        found = _most_in_units(counts, molecules)
        if number > 1:
            found = [way for way in found if _takes_all(counts, molecules, way)]
        if len(found) > 1:
            ways = " and ".join(_shown(molecules, way) for way in found[:2])
            raise UnitError(
                f"{reduced} can be split in several ways ({ways}): put the units in brackets."
            )
        if found:
            return UnitFormula(reduced, number, _with_atoms(counts, molecules, found[0]))
    names = ", ".join(f"{unit.name} ({unit.composition})" for unit in molecules)
    raise UnitError(
        f"{composition} does not split into units of {names}: it has too few atoms for one of each."
    )


def _of_counts(
    reduced: Composition,
    times: int,
    molecules: Sequence[RigidUnit],
    named: Mapping[RigidUnit, int],
) -> UnitFormula:
    """The same where brackets say how many there are of some units."""
    left = {symbol: n * times for symbol, n in reduced.counts}
    for unit, n in named.items():
        for symbol, k in unit.composition.counts:
            left[symbol] -= n * k
    others = [unit for unit in molecules if unit not in named]
    found = _most_in_units(left, others) if others else [()]
    if not found or min(left.values()) < 0:
        raise UnitError(
            f"{reduced} does not have the atoms of {', '.join(u.name for u in others)} beside the "
            f"units in brackets."
        )
    if len(found) > 1:
        ways = " and ".join(_shown(others, way) for way in found[:2])
        raise UnitError(
            f"{reduced} can be split in several ways ({ways}): put these units in brackets."
        )
    of_unit = {**named, **dict(zip(others, found[0], strict=True))}
    counts = {symbol: n * times for symbol, n in reduced.counts}
    whole = _with_atoms(counts, molecules, [of_unit[unit] for unit in molecules])
    # Hg2(N3)2 is written with twice as many units as lowest terms need.
    together = next(
        k
        for k in range(1, times + 1)
        if times % k == 0 and all(n * k % times == 0 for _, n in whole)
    )
    return UnitFormula(reduced, together, tuple((u, n * together // times) for u, n in whole))


def _most_in_units(
    counts: Mapping[str, int], molecules: Sequence[RigidUnit]
) -> list[tuple[int, ...]]:
    """Numbers of each unit, at least one, that take most atoms; several where they tie."""
    best = 0
    found: list[tuple[int, ...]] = []
    for way in _ways(dict(counts), molecules):
        taken = sum(n * unit.size for n, unit in zip(way, molecules, strict=True))
        if taken > best:
            best, found = taken, []
        if taken == best:
            found.append(way)
    return found


def _ways(left: dict[str, int], molecules: Sequence[RigidUnit]) -> Iterator[tuple[int, ...]]:
    if not molecules:
        yield ()
        return
    needed = molecules[0].composition.counts
    most = min(left.get(symbol, 0) // n for symbol, n in needed)
    for number in range(1, most + 1):
        rest = dict(left)
        for symbol, n in needed:
            rest[symbol] -= number * n
        for others in _ways(rest, molecules[1:]):
            yield (number, *others)


def _takes_all(
    counts: Mapping[str, int], molecules: Sequence[RigidUnit], way: Sequence[int]
) -> bool:
    """Whether no atom of an element of the units stands alone.

    Lowest terms may break a unit, as they do in Na2C2O4; several formula units of NaNH that hold
    one NH2 and an N are none of its.
    """
    bound = {symbol for unit in molecules for symbol in unit.composition.elements}
    return not any(
        unit.is_atom and unit.name in bound for unit, _ in _with_atoms(counts, molecules, way)
    )


def _with_atoms(
    counts: Mapping[str, int], molecules: Sequence[RigidUnit], way: Sequence[int]
) -> UnitCounts:
    left = Counter(counts)
    for n, unit in zip(way, molecules, strict=True):
        for symbol, k in unit.composition.counts:
            left[symbol] -= n * k
    alone = tuple((atom(symbol), n) for symbol, n in left.items() if n)
    return (*zip(molecules, way, strict=True), *alone)


_ATOMS: dict[str, RigidUnit] = {}


def atom(symbol: str) -> RigidUnit:
    """The unit of a single atom, one object for each element."""
    return _ATOMS.setdefault(symbol, RigidUnit.atom(symbol))


def _named(formula: str, given: Sequence[RigidUnit]) -> dict[RigidUnit, int]:
    """Units that the brackets of a formula name, and how many there are in the formula."""
    text = re.sub(r"\s", "", formula.translate(_SUBSCRIPTS))
    found: Counter[RigidUnit] = Counter()
    for part in _DOTS.split(text):
        number = _NUMBER.match(part)
        times = int(number[0]) if number else 1
        _read(part[number.end() if number else 0 :], times, given, found, formula)
    return dict(found)


def _read(
    text: str, times: int, given: Sequence[RigidUnit], found: Counter[RigidUnit], formula: str
) -> None:
    """Add the units that stand in the brackets of a part of a formula."""
    whole = _unit_of(text, given, by_name_alone=True)
    if whole is not None:
        found[whole] += times
        return
    place = 0
    while place < len(text):
        if text[place] not in _BRACKETS:
            place += 1
            continue
        end = _end_of(text, place)
        inside = text[place + 1 : end]
        number = _NUMBER.match(text, end + 1)
        n = times * (int(number[0]) if number else 1)
        unit = _unit_of(inside, given)
        if unit is not None:
            found[unit] += n
        elif any(bracket in inside for bracket in _BRACKETS):
            _read(inside, n, given, found, formula)
        else:
            raise UnitError(
                f"'({inside})' in '{formula}' is not a unit that is known: give its file, such as "
                f"--units {inside}.xyz, or write the formula without brackets."
            )
        place = number.end() if number else end + 1


def _end_of(text: str, begin: int) -> int:
    """Place of the bracket that closes the one at a place; the formula has been read before."""
    depth = 0
    for place in range(begin, len(text)):
        depth += (text[place] in _BRACKETS) - (text[place] in _BRACKETS.values())
        if depth == 0:
            return place
    raise CompositionError(f"'{text}' has a bracket that does not close.")


def _unit_of(
    text: str, given: Sequence[RigidUnit], *, by_name_alone: bool = False
) -> RigidUnit | None:
    """The unit that is written so: one that is given, else one of gencsp's."""
    for unit in given:
        if unit.name == text:
            return unit
    own = builtin_unit(text) if any(bracket in text for bracket in _BRACKETS) else None
    if by_name_alone:
        return own
    try:
        composition = Composition.parse(text)
    except CompositionError:
        return None
    candidates = [*given, *filter(None, map(builtin_unit, builtin_names()))]
    alike = (unit for unit in candidates if unit.composition == composition)
    return own or next(alike, None)


def _require_elements(unit: RigidUnit, composition: Composition) -> None:
    missing = [symbol for symbol in unit.composition.elements if symbol not in composition.elements]
    if missing:
        raise UnitError(
            f"the unit '{unit.name}' has {', '.join(missing)}, which {composition} does not: give "
            f"units of its elements."
        )


def _shown(molecules: Sequence[RigidUnit], way: Sequence[int]) -> str:
    return " + ".join(f"{n} {unit.name}" for n, unit in zip(way, molecules, strict=True))
