"""K: crystallographic complexity per atom.

Source: Krivovichev & Krivovichev, Acta Cryst. A76, 429 (2020), as PIGEN uses it beside M_LED
(Extended Data Table 1, column K):

    K = − Σ_i p_i log₂ p_i,   p_i = m_i / v

with m_i the atoms of orbit i in the primitive cell and v all its atoms. Bits per atom; from 0 (one
orbit) to log₂ v (no two atoms equal).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Symprec
from gencsp.descriptors.complexity import complexity
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.symmetry.tolerances import SYMPREC


class Complexity(ConfiguredFilter):
    """K: passes a structure whose complexity (bits per atom) exceeds ``minimum``, the paper's 3.9.

    Symmetry is spglib's, by default at 0.1 Å and 10 degrees.
    """

    name: ClassVar[str] = "complexity"
    quantity: ClassVar[str] = "complexity K (bits/atom)"

    minimum: float = Field(3.9, ge=0, description="Bits per atom, to be exceeded.")
    symprec: Symprec = Field(SYMPREC, description="Å.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        window = (float(np.nextafter(self.minimum, np.inf)), np.inf)
        return self.verdict(complexity(atoms, symprec=self.symprec), window)
