"""How guests complete a host to a formula: which they are, and in how many cells of the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ase import Atoms

from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.symmetry.supercells import distinct_supercells, primitive, rotations_of, supercell

#: Shapes of supercells that guests are put into, the most compact first.
SHAPES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Hosts without guests, and what they are to be completed to.

    Attributes:
        hosts: cells of one composition; where the formula needs several cells of the host, the
            most compact supercells.
        composition: of host and guests, in lowest terms.
        guests: element symbols.
        units: formula units in each cell.
        cells: cells of the host in each; primitive ones where there are several.
    """

    hosts: tuple[Atoms, ...]
    composition: Composition
    guests: tuple[str, ...]
    units: int
    cells: int

    @property
    def size(self) -> int:
        """Atoms of host and guests in each cell."""
        return self.units * self.composition.size


def complete(
    hosts: Sequence[Atoms],
    formula: Composition,
    guests: Sequence[str] | None = None,
    *,
    max_atoms: int,
) -> Completion:
    """The cells in which guests complete a host to a formula.

    The cells are those given, whatever their size, if the formula fits into them a whole number of
    times, and if not, the smallest supercells of the primitive cell that it fits into. A formula
    that is not in lowest terms, such as Li2Co4O8, is the cell itself.

    Args:
        hosts: cells without guests, of one composition and size.
        formula: of host and guests together.
        guests: element symbols, none of which is in the hosts; ``None`` for all elements of the
            formula that the hosts lack.
        max_atoms: most atoms in a supercell, guests included.

    Raises:
        RequestError: the formula does not hold the host, adds nothing to it, or needs a larger
            cell than the limit allows.
    """
    counts = Counter(hosts[0].get_chemical_symbols())
    added = _guests(counts, formula, guests)
    reduced = formula.reduced
    given = None if formula == reduced else formula.size // reduced.size
    cells, units = _fit(counts, reduced, given)
    found = tuple(hosts)
    if cells != 1:
        small = [primitive(host) for host in hosts]
        cells, units = _fit(Counter(small[0].get_chemical_symbols()), reduced, given)
        if cells.denominator != 1:
            raise RequestError(
                f"the cell {formula} holds no whole number of cells of the host "
                f"({_shown(counts)}): give a formula in lowest terms, or another cell."
            )
        size = units * reduced.size
        if size > max_atoms:
            raise RequestError(
                f"{formula} needs {cells} cells of the host, {size} atoms with the guests, and the "
                f"limit is {max_atoms}: allow {size}."
            )
        found = tuple(one for host in small for one in _supercells(host, int(cells)))
    return Completion(hosts=found, composition=reduced, guests=added, units=units, cells=int(cells))


def _guests(
    host: Mapping[str, int], formula: Composition, guests: Sequence[str] | None
) -> tuple[str, ...]:
    """The elements to add, once the host is known to be part of the formula."""
    wanted = dict(formula.counts)
    added = tuple(symbol for symbol in wanted if symbol not in host)
    absent = [symbol for symbol in host if symbol not in wanted]
    if absent:
        raise RequestError(
            f"the host {_shown(host)} has {', '.join(absent)}, and {formula} has none: give the "
            f"formula of host and guests together."
        )
    if guests is not None and set(added) != set(guests):
        other = [symbol for symbol in added if symbol not in guests]
        if other:
            raise RequestError(
                f"{', '.join(other)} in {formula} is neither in the host nor a guest: name it "
                f"among the guests."
            )
        missing = [symbol for symbol in guests if symbol not in added]
        raise RequestError(
            f"{', '.join(missing)} is a guest and not in {formula}: leave it out, or give a "
            f"formula that has it."
        )
    ratios = {symbol: Fraction(wanted[symbol], n) for symbol, n in host.items()}
    if len(set(ratios.values())) > 1:
        more = [symbol for symbol, ratio in ratios.items() if ratio > min(ratios.values())]
        raise RequestError(
            f"{formula} is not the host {_shown(host)} with guests added, as it has a larger share "
            f"of {', '.join(more)}: give the formula of host and guests, or name {more[0]} among "
            f"the guests, which are taken out of the host and placed anew."
        )
    if not added:
        raise RequestError(
            f"the host already is {formula}, so nothing is left to add: name its guests, which are "
            f"then taken out first, or give the formula of host and guests."
        )
    return added


def _fit(host: Mapping[str, int], formula: Composition, units: int | None) -> tuple[Fraction, int]:
    """Cells of the host, and the formula units in them: as many as given, or the fewest."""
    symbol, n = next(iter(host.items()))
    each = Fraction(dict(formula.counts)[symbol], n)
    if units is None:
        return Fraction(each.numerator), each.denominator
    return each * units, units


def _supercells(host: Atoms, cells: int) -> list[Atoms]:
    matrices = distinct_supercells(host.cell.array, rotations_of(host), cells)
    return [supercell(host, matrix) for matrix in matrices[:SHAPES]]


def _shown(counts: Mapping[str, int]) -> str:
    return Composition(tuple(counts.items())).reduced.formula
