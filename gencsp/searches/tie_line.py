"""The compositions between end members, such as those of ZnS-P2S5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.deck import CellAtoms, check
from gencsp.errors import RequestError
from gencsp.searches.compositions import ChemicalSystem, Choice, Compositions, units_that_fit


@dataclass(frozen=True, slots=True)
class TieLine:
    """All reduced formulas that are mixtures of at least two end members, and fit in a cell.

    Of two compounds these lie on a tie-line, of three in a triangle. They are numbered by size
    (atoms of the reduced formula), those of one size by the amounts of the end members. A formula
    fits where a whole number of its units has at least ``min_atoms`` and at most ``max_atoms``
    atoms. Make one with :meth:`of`.

    Attributes:
        members: the end members.
        min_atoms, max_atoms: in a cell.
    """

    members: EndMembers
    min_atoms: int
    max_atoms: int

    @classmethod
    def of(cls, members: EndMembers, *, min_atoms: int, max_atoms: int) -> Self:
        """Checked.

        Raises:
            RequestError: no composition fits, or there are too many.
        """
        check("min_atoms", min_atoms, int)
        check("max_atoms", max_atoms, CellAtoms)
        line = cls(members, min_atoms, max_atoms)
        if not _choices(line):
            least = sum(one.size for one in members.formulas)
            raise RequestError(
                f"cells of {min_atoms} to {max_atoms} atoms hold no composition between "
                f"{' and '.join(members.names)}: {least} atoms hold one unit of each."
            )
        return line

    @property
    def elements(self) -> tuple[str, ...]:
        """See :class:`.Compositions`."""
        return self.members.elements

    @property
    def sizes(self) -> tuple[int, ...]:
        """See :class:`.Compositions`."""
        return tuple(sorted({formula.size * n for formula, units in self for n in units}))

    @property
    def number(self) -> int:
        """See :class:`.Compositions`."""
        return len(_choices(self))

    def __getitem__(self, index: int) -> Choice:
        if not 0 <= index < self.number:
            raise IndexError(index)
        return _choices(self)[index]

    def __iter__(self) -> Iterator[Choice]:
        return iter(_choices(self))

    def allow(self, counts: Mapping[str, int]) -> bool:
        """See :class:`.Compositions`."""
        if not self.min_atoms <= sum(counts.values()) <= self.max_atoms:
            return False
        amounts = self.members.amounts(Composition(tuple(counts.items())))
        return amounts is not None and sum(amount > 0 for amount in amounts) > 1


def compositions_between(members: EndMembers, *, min_atoms: int, max_atoms: int) -> Compositions:
    """The compositions of a chemical system, or of a tie-line where compounds are its ends.

    Raises:
        RequestError: no composition fits, or there are too many.
    """
    if members.of_elements:
        return ChemicalSystem.of(members.elements, min_atoms=min_atoms, max_atoms=max_atoms)
    return TieLine.of(members, min_atoms=min_atoms, max_atoms=max_atoms)


@lru_cache(maxsize=8)
def _choices(line: TieLine) -> tuple[Choice, ...]:
    """Made once in a process: a search goes to its workers with every trial, and holds no lists."""
    found = line.members.compositions(line.max_atoms)
    fitting = (
        (formula, tuple(units_that_fit(formula.size, line.min_atoms, line.max_atoms)))
        for formula in found
    )
    return tuple((formula, units) for formula, units in fitting if units)
