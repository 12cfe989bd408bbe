"""End members of a system: elements, such as Li-Si, or compounds, such as ZnS-P2S5."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import comb, gcd, isnan, lcm
from typing import Self

import numpy as np

from gencsp.composition import Composition
from gencsp.convex_hull.echelon import Row, inverse, row_echelon
from gencsp.errors import CompositionError, RequestError

#: Between end members: a hyphen, or the dash that papers print.
_DASH = re.compile(r"\s*[-\u2010\u2011\u2013\u2212]\s*")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
#: Numbers of atoms that are looked through, in one go, for the compositions of a tie-line.
MOST_TRIED = 2_000_000


@dataclass(frozen=True, slots=True)
class EndMembers:
    """The end members of a system, whose mixtures are its compositions.

    Of elements, they span a chemical system (Li-P-S); of two compounds they are the ends of a
    tie-line, or pseudo-binary system (ZnS-P2S5), of three the corners of a pseudo-ternary one.
    Make them with :meth:`of` or :meth:`parse`.

    Attributes:
        formulas: as they were written: their formula units are the unit of :meth:`amounts`.
    """

    formulas: tuple[Composition, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Li-Si``, ``ZnS-P2S5`` or ``Li2S-P2S5-LiCl``.

        Raises:
            CompositionError: an end member that cannot be read, or as :meth:`of`.
            RequestError: fewer than two.
        """
        parts = _DASH.split(text.strip())
        if any(part[:1].isdigit() for part in parts[1:]):
            raise CompositionError(
                f"'{text}' has a negative count, or an end member that begins with a number: write "
                f"a formula such as Li5Si2, or end members such as Li2S-P2S5."
            )
        if not all(parts):
            raise CompositionError(
                f"'{text}' lacks an end member beside a dash: write a system such as Li-Si or "
                f"ZnS-P2S5."
            )
        return cls.of(
            Composition.from_counts({part: 1}, text)
            if _SYMBOL.fullmatch(part)
            # An element is named with its whole system, so that the mistake can be seen.
            else Composition.parse(part)
            for part in parts
        )

    @classmethod
    def of(cls, formulas: Iterable[Composition]) -> Self:
        """Checked: the amounts of the end members must follow from a composition.

        Raises:
            CompositionError: one is named twice, one is a mixture of the others, or some of them
                have together the atoms of some others.
            RequestError: fewer than two.
        """
        members = tuple(formulas)
        name = "-".join(one.formula for one in members)
        if len(members) < 2:
            what = "one element" if len(members[0].elements) == 1 else "one compound"
            raise RequestError(
                f"'{name}' is {what}, and a hull lies between two or more: write a chemical system "
                f"such as Li-Si, or a tie-line such as ZnS-P2S5. 'gencsp hull --show {name}' lists "
                f"its own phases."
            )
        for one, other in combinations(members, 2):
            if one.reduced == other.reduced:
                what = "an element" if len(one.elements) == 1 else "an end member"
                raise CompositionError(
                    f"'{name}' names {what} twice: write each once."
                    if one == other
                    else f"'{name}' names {what} twice, as {one} and as {other}: write it once."
                )
        _require_independent(members, name)
        return cls(members)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """``ZnS-P2S5``."""
        return "-".join(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The formula of each."""
        return tuple(one.formula for one in self.formulas)

    @property
    def of_elements(self) -> bool:
        """Whether all of them are elements, so that every composition of these is a mixture."""
        return all(len(one.elements) == 1 for one in self.formulas)

    @property
    def elements(self) -> tuple[str, ...]:
        """Of elements, as they were written; of compounds, as in formulas: P, S of P2S5.

        That is by Pauling's electronegativity.
        """
        found = tuple(dict.fromkeys(s for one in self.formulas for s in one.elements))
        return found if self.of_elements else tuple(sorted(found, key=_electronegativity))

    def amounts(self, composition: Composition) -> tuple[Fraction, ...] | None:
        """Formula units of each end member in one formula unit of a composition.

        Returns:
            One number for each, 0 or more; ``None`` where the composition is no mixture of them.
        """
        if not set(composition.elements) <= set(self.elements):
            return None
        matrix = _columns((*self.formulas, composition), self.elements)
        rows, pivots = row_echelon(matrix)
        k = len(self.formulas)
        if k in pivots:
            return None
        amounts = tuple(row[k] for row in rows[:k])
        return amounts if min(amounts) >= 0 else None

    def mole_fractions(self, composition: Composition) -> tuple[Fraction, ...]:
        """Share of the formula units of each end member in a composition: ½, ½ for ZnP2S6.

        Raises:
            CompositionError: it is no mixture of the end members.
        """
        amounts = self._amounts(composition)
        return tuple(one / sum(amounts) for one in amounts)

    def shares(self, composition: Composition) -> tuple[float, ...]:
        """Share of the atoms of a composition in each end member: 2/9, 7/9 for ZnP2S6.

        Energies per atom of mixtures are straight lines in these, not in mole fractions.

        Raises:
            CompositionError: it is no mixture of the end members.
        """
        amounts = self._amounts(composition)
        pairs = zip(amounts, self.formulas, strict=True)
        return tuple(float(n * one.size / composition.size) for n, one in pairs)

    def compositions(self, most: int) -> tuple[Composition, ...]:
        """All reduced formulas of mixtures of at least two end members.

        Args:
            most: atoms in the formula.

        Returns:
            By number of atoms; those of one number in the order of the amounts of the end members.

        Raises:
            RequestError: so many atoms would have to be looked through for too long.
        """
        return _mixtures(self, most)

    def _amounts(self, composition: Composition) -> tuple[Fraction, ...]:
        amounts = self.amounts(composition)
        if amounts is None:
            raise CompositionError(
                f"{composition} is no mixture of {' and '.join(self.names)}: name end members that "
                f"it lies between."
            )
        return amounts


def read_place(text: str) -> Composition | EndMembers:
    """A composition, such as Li5Si2, or a system, such as Li-Si or ZnS-P2S5.

    Raises:
        CompositionError, RequestError: it is neither, see :meth:`.Composition.parse` and
            :meth:`EndMembers.parse`.
    """
    return EndMembers.parse(text) if is_system(text) else Composition.parse(text)


def is_system(text: str) -> bool:
    """Whether a text names end members, and no single formula."""
    return _DASH.search(text.strip()) is not None


@lru_cache(maxsize=8)
def _mixtures(members: EndMembers, most: int) -> tuple[Composition, ...]:
    """See :meth:`EndMembers.compositions`.

    The counts of as many elements as there are end members, chosen so that they fix the amounts,
    are counted through; the other counts follow, and must be whole numbers.
    """
    k, elements = len(members.formulas), members.elements
    if comb(most + k, k) > MOST_TRIED:
        raise RequestError(
            f"cells of up to {most} atoms hold too many compositions of {members}: allow fewer "
            f"atoms."
        )
    matrix = _columns(members.formulas, elements)
    _, leading = row_echelon([list(column) for column in zip(*matrix, strict=True)])
    solved = inverse([matrix[row] for row in leading])
    divisor = lcm(*(x.denominator for row in solved for x in row))
    solve = np.array([[int(x * divisor) for x in row] for row in solved])
    whole = np.array([[int(x) for x in row] for row in matrix])
    tried = np.indices((most + 1,) * k).reshape(k, -1)
    tried = tried[:, tried.sum(axis=0) <= most]
    amounts = solve @ tried
    amounts = amounts[:, (amounts >= 0).all(axis=0) & ((amounts > 0).sum(axis=0) > 1)]
    counts = whole @ amounts
    fits = (counts % divisor == 0).all(axis=0) & (counts.sum(axis=0) <= most * divisor)
    found = []
    for column, amount in zip((counts[:, fits] // divisor).T, amounts[:, fits].T, strict=True):
        if gcd(*column.tolist()) == 1:
            present = zip(elements, column.tolist(), strict=True)
            formula = Composition(tuple((symbol, n) for symbol, n in present if n))
            found.append((formula.size, tuple(amount.tolist()), formula))
    return tuple(formula for *_, formula in sorted(found, key=lambda one: one[:2]))


def _require_independent(members: Sequence[Composition], name: str) -> None:
    elements = tuple(dict.fromkeys(s for one in members for s in one.elements))
    rows, pivots = row_echelon(_columns(members, elements))
    others = [k for k in range(len(members)) if k not in pivots]
    if not others:
        return
    # Σ amounts = 0: what is above zero stands for what is below.
    amounts = {others[0]: Fraction(-1)}
    amounts |= {pivot: rows[i][others[0]] for i, pivot in enumerate(pivots) if rows[i][others[0]]}
    amounts = dict(sorted(amounts.items()))
    shared = lcm(*(n.denominator for n in amounts.values()))
    here = {members[k]: int(n * shared) for k, n in amounts.items() if n > 0}
    there = {members[k]: int(-n * shared) for k, n in amounts.items() if n < 0}
    if len(here) > len(there):
        here, there = there, here
    if len(here) == 1:
        ((mixture, _),) = here.items()
        raise CompositionError(
            f"'{name}' has an end member that is a mixture of others: {_sum(here)} is "
            f"{_sum(there)}. Leave {mixture} out."
        )
    raise CompositionError(
        f"'{name}' has end members that react without changing the composition, {_sum(here)} to "
        f"{_sum(there)}, so their amounts do not follow from it: leave one of them out."
    )


def _sum(amounts: dict[Composition, int]) -> str:
    return " + ".join(f"{n if n > 1 else ''} {one}".strip() for one, n in amounts.items())


def _electronegativity(symbol: str) -> tuple[float, str]:
    """Pauling's, with what has none at the end."""
    import warnings

    from pymatgen.core import Element

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of noble gases, which have none
        value = float(Element(symbol).X)
    return (np.inf if isnan(value) else value), symbol


def _columns(formulas: Iterable[Composition], elements: Sequence[str]) -> list[Row]:
    """Counts of each element (rows) in each formula (columns)."""
    counts = [dict(one.counts) for one in formulas]
    return [[Fraction(one.get(symbol, 0)) for one in counts] for symbol in elements]
