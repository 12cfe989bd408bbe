"""Compactness of a crystal (PIGEN, eq. 2)."""

from __future__ import annotations

import warnings
from functools import cache
from math import pi

from ase import Atoms
from ase.data import chemical_symbols


def compactness(atoms: Atoms) -> float:
    """C of PIGEN's eq. 2; not a number for an element without a radius."""
    filled = sum(radius(int(z)) ** 3 for z in atoms.numbers)
    return float(4 / 3 * pi * filled / atoms.cell.volume)


@cache
def radius(atomic_number: int) -> float:
    """Å; not a number where neither table has the element."""
    from pymatgen.core import Element

    element = Element(chemical_symbols[atomic_number])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for value in (element.atomic_radius, element.atomic_radius_calculated):
            if value is not None:
                return float(value)
    return float("nan")
