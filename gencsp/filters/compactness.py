"""Filter C: how much of the cell the atoms fill.

Source: PIGEN, eq. 2:  C = (4/3) π Σ_a r_a³ / V_L, overlaps of the spheres ignored; window 0.55 to
0.85 (Fig. 4c). The paper's "standard atomic radii" are taken to be Slater's empirical ones
(J. Chem. Phys. 41, 3199 (1964)) as ``pymatgen.core.Element.atomic_radius`` has them, in Å. Slater
gives none for He, Ne, Kr and Xe; these have the calculated radii of pymatgen (Clementi et al.,
J. Chem. Phys. 47, 1300 (1967)).
"""

from __future__ import annotations

import warnings
from functools import cache
from math import pi
from typing import ClassVar

from ase import Atoms
from ase.data import chemical_symbols
from pydantic import Field

from gencsp.filters.base import ConfiguredFilter, Verdict


class Compactness(ConfiguredFilter):
    """C: passes a structure whose compactness (no unit) lies in the window, bounds included."""

    name: ClassVar[str] = "compactness"
    quantity: ClassVar[str] = "compactness C"

    low: float = Field(0.55, ge=0, description="Least compactness.")
    high: float = Field(0.85, gt=0, description="Greatest compactness.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        return self.verdict(compactness(atoms), (self.low, self.high))


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
