"""Filter C: how much of the cell the atoms fill.

Source: PIGEN, eq. 2:  C = (4/3) π Σ_a r_a³ / V_L, overlaps of the spheres ignored; window 0.55 to
0.85 (Fig. 4c). The paper's "standard atomic radii" are taken to be Slater's empirical ones
(J. Chem. Phys. 41, 3199 (1964)) as ``pymatgen.core.Element.atomic_radius`` has them, in Å. Slater
gives none for He, Ne, Kr and Xe; these have the calculated radii of pymatgen (Clementi et al.,
J. Chem. Phys. 47, 1300 (1967)).
"""

from __future__ import annotations

from typing import ClassVar

from ase import Atoms
from pydantic import Field

from gencsp.descriptors.compactness import compactness
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
