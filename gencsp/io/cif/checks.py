"""What a CIF says of its crystal beside sites and operations, held against the crystal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import spglib
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from gencsp.descriptors.least_distances import CLOSEST
from gencsp.io.cif.block import Block
from gencsp.io.cif.sites import ISOTOPES, Site
from gencsp.io.cif.symmetry import Operations, claimed_group
from gencsp.symmetry.answers import answer

#: By how much an amount of a formula may be rounded, where its amounts are no whole numbers.
ROUNDED = 0.02

_TOKEN = re.compile(r"([A-Za-z]{1,2})(\d*\.?\d*)")
_ELEMENT_AMOUNT = re.compile(r"[A-Z][a-z]?\d*\.?\d*")
#: "MgO" and "Al2O3", which should have been "Mg O" and "Al2 O3"; "CO" and "CA" are left alone.
_RUN_TOGETHER = re.compile(r"(?=.*[a-z0-9])(?:[A-Z][a-z]?\d*\.?\d*)+")
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula_structural")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the file says of a crystal.

    Attributes:
        faults: what contradicts it, in words.
        confirmed: whether the number of its atoms is said, and is right.
    """

    faults: tuple[str, ...]
    confirmed: bool


def formula_of(block: Block) -> dict[str, float]:
    """The formula in the file; empty where there is none that is certain. D and T count as H."""
    for name in _FORMULAS:
        amounts = _parse_formula(block.value(name))
        if amounts:
            return amounts
    return {}


def _parse_formula(text: str) -> dict[str, float]:
    words = text.split()
    if len(words) == 1 and _RUN_TOGETHER.fullmatch(words[0]):
        words = _ELEMENT_AMOUNT.findall(words[0])
    amounts: dict[str, float] = {}
    for word in words:
        found = _TOKEN.fullmatch(word)
        if found is None:
            return {}
        symbol = found[1].title()
        if symbol not in atomic_numbers and symbol not in ISOTOPES:
            return {}
        try:
            amount = float(found[2] or 1)
        except ValueError:
            return {}
        symbol = "H" if symbol in ISOTOPES else symbol
        amounts[symbol] = amounts.get(symbol, 0.0) + amount
    return {symbol: amount for symbol, amount in amounts.items() if amount > 0}


def judge(
    atoms: Atoms,
    sites: Sequence[Site],
    sizes: Sequence[int],
    operations: Operations,
    block: Block,
) -> Judgement:
    """Formula, number of formula units, multiplicities and shortest distance of a crystal.

    Args:
        atoms: the crystal.
        sites: the sites that it is made of.
        sizes: how many atoms each became.
        operations: that made them.
        block: of the file.
    """
    faults: list[str] = []
    counts = Counter(atoms.get_chemical_symbols())
    formula = formula_of(block)
    shown = atoms.get_chemical_formula()
    if formula and not _proportional(counts, formula):
        faults.append(f"its sites give {shown}, its formula is '{_shown(formula)}'")
    units = block.number("_cell_formula_units_z")
    sized = bool(formula and units and units >= 1 and not faults)
    if sized and units is not None and not _same_size(len(atoms), formula, units):
        expected = sum(formula.values()) * units
        faults.append(
            f"its sites give {len(atoms)} atoms, {units:g} formula units of '{_shown(formula)}' "
            f"are {expected:g}"
        )
    told = [site.multiplicity for site in sites]
    agree = None not in told and tuple(told) == tuple(sizes)
    if None not in told and not agree and not _site_orders(told, sizes, len(operations)):
        worst = next(n for n, size in enumerate(sizes) if told[n] != size)
        faults.append(
            f"site {sites[worst].label} becomes {sizes[worst]} atoms, its multiplicity in the "
            f"file is {told[worst]}"
        )
    if len(operations) > 1:
        faults += _too_close(atoms)
    return Judgement(tuple(faults), (sized or (agree and len(operations) > 1)) and not faults)


def symmetry_fault(atoms: Atoms, operations: Operations, block: Block) -> str:
    """Why operations that are fewer than those of the named space group are too few, or "".

    A list of x,y,z alone below the symbol F m -3 m may come with all atoms or with one of each
    kind: the crystal shows which, since only with all its atoms it has that space group.
    """
    group = claimed_group(block)
    if operations.source != "listed" or group is None:
        return ""
    if len(list(group.operations())) <= len(operations):
        return ""
    crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    for symprec in (0.01, 0.1):
        found = answer(spglib.get_symmetry_dataset, crystal, symprec=symprec)
        if found is not None and found.number == group.number:
            return ""
    return (
        f"it lists {len(operations)} of the operations of its space group '{group.xhm()}', and "
        f"its atoms do not have that symmetry"
    )


def _too_close(atoms: Atoms) -> list[str]:
    first, second, distances = neighbor_list("ijd", atoms, CLOSEST)
    if not distances.size:
        return []
    least = distances.argmin()
    symbols = f"{atoms.symbols[first[least]]} and {atoms.symbols[second[least]]}"
    return [f"its operations bring {symbols} to {distances[least]:.2f} Å of each other"]


def _proportional(counts: Mapping[str, int], formula: Mapping[str, float]) -> bool:
    if counts.keys() != formula.keys():
        return False
    share = sum(counts.values()) / sum(formula.values())
    whole = all(abs(amount - round(amount)) < 1e-6 for amount in formula.values())
    for symbol, count in counts.items():
        allowed = 1e-6 * count if whole else ROUNDED * count + 0.01 * share
        if abs(formula[symbol] * share - count) > allowed:
            return False
    return True


def _same_size(n_atoms: int, formula: Mapping[str, float], units: float) -> bool:
    """Whether the cell has so many formula units.

    pymatgen writes the formula of the cell, such as Ti2 O4, beside the number of reduced ones.
    """
    total = sum(formula.values())
    amounts = [round(amount) for amount in formula.values()]
    whole = all(abs(a - b) < 1e-6 for a, b in zip(amounts, formula.values(), strict=True))
    reduced = total / gcd(*amounts) if whole else total
    return any(abs(one * units - n_atoms) <= 0.05 * one * units for one in (total, reduced))


def _site_orders(told: Sequence[int | None], sizes: Sequence[int], n_operations: int) -> bool:
    """Whether the file gives orders of the site symmetry, as SHELXL long did under this name."""
    return all(order == n_operations // size for order, size in zip(told, sizes, strict=True))


def _shown(formula: Mapping[str, float]) -> str:
    return " ".join(f"{symbol}{amount:g}" for symbol, amount in formula.items())
