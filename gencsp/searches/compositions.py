"""Which compositions a search may visit: one, or all of a chemical system.

Those of a chemical system are far too many to list (50,000 of five elements in cells of at most
20 atoms), so they are a rule: it says by arithmetic how many there are, which is the k-th, and
whether a structure has one of them, and takes next to no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import comb, gcd
from typing import Protocol, Self

import numpy as np

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.deck import CellAtoms, check
from gencsp.errors import RequestError
from gencsp.proposers.base import check_size

#: A reduced formula and the numbers of its formula units allowed in a cell.
Choice = tuple[Composition, tuple[int, ...]]

#: The largest number of choices among which a NumPy generator draws by itself.
_LARGEST_DRAW = 2**63 - 1


class Compositions(Protocol):
    """The compositions that a search may visit, and the sizes of their cells."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Of all compositions."""
        ...

    @property
    def members(self) -> EndMembers | None:
        """The end members whose mixtures they are; ``None`` for one composition."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Atoms that a cell may have, ascending."""
        ...

    @property
    def number(self) -> int:
        """How many reduced formulas there are."""
        ...

    def __getitem__(self, index: int) -> Choice:
        """One of them; they are numbered from 0 to ``number`` - 1.

        Raises:
            IndexError: there are not so many.
        """
        ...

    def __iter__(self) -> Iterator[Choice]:
        """All of them in order, made one at a time."""
        ...

    def allow(self, counts: Mapping[str, int]) -> bool:
        """Whether a cell may hold these atoms, given as element symbol and count."""
        ...


@dataclass(frozen=True, slots=True)
class OneComposition:
    """A reduced formula and the numbers of its formula units allowed in a cell.

    Raises:
        RequestError: there are no formula units, one of their numbers is below 1, or a cell would
            be too large.
    """

    composition: Composition
    units: tuple[int, ...]

    def __post_init__(self) -> None:
        check_size(self.composition, self.units)

    @property
    def members(self) -> None:
        """See :class:`Compositions`."""
        return

    @property
    def elements(self) -> tuple[str, ...]:
        """See :class:`Compositions`."""
        return self.composition.elements

    @property
    def sizes(self) -> tuple[int, ...]:
        """See :class:`Compositions`."""
        return tuple(sorted({self.composition.size * units for units in self.units}))

    @property
    def number(self) -> int:
        """See :class:`Compositions`."""
        return 1

    def __getitem__(self, index: int) -> Choice:
        if index != 0:
            raise IndexError(index)
        return self.composition, self.units

    def __iter__(self) -> Iterator[Choice]:
        yield self[0]

    def allow(self, counts: Mapping[str, int]) -> bool:
        """See :class:`Compositions`."""
        units, rest = divmod(sum(counts.values()), self.composition.size)
        wanted = {symbol: n * units for symbol, n in self.composition.counts}
        return rest == 0 and units in self.units and counts == wanted


