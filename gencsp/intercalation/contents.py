"""Guest contents of a host: the series that is asked for, and the cells that can have them.

The guest content x is the number of guest atoms for each formula unit of the host: Li0.5CoO2 has
x = 0.5 in CoO2, and LiC6 has x = 1 in C6 or x = 1/6 in C. Only cells in which x times the formula
units is a whole number can have a content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ase import Atoms

from gencsp.composition import Composition
from gencsp.errors import RequestError

#: Most contents of one series.
MOST = 1000
#: Reachable contents that are named where one is not.
NAMED = 3


@dataclass(frozen=True, slots=True)
class GuestContent:
    """A guest content in a supercell of a host.

    Attributes:
        x: guest atoms for each formula unit of the host.
        guests: guest atoms in the supercell.
        multiple: host cells in the supercell.
    """

    x: Fraction
    guests: int
    multiple: int


def read_series(text: str) -> tuple[Fraction, ...]:
    """A series of guest contents, ascending, each once.

    Args:
        text: ``FIRST:LAST:STEP``, both ends included, such as ``0:1:0.125`` or ``0:1:1/3``; or
            numbers with commas, such as ``0,1/3,0.5,1``.

    Raises:
        RequestError: it is neither, a number is negative, or there are too many.
    """
    parts = text.split(":")
    if len(parts) == 1:
        numbers = {_number(part, text) for part in text.split(",") if part.strip()}
    elif len(parts) == 3:
        first, last, step = (_number(part, text) for part in parts)
        if step == 0 or last < first:
            raise _unreadable(text)
        count = (last - first) // step + 1
        if count > MOST:
            raise RequestError(f"'{text}' is a series of {count} contents: at most {MOST} are.")
        numbers = {first + k * step for k in range(count)}
    else:
        raise _unreadable(text)
    if not numbers:
        raise _unreadable(text)
    if len(numbers) > MOST:
        raise RequestError(f"{len(numbers)} guest contents are given: at most {MOST} are possible.")
    return tuple(sorted(numbers))


def _number(text: str, whole: str) -> Fraction:
    try:
        number = Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise _unreadable(whole) from error
    if number < 0:
        raise RequestError(f"a guest content of '{whole}' is negative: give numbers from 0 on.")
    return number


def _unreadable(text: str) -> RequestError:
    return RequestError(
        f"'{text}' is no series of guest contents: give FIRST:LAST:STEP such as 0:1:0.125, or "
        f"numbers such as 0,1/3,0.5,1."
    )


def formula_units(host: Atoms, unit: Composition | None = None) -> Fraction:
    """Formula units in a host.

    Args:
        host: without guests.
        unit: that guest contents are counted by; ``None`` for the reduced formula of the host. A
            multiple of it, such as C6, need not fit in the host a whole number of times.

    Raises:
        RequestError: the host is not of this formula.
    """
    reduced = Composition.of(host)
    counted = reduced if unit is None else unit
    if counted.reduced != reduced:
        raise RequestError(
            f"the host is {reduced} and the formula unit {counted}: give a multiple of {reduced}."
        )
    return Fraction(len(host), counted.size)


def content_of(atoms: Atoms, guest: str, unit: Composition) -> Fraction:
    """Guest atoms for each formula unit of the host in a structure."""
    guests = atoms.get_chemical_symbols().count(guest)
    return Fraction(guests * unit.size, len(atoms) - guests)


def cells_of(
    x: Fraction, units: Fraction, host_atoms: int, max_atoms: int
) -> tuple[GuestContent, ...]:
    """The supercells within the atom limit that can have a guest content, smallest first.

    Args:
        x: guest atoms for each formula unit of the host.
        units: formula units in the host cell, see :func:`formula_units`.
        host_atoms: atoms in the host cell.
        max_atoms: most atoms in a supercell, guests included.
    """
    found = []
    for multiple in range(1, max_atoms // host_atoms + 1):
        guests = x * units * multiple
        if guests.denominator == 1 and multiple * host_atoms + guests <= max_atoms:
            found.append(GuestContent(x, int(guests), multiple))
    return tuple(found)


def plan_contents(
    series: Sequence[Fraction], units: Fraction, host_atoms: int, max_atoms: int
) -> tuple[tuple[GuestContent, ...], ...]:
    """For each content of a series the supercells that can have it, smallest first.

    Args:
        series: guest contents.
        units: formula units in the host cell, see :func:`formula_units`.
        host_atoms: atoms in the host cell.
        max_atoms: most atoms in a supercell, guests included.

    Raises:
        RequestError: a content that no cell within the limit has; the message names the nearest
            that one has, and how many atoms the content needs.
    """
    plans = [cells_of(x, units, host_atoms, max_atoms) for x in series]
    missing = [x for x, plan in zip(series, plans, strict=True) if not plan]
    if missing:
        x = missing[0]
        near = ", ".join(map(shown, nearest_contents(x, units, host_atoms, max_atoms)))
        instead = f"the nearest that can be reached are {near}" if near else "no content can be"
        needed = (x * units).denominator * host_atoms + x * units * (x * units).denominator
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise RequestError(
            f"a guest content of {shown(x)}{more} cannot be reached within {max_atoms} atoms: "
            f"{instead}, and {needed} atoms would do."
        )
    return tuple(plans)


def nearest_contents(
    x: Fraction, units: Fraction, host_atoms: int, max_atoms: int
) -> tuple[Fraction, ...]:
    """The contents nearest to x that a cell within the limit can have, ascending."""
    reached: set[Fraction] = set()
    for multiple in range(1, max_atoms // host_atoms + 1):
        below = x * units * multiple // 1
        for guests in range(max(0, below - 1), below + 3):
            if multiple * host_atoms + guests <= max_atoms:
                reached.add(guests / (units * multiple))
    nearest = sorted(reached, key=lambda one: (abs(one - x), one))[:NAMED]
    return tuple(sorted(nearest))


def shown(x: Fraction) -> str:
    """A content as text: 0.5, or 1/3 where decimals do not end."""
    rest = x.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return f"{float(x):g}" if rest == 1 else str(x)


def formula_at(x: Fraction, guest: str, host: Composition) -> str:
    """The formula at a content, such as Li0.5CoO2."""
    if x == 0:
        return host.formula
    return f"{guest}{'' if x == 1 else shown(x) if x.denominator == 1 else f'{float(x):.4g}'}{host}"
