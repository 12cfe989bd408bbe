"""The phases of a hull by chemical system and formula, polymorphs included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import gcd, inf

import numpy as np

from gencsp.composition import Composition
from gencsp.convex_hull.table import EntryTable, HullEntry, system_name

#: Elements up to which the sub-systems of a system are counted through (2^n) to find its phases.
COUNTED_THROUGH = 12

#: Elements in alphabetical order with their numbers, in lowest terms: equal for equal formulas.
Counts = tuple[tuple[str, int], ...]
#: The phases of one reduced formula, lowest first.
Polymorphs = tuple[HullEntry, ...]


class Phases:
    """Entries of one model by chemical system.

    Those of a system become objects, in groups of one formula, when they are first asked for.

    Args:
        entries: one or several for each formula.
        left_out: reduced formulas that are passed over.
    """

    def __init__(
        self, entries: Sequence[HullEntry], *, left_out: frozenset[Composition] = frozenset()
    ) -> None:
        self.entries = entries
        self.left_out = left_out
        self._places, self._bounds = _grouped(_systems(entries))
        self._made: dict[str, Mapping[Composition, Polymorphs]] = {}

    def of_formula(self, composition: Composition) -> Polymorphs:
        """Those of a formula, lowest first; none where it has none."""
        return self._of_system(system_name(composition.elements)).get(composition.reduced, ())

    def inside(self, elements: Iterable[str]) -> Iterator[Polymorphs]:
        """Those of a chemical system and of its sub-systems, formula by formula."""
        inside = sorted(set(elements))
        if len(inside) <= COUNTED_THROUGH:
            several = (combinations(inside, n + 1) for n in range(len(inside)))
            names = ["-".join(one) for size in several for one in size]
        else:
            names = [one for one in self._bounds if set(one.split("-")) <= set(inside)]
        for name in names:
            yield from self._of_system(name).values()

    def __iter__(self) -> Iterator[Polymorphs]:
        for name in self._bounds:
            yield from self._of_system(name).values()

    def lowest(self) -> dict[Counts, float]:
        """The lowest energy of each formula, eV/atom; no entry is made for it."""
        lowest: dict[Counts, float] = {}
        for counts, energy in _counted(self.entries):
            if lowest.get(counts, inf) > energy:
                lowest[counts] = energy
        for formula in self.left_out:
            lowest.pop(_lowest_terms(formula.counts), None)
        return lowest

    def without(self, formulas: Iterable[Composition]) -> Phases:
        """The same less all phases of these formulas."""
        less = Phases.__new__(Phases)
        less.entries, less._places, less._bounds = self.entries, self._places, self._bounds
        less.left_out = self.left_out | {formula.reduced for formula in formulas}
        less._made = {}
        return less

    def _of_system(self, name: str) -> Mapping[Composition, Polymorphs]:
        if name not in self._made:
            self._made[name] = self._make(name) if name in self._bounds else {}
        return self._made[name]

    def _make(self, name: str) -> Mapping[Composition, Polymorphs]:
        begin, end = self._bounds[name]
        found: dict[Composition, list[HullEntry]] = {}
        for place in self._places[begin:end]:
            entry = self.entries[place]
            found.setdefault(entry.composition.reduced, []).append(entry)
        return {
            key: tuple(sorted(several, key=lambda entry: entry.energy_per_atom))
            for key, several in found.items()
            if key not in self.left_out
        }


def _counted(entries: Sequence[HullEntry]) -> Iterator[tuple[Counts, float]]:
    """Formula and energy of each entry."""
    if isinstance(entries, EntryTable):
        counts = map(_lowest_terms, entries.counts())
        yield from zip(counts, entries.energies, strict=True)
    else:
        for entry in entries:
            yield _lowest_terms(entry.composition.counts), entry.energy_per_atom


def _lowest_terms(counts: Sequence[tuple[str, int]]) -> Counts:
    divisor = gcd(*(n for _, n in counts))
    return tuple(sorted((symbol, n // divisor) for symbol, n in counts))


def _systems(entries: Sequence[HullEntry]) -> Sequence[str]:
    if isinstance(entries, EntryTable):
        return entries.systems
    return [system_name(entry.composition.elements) for entry in entries]


def _grouped(systems: Sequence[str]) -> tuple[Sequence[int], dict[str, tuple[int, int]]]:
    """Places sorted by system, and where in them each system begins and ends.

    One list and pairs of numbers: a list for each of tens of thousands of systems would keep
    Python's collector of garbage busy.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(systems))}
    of_place = np.array([numbers[name] for name in systems], dtype=np.int64)
    order = np.argsort(of_place, kind="stable")
    ends = np.cumsum(np.bincount(of_place, minlength=len(numbers))).tolist()
    return order.tolist(), dict(zip(numbers, zip([0, *ends], ends, strict=False), strict=True))