@dataclass(frozen=True, slots=True)
class ChemicalSystem:
    """All reduced formulas of at least two of the elements that fit in a cell.

    They are numbered by size (atoms of the reduced formula), those of one size in lexicographic
    order of their counts. A formula fits where a whole number of its units has at least
    ``min_atoms`` and at most ``max_atoms`` atoms.

    How many there are of s atoms follows from Möbius inversion over the common divisor of the
    counts: of the C(s+k-1, k-1) ways to share s atoms among k elements,
    Σ over d dividing s of μ(d) C(s/d+k-1, k-1) have no common divisor. From two atoms on, none of
    these holds one element alone. The k-th is found by such counts, element by element.

    Make one with :meth:`of`.

    Attributes:
        elements: symbols, in the order in which formulas name them.
        min_atoms, max_atoms: in a cell.
    """

    elements: tuple[str, ...]
    min_atoms: int
    max_atoms: int

    @classmethod
    def of(cls, elements: tuple[str, ...], *, min_atoms: int, max_atoms: int) -> Self:
        """Checked; elements that are named twice count once.

        Raises:
            RequestError: fewer than two elements, an unknown one, or no room for two atoms.
        """
        check("min_atoms", min_atoms, int)
        check("max_atoms", max_atoms, CellAtoms)
        names = tuple(dict.fromkeys(elements))
        if len(names) < 2 or not set(names) <= set(ELEMENTS):
            raise RequestError(
                f"'{'-'.join(elements)}' is not a chemical system: write two elements or more, "
                f"such as Li-Si."
            )
        if max_atoms < max(2, min_atoms):
            raise RequestError(
                f"cells of {min_atoms} to {max_atoms} atoms hold no compound: allow more atoms."
            )
        return cls(names, min_atoms, max_atoms)

    @property
    def members(self) -> EndMembers:
        """See :class:`Compositions`."""
        return EndMembers(tuple(Composition(((symbol, 1),)) for symbol in self.elements))

    @property
    def sizes(self) -> tuple[int, ...]:
        """See :class:`Compositions`."""
        return tuple(range(max(2, self.min_atoms), self.max_atoms + 1))

    @property
    def number(self) -> int:
        """See :class:`Compositions`."""
        return sum(_coprime(len(self.elements), size, 0) for size in self._formula_sizes())

    def __getitem__(self, index: int) -> Choice:
        left = index
        if index >= 0:
            for size in self._formula_sizes():
                here = _coprime(len(self.elements), size, 0)
                if left < here:
                    return self._choice(_counts_at(left, len(self.elements), size))
                left -= here
        raise IndexError(index)

    def __iter__(self) -> Iterator[Choice]:
        for size in self._formula_sizes():
            for counts in _shares(len(self.elements), size):
                if gcd(*counts) == 1:
                    yield self._choice(counts)

    def allow(self, counts: Mapping[str, int]) -> bool:
        """See :class:`Compositions`."""
        size = sum(counts.values())
        inside = counts.keys() <= set(self.elements)
        return inside and len(counts) > 1 and self.min_atoms <= size <= self.max_atoms

    def _formula_sizes(self) -> Iterator[int]:
        """Atoms of the reduced formulas of which a whole number of units fits."""
        return (size for size in range(2, self.max_atoms + 1) if self._units(size))

    def _units(self, size: int) -> range:
        return units_that_fit(size, self.min_atoms, self.max_atoms)

    def _choice(self, counts: tuple[int, ...]) -> Choice:
        present = zip(self.elements, counts, strict=True)
        formula = Composition(tuple((symbol, n) for symbol, n in present if n))
        return formula, tuple(self._units(sum(counts)))


def units_that_fit(size: int, min_atoms: int, max_atoms: int) -> range:
    """Numbers of formula units of ``size`` atoms with which a cell has neither too few nor many."""
    return range(max(1, -(-min_atoms // size)), max_atoms // size + 1)


def draw_below(number: int, *, rng: np.random.Generator) -> int:
    """A whole number from 0 to ``number`` - 1, each equally likely, however large they are."""
    if number <= _LARGEST_DRAW:
        return int(rng.integers(number))
    bits = (number - 1).bit_length()
    while True:
        # More than half of the numbers of so many bits are small enough.
        drawn = int.from_bytes(rng.bytes(-(-bits // 8)), "little") >> (-bits % 8)
        if drawn < number:
            return drawn


def _coprime(parts: int, total: int, divisor: int) -> int:
    """The number of tuples of ``parts`` integers ≥ 0 with sum ``total`` and no common divisor.

    Their greatest common divisor is taken together with ``divisor``; 0 leaves that out.
    """
    if parts == 0:
        return int(total == 0 and divisor == 1)
    common = gcd(divisor, total)
    return sum(
        _moebius(d) * comb(total // d + parts - 1, parts - 1)
        for d in range(1, common + 1)
        if common % d == 0
    )


def _counts_at(index: int, parts: int, total: int) -> tuple[int, ...]:
    """The counts with this index among those of ``total`` atoms without common divisor."""
    counts: list[int] = []
    divisor = 0
    for rest in range(parts - 1, -1, -1):
        for n in range(total + 1):
            here = _coprime(rest, total - n, gcd(divisor, n))
            if index < here:
                break
            index -= here
        counts.append(n)
        divisor, total = gcd(divisor, n), total - n
    return tuple(counts)


def _shares(parts: int, total: int) -> Iterator[tuple[int, ...]]:
    """All ways to write a number as so many ordered numbers ≥ 0, in lexicographic order."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for others in _shares(parts - 1, total - first):
            yield (first, *others)


def _moebius(n: int) -> int:
    """μ(n): 0 where a square divides n, else the sign that its number of primes gives it."""
    sign, prime = 1, 2
    while n > 1:
        if n % prime == 0:
            n, sign = n // prime, -sign
            if n % prime == 0:
                return 0
        prime += 1
    return sign
