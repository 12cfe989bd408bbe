"""Formulas, formula units and the atom counts that follow from them."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from math import gcd, inf, isfinite, lcm
from pathlib import Path

from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from pymatgen.core import Composition as PymatgenComposition
from pymatgen.core import Element

from gencsp.errors import CompositionError, StructureFileError

#: The elements of the shipped score model and hull: those that CHGNet covers, short of the
#: five (Po, At, Rn, Fr, Ra) that the training crystals lack. H to Bi and Ac to Pu.
ELEMENTS: tuple[str, ...] = tuple(
    symbol
    for symbol, z in sorted(atomic_numbers.items(), key=lambda item: item[1])
    if 1 <= z <= 83 or 89 <= z <= 94
)

#: Dots of all kinds, and a star, join compounds wherever they stand.
_DOT = re.compile(r"[·•∙⋅*・]")
_COUNT = r"\d+/\d+|0\.\d+|\d+\.5|\d+"
#: What crystals take up beside what they are named for; water most often.
_MOLECULE = r"\(?(?:H2O2?|D2O|OH2|NH3|HCl|HF|CO2|CH4|N2H4|SO2|HNO3|H2SO4)\)?(?![a-z0-9])"
#: A full stop that joins compounds. Before a number it mostly is a decimal point.
_STOP = re.compile(rf"\.(?=\s*[A-Z(\[{{]|\s+|(?:{_COUNT})\s*{_MOLECULE})")
_NUMBER = re.compile(rf"\s*(?P<number>{_COUNT})?\s*")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

_TOKEN = re.compile(r"(?P<symbol>[A-Z][a-z]?)|(?P<count>\d+(?:\.\d+)?)|[()\[\]{}\s]")


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """One formula unit: element symbols with their whole-number counts, in the order written.

    ``Composition.parse("Li5Si2")`` is the usual way in. Compositions of the same counts are equal
    whatever the order of their elements (TiO2 and O2Ti), while :attr:`formula` keeps the order as
    written; multiples (TiO2 and Ti2O4) are equal only when :attr:`reduced`.
    """

    counts: tuple[tuple[str, int], ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Composition):
            return NotImplemented
        return sorted(self.counts) == sorted(other.counts)

    def __hash__(self) -> int:
        return hash(frozenset(self.counts))

    @classmethod
    def parse(cls, formula: str) -> Composition:
        """Read a formula as chemists write it: ``Li5Si2``, ``Ca(OH)2``, ``K3[Fe(CN)6]``.

        Subscripts may be ₂ for 2. Compounds are joined by a dot (``CaSO4·2H2O``, ``MgO.Al2O3``,
        also ``*``), each with a number before it where there are several. A full stop between two
        digits joins them only where water or another small molecule follows (``CaSO4.2H2O``);
        elsewhere it is a decimal point. The sum of joined compounds is reduced, and a broken number
        of molecules made whole: ``CaSO4·0.5H2O`` is Ca2S2O9H2.

        Raises:
            CompositionError: the formula is empty, holds an unknown element, or a count that is
                not a positive whole number.
        """
        text = formula.strip().translate(_SUBSCRIPTS)
        counts: dict[str, Fraction] = {}
        parts = [_numbered(part, formula) for part in _parts(text)]
        # The half of CaSO4·0.5H2O is made whole; a broken subscript is not.
        shared = lcm(*(number.denominator for number, _ in parts))
        for number, compound in parts:
            for symbol, n in _counts_of(compound, formula).items():
                counts[symbol] = counts.get(symbol, Fraction(0)) + shared * number * n
        written = {symbol: float(n) for symbol, n in counts.items()}
        found = cls.from_counts(written, formula.strip())
        return found if len(parts) == 1 else found.reduced

    @classmethod
    def from_counts(cls, counts: Mapping[str, float], name: str = "") -> Composition:
        """Build from a mapping of symbol to count; see :meth:`parse` for what is raised."""
        label = name or "".join(f"{symbol}{n:g}" for symbol, n in counts.items())
        if not counts:
            raise CompositionError(f"'{label}' holds no atoms: give a formula such as Li5Si2.")
        for symbol, n in counts.items():
            if symbol not in ELEMENTS:
                raise CompositionError(
                    f"'{symbol}' in '{label}' is not an element that gencsp knows "
                    f"(H to Bi and Ac to Pu)."
                )
            if n != int(n) or n <= 0:
                raise CompositionError(
                    f"the count of {symbol} in '{label}' is {n:g}: counts must be whole numbers "
                    f"above zero."
                )
        return cls(tuple((symbol, int(n)) for symbol, n in counts.items()))

    @classmethod
    def of(cls, atoms: Atoms) -> Composition:
        """The reduced formula of a structure."""
        return _reduced(tuple(Counter(atoms.numbers.tolist()).items()))

    @classmethod
    def in_cell(cls, atoms: Atoms) -> Composition:
        """All atoms of a structure, elements in :attr:`conventional` order; not reduced."""
        symbols = atoms.get_chemical_symbols()
        return cls(tuple((s, symbols.count(s)) for s in dict.fromkeys(symbols))).conventional

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols, in the order of the formula."""
        return tuple(symbol for symbol, _ in self.counts)

    @property
    def size(self) -> int:
        """Atoms in one formula unit."""
        return sum(n for _, n in self.counts)

    @property
    def reduced(self) -> Composition:
        """The smallest whole-number formula with the same ratios."""
        divisor = reduce(gcd, (n for _, n in self.counts))
        return Composition(tuple((symbol, n // divisor) for symbol, n in self.counts))

    @property
    def formula(self) -> str:
        """The formula as text, elements in the order given, counts of one left out."""
        return "".join(symbol + (str(n) if n > 1 else "") for symbol, n in self.counts)

    @property
    def alphabetical(self) -> Composition:
        """The same composition with its elements in alphabetical order.

        For places where no formula was given, so that the result does not depend on which structure
        came first.
        """
        return Composition(tuple(sorted(self.counts)))

    @property
    def conventional(self) -> Composition:
        """The same composition from the least electronegative element to the most, by Pauling.

        So tables and the Materials Project write formulas: MgSiO3, not O3MgSi. Elements without an
        electronegativity, the light noble gases, come last.
        """

        def place(item: tuple[str, int]) -> tuple[float, str]:
            value = float(Element(item[0]).X)
            return (value if isfinite(value) else inf, item[0])

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No Pauling electronegativity")
            return Composition(tuple(sorted(self.counts, key=place)))

    @property
    def formula_key(self) -> str:
        """The reduced formula with its elements in alphabetical order.

        It is equal for compositions of equal ratios, for tables and queries (OPTIMADE's
        ``chemical_formula_reduced``).
        """
        return self.reduced.alphabetical.formula

    def __str__(self) -> str:
        return self.formula

    def symbols(self, units: int = 1) -> list[str]:
        """Element symbols of ``units`` formula units, grouped by element."""
        return [symbol for symbol, n in self.counts for _ in range(n * units)]

    def units_within(self, max_atoms: int) -> range:
        """Numbers of formula units that keep a cell within ``max_atoms`` atoms.

        Raises:
            CompositionError: not even one formula unit fits.
        """
        most = max_atoms // self.size
        if most < 1:
            raise CompositionError(
                f"one formula unit of {self.formula} has {self.size} atoms, more than the "
                f"{max_atoms} allowed: raise the limit to at least {self.size}."
            )
        return range(1, most + 1)

    def cell_units(self, max_atoms: int, units: Iterable[int] | None = None) -> tuple[int, ...]:
        """Numbers of *reduced* formula units that a cell may hold.

        A formula that is not in lowest terms, such as Na4Cl4, is a cell: those who want NaCl in
        cells of any size write so.

        Args:
            max_atoms: most atoms in a cell.
            units: how many times the formula as it is written; ``None`` for all that fit, and for
                a cell once.

        Raises:
            CompositionError: not even one formula unit fits, where ``units`` are not given.
        """
        multiple = self.size // self.reduced.size
        if units is not None:
            return tuple(multiple * n for n in units)
        fit = tuple(self.units_within(max_atoms))
        return fit if multiple == 1 else (multiple,)

    def without(self, elements: Iterable[str]) -> Composition:
        """The framework left when ``elements`` are taken out.

        Raises:
            CompositionError: one of them is not in the formula, or nothing would be left.
        """
        gone = tuple(elements)
        for symbol in gone:
            if symbol not in self.elements:
                raise CompositionError(
                    f"{symbol} is not in {self.formula}, so it cannot be a guest."
                )
        left = tuple((symbol, n) for symbol, n in self.counts if symbol not in gone)
        if not left:
            raise CompositionError(
                f"taking {', '.join(gone)} out of {self.formula} leaves no host atoms: "
                f"name fewer guests."
            )
        return Composition(left)

    def matches(self, atoms: Atoms) -> bool:
        """Whether a structure is a whole multiple of this formula."""
        return Composition.of(atoms) == self.reduced


@lru_cache(maxsize=1024)
def _reduced(counts: tuple[tuple[int, int], ...]) -> Composition:
    """The reduced formula of so many atoms of each atomic number; a search asks for few of them."""
    return Composition(tuple((chemical_symbols[z], n) for z, n in counts)).reduced


def _parts(text: str) -> list[str]:
    """The compounds that dots join, each with the number before it."""
    parts = []
    for part in _DOT.split(text):
        left = part
        while True:
            begin = _NUMBER.match(left)
            stop = _STOP.search(left, begin.end() if begin else 0)
            if stop is None:
                break
            parts.append(left[: stop.start()])
            left = left[stop.end() :]
        parts.append(left)
    return parts


def _numbered(part: str, formula: str) -> tuple[Fraction, str]:
    """The number before a compound, one where there is none, and the compound."""
    found = _NUMBER.match(part)
    assert found is not None, "the number may be missing"
    compound = part[found.end() :]
    if not compound.strip():
        raise CompositionError(
            f"'{formula}' is not a formula: write element symbols and whole numbers, such as "
            f"Li5Si2 or CaSO4·2H2O."
        )
    above, _, below = (found["number"] or "1").partition("/")
    if float(above) == 0 or (below and int(below) == 0):
        raise CompositionError(
            f"'{formula}' has a count of zero: counts must be whole numbers above zero."
        )
    return Fraction(above) / int(below or 1), compound


def _counts_of(compound: str, formula: str) -> dict[str, Fraction]:
    """Counts of a formula without dots."""
    _refuse_what_pymatgen_forgives(compound)
    try:
        parsed = PymatgenComposition(compound, strict=True)
    except (ValueError, KeyError, IndexError) as error:
        raise CompositionError(
            f"'{formula}' is not a formula: write element symbols and whole numbers, "
            f"such as Li5Si2."
        ) from error
    return {str(element): Fraction(n).limit_denominator(10**6) for element, n in parsed.items()}


def _refuse_what_pymatgen_forgives(formula: str) -> None:
    """Raise for what ``pymatgen.Composition`` reads without complaint as some other formula.

    It drops an element with a count of zero (Li0Si2 becomes Si2), skips characters such as ``@``
    and reads 1e2 as a hundred.
    """
    opened: list[str] = []
    for bracket in re.findall(r"[()\[\]{}]", formula):
        if bracket in "([{":
            opened.append(bracket)
        elif not opened or opened.pop() + bracket not in ("()", "[]", "{}"):
            opened = ["?"]
            break
    if opened:
        raise CompositionError(
            f"'{formula}' is not a formula: its brackets do not match, as those of K3[Fe(CN)6] do."
        )
    read = 0
    for token in _TOKEN.finditer(formula):
        if token.start() != read:
            break
        read = token.end()
        symbol, count = token["symbol"], token["count"]
        if symbol and symbol not in ELEMENTS:
            raise CompositionError(
                f"'{symbol}' in '{formula}' is not an element that gencsp knows "
                f"(H to Bi and Ac to Pu)."
            )
        if count and float(count) == 0:
            raise CompositionError(
                f"'{formula}' has a count of zero: counts must be whole numbers above zero."
            )
    if read < len(formula) and formula[read] == "-":
        raise CompositionError(
            f"'{formula}' has a negative count: counts must be whole numbers above zero."
        )
    if read < len(formula):
        raise CompositionError(
            f"'{formula}' is not a formula ('{formula[read]}' cannot be read): write element "
            f"symbols and whole numbers, such as Li5Si2."
        )


def read_formula_keys(path: Path) -> frozenset[str]:
    """Reduced formulas of a file, one a line, as :attr:`.Composition.formula_key` spells them.

    Raises:
        StructureFileError: the file cannot be read.
        CompositionError: a line is not a formula.
    """
    try:
        lines = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise StructureFileError(f"{path} cannot be read ({error}).") from error
    return frozenset(Composition.parse(line).formula_key for line in lines)
