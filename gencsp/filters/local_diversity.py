"""Filter D: diversity of local environments, M_LED.

Source: PIGEN, eqs. 4-6 and "Construction of the distributions":

    M_LED = H(S) + H(p),   H(S) = − Σ_x S(x) log S(x),   H(p) = − Σ_x' p(x') log p(x')

S is the distribution of coordination motifs over the atoms of the primitive cell (37 motifs, see
:mod:`gencsp.descriptors.motifs`); p is a sum of Gaussians on an axis on which the motifs come
first, then the elements by atomic number (to 85). Where the text is silent or unclear, the program
that the authors published (lrcfmd/pigen) decides, because the window of the paper, M_LED > 9,
belongs to it:

- logarithms are to base 2: bits;
- motifs lie two steps apart, elements one, on an axis of 2 · 37 + 85 = 159 steps;
- the Gaussians of p have a standard deviation of 10 steps, and each motif and element that occurs
  counts once, however often it occurs (so neighbours add no element that is not there already);
- S has no Gaussians (kernel width zero): the counts themselves, over all atoms.

So MgO, of one motif and two elements, has H(S) = 0 and M_LED = H(p), near the least that there is.
Unlike in that program no element is missing from the axis (there, tellurium is), and an atom beyond
atomic number 85 counts with its motif alone.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Symprec
from gencsp.descriptors.local_diversity import (
    local_diversity,
)
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.symmetry.tolerances import SYMPREC


class LocalDiversity(ConfiguredFilter):
    """D: passes a structure whose M_LED (bits) exceeds ``minimum``, the paper's 9.

    Motifs are found once for each orbit of the primitive cell (spglib at ``symprec``).
    """

    name: ClassVar[str] = "local_diversity"
    quantity: ClassVar[str] = "local diversity M_LED (bits)"

    minimum: float = Field(9.0, ge=0, description="Bits, to be exceeded.")
    symprec: Symprec = Field(SYMPREC, description="Å.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        window = (float(np.nextafter(self.minimum, np.inf)), np.inf)
        return self.verdict(local_diversity(atoms, symprec=self.symprec), window)
