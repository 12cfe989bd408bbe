"""The crystals of a report as numbers, small enough for ten thousand of them in one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element

from gencsp.descriptors.flaws import is_finite
from gencsp.report.model import ReportStructure
from gencsp.symmetry.refinement import conventional

#: Steps of fractional coordinates between 0 and 1.
STEPS = 1_000_000
#: Structures of which the conventional cell is worked out: it takes a few milliseconds each.
MOST_CONVENTIONAL = 2_000

Cell = dict[str, Any]


def crystals_of(structures: Sequence[ReportStructure], *, every: bool = False) -> dict[str, Any]:
    """The crystals of all structures, in their order.

    Args:
        structures: the lowest first.
        every: work out the conventional cell also of duplicates and of what has no energy.

    Returns:
        ``symbols``, the elements; ``given``, for each structure its lattice (nine numbers, Å; none
        for what is no crystal), the places of its elements in ``symbols``, and its fractional
        coordinates in steps of 1e-6 (Cartesian ones, in Å, without a lattice), flat;
        ``conventional``, the same of the symmetrised conventional cell, for the lowest crystals
        alone, ``None`` where it is not known.
    """
    symbols = sorted({symbol for one in structures for symbol in one.atoms.symbols})
    places = {symbol: number for number, symbol in enumerate(symbols)}
    left = MOST_CONVENTIONAL
    standard: list[Cell | None] = []
    for one in structures:
        result = one.energy is not None and not (one.failure or one.duplicate_of)
        wanted = left > 0 and (every or result)
        left -= wanted
        standard.append(_conventional(one.atoms, places) if wanted else None)
    given = [_cell(one.atoms, places) for one in structures]
    return {"symbols": symbols, "given": given, "conventional": standard}


def _conventional(atoms: Atoms, places: Mapping[str, int]) -> Cell | None:
    if not is_crystal(atoms) or not is_finite(atoms):
        return None
    found = conventional(atoms)
    return None if found is None else _cell(found, places)


def _cell(atoms: Atoms, places: Mapping[str, int]) -> Cell:
    elements = [places[symbol] for symbol in atoms.symbols]
    if not is_crystal(atoms):
        return {"l": None, "e": elements, "x": _numbers(atoms.positions.ravel(), 4)}
    fractions = np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T % 1.0
    steps = np.round(np.nan_to_num(fractions) * STEPS).astype(int) % STEPS
    return {
        "l": _numbers(atoms.cell.array.ravel(), 7),
        "e": elements,
        "x": steps.ravel().tolist(),
    }


def is_crystal(atoms: Atoms) -> bool:
    """Whether it is periodic in three directions, with a cell of numbers that spans a volume."""
    return bool(atoms.cell.rank == 3 and atoms.pbc.all() and np.isfinite(atoms.cell.array).all())


def _numbers(values: Iterable[float], digits: int) -> list[float]:
    return [round(float(value), digits) for value in np.nan_to_num(np.asarray(values))]


def elements_of(structures: Sequence[ReportStructure]) -> dict[str, dict[str, Any]]:
    """What the page needs to know of each element.

    Returns:
        By symbol: covalent radius (Å, of ASE), electronegativity (Pauling; ``None`` without), the
        atomic number, and pymatgen's coefficients of the scattering factor of X-rays (pairs of a
        and b; ``None`` without).
    """
    symbols = sorted({symbol for one in structures for symbol in one.atoms.symbols})
    return {symbol: _element(symbol) for symbol in symbols}


def _element(symbol: str) -> dict[str, Any]:
    number = atomic_numbers[symbol]
    value = Element(symbol).data.get("X")
    known = isinstance(value, int | float) and np.isfinite(value)
    return {
        "radius": round(float(covalent_radii[number]), 3),
        "electronegativity": value if known else None,
        "number": number,
        "scattering": ATOMIC_SCATTERING_PARAMS.get(symbol),
    }
