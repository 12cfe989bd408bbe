"""The atom sites of a CIF block: elements, places, and whether each is wholly occupied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.descriptors.flaws import FULL
from gencsp.errors import PartlyOccupiedError, StructureFileError
from gencsp.io.cif.block import Block, as_number, is_null
from gencsp.io.content import check_size

#: Fractional: two sites this near are one place.
SAME_PLACE = 1e-3

#: What to do with a disordered crystal.
ORDER_IT = (
    "give an ordered crystal, or make ordered cells of it with --order N, as in 'gencsp relax FILE "
    "--order N'"
)

_ELEMENTS = frozenset(atomic_numbers) - {"X"}
#: Isotopes of hydrogen, which have symbols of their own.
ISOTOPES = frozenset("DT")
#: Element symbol, then a charge or a number of an atom type: "Fe", "Fe3+", "O2-", "Fe+3", "C1".
_TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*[+-]?\d*)")
_LABEL = re.compile(r"([A-Za-z]{1,2})")
_COORDINATES = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")


@dataclass(frozen=True, slots=True)
class Site:
    """A site, which a reader of ordered crystals takes for wholly occupied.

    Attributes:
        label: its name in the file.
        symbol: element; "H" for every isotope of hydrogen.
        place: fractional coordinates.
        multiplicity: atoms of the cell, as the file says; ``None`` where it does not.
        row: its place in the loop.
    """

    label: str
    symbol: str
    place: NDArray[np.float64]
    multiplicity: int | None
    row: int


def read_sites(block: Block, formula: Sequence[str] = ()) -> tuple[list[Site], list[str]]:
    """The sites of a block, each wholly occupied, and notes on how they were read.

    Args:
        block: with a loop of atom sites.
        formula: elements of the formula in the file, where it has one: they tell what a label such
            as CA1 means.

    Raises:
        PartlyOccupiedError: a site is occupied in part, or by several elements, or disordered.
        StructureFileError: a site has no place, or no element that is certain.
    """
    sites, shares, notes = listed_sites(block, formula, disordered=False)
    return _whole(sites, shares, block), notes


def listed_sites(
    block: Block, formula: Sequence[str] = (), *, disordered: bool
) -> tuple[list[Site], list[float], list[str]]:
    """The rows of a block, the share of each that is occupied, and notes on how they were read.

    Args:
        block: with a loop of atom sites.
        formula: as :func:`read_sites` takes it.
        disordered: whether groups of alternative sites are read.

    Raises:
        StructureFileError: as :func:`read_sites`; a share below 0.
    """
    labels = block.column("_atom_site_label") or block.column("_atom_site_type_symbol")
    columns = [block.column(name) for name in _COORDINATES]
    if any(len(column) != len(labels) or not column for column in columns):
        raise StructureFileError(
            f"{block.where} has no fractional coordinates (_atom_site_fract_x, _y, _z) for its "
            f"atoms."
        )
    check_size(len(labels), block.where)
    if not disordered:
        _refuse_alternatives(block)
    _refuse_incomplete(block, labels)
    notes: list[str] = []
    sites: list[Site] = []
    shares: list[float] = []
    for row, label in enumerate(labels):
        share = _occupancy(block, row, label)
        if share == 0.0:
            notes.append(f"site {label} has occupancy 0 and is left out")
            continue
        symbol = _element(block, row, label, formula)
        if symbol in ISOTOPES:
            notes.append(f"{symbol} is taken as H")
            symbol = "H"
        place = np.array([_coordinate(c[row], label, block, notes) for c in columns])
        sites.append(Site(label, symbol, place, _multiplicity(block, row), row))
        shares.append(share)
    if not sites:
        raise StructureFileError(f"{block.where} holds no atoms.")
    return sites, shares, list(dict.fromkeys(notes))


def _whole(sites: list[Site], shares: list[float], block: Block) -> list[Site]:
    """Sites of one element at one place, such as Fe2+ and Fe3+, are one where they fill it."""
    kept: list[Site] = []
    totals: list[float] = []
    for site, share in zip(sites, shares, strict=True):
        if share < FULL:
            for number, other in enumerate(kept):
                apart = site.place - other.place
                near = np.abs(apart - np.round(apart)).max() < SAME_PLACE
                if near and other.symbol == site.symbol and totals[number] < FULL:
                    totals[number] += share
                    break
            else:
                kept.append(site)
                totals.append(share)
            continue
        kept.append(site)
        totals.append(share)
    for site, total in zip(kept, totals, strict=True):
        if total < FULL:
            raise PartlyOccupiedError(
                f"{block.where} has partly occupied sites ({site.label}: {total:g}): {ORDER_IT}."
            )
        if total > 1.05:
            raise StructureFileError(
                f"site {site.label} of {block.where} has an occupancy of {total:g}, more than 1."
            )
    return kept


def _occupancy(block: Block, row: int, label: str) -> float:
    column = block.column("_atom_site_occupancy")
    if row >= len(column) or is_null(column[row]):
        return 1.0
    share = as_number(column[row], f"the occupancy of site {label} of {block.where}")
    if share < 0:
        raise StructureFileError(f"site {label} of {block.where} has an occupancy below 0.")
    return share


def _coordinate(text: str, label: str, block: Block, notes: list[str]) -> float:
    if text.strip() == ".":
        notes.append("coordinates '.' are taken as 0")
        return 0.0
    if is_null(text):
        raise StructureFileError(f"site {label} of {block.where} has unknown coordinates.")
    value = as_number(text, f"a coordinate of site {label} of {block.where}")
    if abs(value) > 1000:
        raise StructureFileError(
            f"site {label} of {block.where} has the coordinate {value:g}: they are fractions of "
            f"the lattice vectors."
        )
    return value


def _multiplicity(block: Block, row: int) -> int | None:
    column = block.column("_atom_site_symmetry_multiplicity")
    if row >= len(column) or not column[row].strip().isdecimal() or len(column[row]) > 6:
        return None
    return int(column[row])


def _element(block: Block, row: int, label: str, formula: Sequence[str]) -> str:
    column = block.column("_atom_site_type_symbol")
    if row < len(column) and not is_null(column[row]):
        text = column[row].strip()
        found = _TYPE.fullmatch(text)
        if found is None and re.search(r"[+,/]", text.rstrip("+")) is not None:
            raise StructureFileError(
                f"{block.where} has partly occupied sites ({label}: '{text}'): give an ordered "
                f"crystal."
            )
        symbol = None if found is None else _symbol(found[1], whole=True)
        if symbol is None:
            raise StructureFileError(
                f"site {label} of {block.where} is of type '{text}', which is not an element."
            )
        return symbol
    if re.search(r"[A-Za-z]\d*\s*[+,/]\s*[\d.]*[A-Za-z]", label):
        raise StructureFileError(
            f"{block.where} has partly occupied sites (label '{label}'): give an ordered crystal."
        )
    found = _LABEL.match(label)
    known = tuple(formula) or tuple(
        symbol
        for text in block.column("_atom_type_symbol")
        if (match := _TYPE.fullmatch(text.strip())) and (symbol := _symbol(match[1], whole=True))
    )
    symbol = None if found is None else _symbol(found[1], known=known)
    if symbol is None:
        raise StructureFileError(
            f"site {label} of {block.where} has no type symbol, and its label begins with no "
            f"element."
        )
    return symbol


def _symbol(letters: str, *, whole: bool = False, known: Sequence[str] = ()) -> str | None:
    """The element that one or two letters stand for, in whatever case.

    Args:
        letters: from a type symbol or the beginning of a label.
        whole: the letters are all that there is, so that CA is calcium and never carbon.
        known: elements to choose from where both readings of a label are possible.
    """
    both, first = letters.title(), letters[0].upper()
    # T in a label is a tetrahedral site more often than tritium.
    elements = _ELEMENTS | (ISOTOPES if whole else {"D"})
    possible = [s for s in ((both,) if whole else (both, first)) if s in elements]
    fitting = [s for s in possible if s in known]
    return next(iter(fitting or possible), None)


def _refuse_alternatives(block: Block) -> None:
    groups = [text.strip() for text in block.column("_atom_site_disorder_group")]
    named = {text for text in groups if not is_null(text) and text != "0"}
    if len(named) > 1 or any(text.startswith("-") for text in named):
        raise PartlyOccupiedError(
            f"{block.where} is disordered (groups {', '.join(sorted(named))} of alternative "
            f"sites): {ORDER_IT}."
        )


def _refuse_incomplete(block: Block, labels: Sequence[str]) -> None:
    for label, flag in zip(labels, block.column("_atom_site_calc_flag"), strict=False):
        if flag.strip().lower() == "dum":
            raise StructureFileError(f"site {label} of {block.where} is a dummy site: remove it.")
    attached = block.column("_atom_site_attached_hydrogens")
    for label, text in zip(labels, attached, strict=False):
        if not is_null(text) and text.strip() != "0":
            raise StructureFileError(
                f"site {label} of {block.where} has hydrogen atoms without places of their own: "
                f"give them coordinates."
            )
