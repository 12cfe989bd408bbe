"""Validity of generated crystals: CDVAE's two tests, of structure and of composition.

CDVAE (Xie et al., ICLR 2022) calls a structure valid whose atoms are at least 0.5 Å apart and whose
cell has 0.1 Å³ or more, and a composition that can be charge neutral by SMACT's rules (D. W. Davies
et al., Chem 1, 617, 2016). gencsp's filter ``charge_balance`` is another test: it knows the states
that occur in crystals, and mixed valence.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import gcd

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.neighbours import pairs_within
from gencsp.measure.element_tables import element_tables

#: Å and Å³.
LEAST_DISTANCE, LEAST_VOLUME = 0.5, 0.1


def structurally_valid(atoms: Atoms) -> bool:
    """Whether no two atoms are within 0.5 Å, and the cell has at least 0.1 Å³.

    An atom's own images count, too; CDVAE's program leaves them out, which matters for cells with
    an edge of less than 0.5 Å alone.
    """
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return False
    # The images of flat cells would be too many to look at.
    if atoms.cell.volume < LEAST_VOLUME or atoms.cell.lengths().min() < LEAST_DISTANCE:
        return False
    distances = pairs_within(atoms, LEAST_DISTANCE).distances
    return not bool((distances < LEAST_DISTANCE).any())


def compositionally_valid(numbers: Sequence[int] | NDArray[np.int64]) -> bool:
    """Whether a composition can be neutral by SMACT's rules, as CDVAE applies them.

    Each element takes one of its oxidation states, the same for all its atoms. The charges must add
    up to zero, and every element of a positive state must be less electronegative than every one of
    a negative state. Crystals of one element and of metals alone are valid without that. An element
    whose electronegativity is not known may have either sign.

    For each place of a border between the electronegativities of cations and of anions the sums
    that can be reached are followed, one element after the other; SMACT lists all ways to choose
    states, which many elements have too many of. Against CDVAE's program with SMACT 2.2.1 two
    table entries are corrected (Zr and Ir), as in SMACT 4.

    Args:
        numbers: atomic numbers of the atoms, up to lawrencium.
    """
    found, counts = np.unique(np.asarray(numbers), return_counts=True)
    elements: list[int] = found.tolist()
    tables = element_tables()
    if len(elements) == 1 or set(elements) <= tables.metals:
        return True
    divisor = gcd(*counts.tolist())
    units = dict(zip(elements, (counts // divisor).tolist(), strict=True))
    known = sorted({tables.electronegativity.get(z, 0.0) for z in elements})
    borders = [-1.0, *(0.5 * (low + high) for low, high in pairwise(known)), np.inf]
    return any(_neutral(units, border) for border in borders)


def _neutral(units: dict[int, int], border: float) -> bool:
    """Whether charges can add up to zero, positive ones below a border of electronegativity."""
    tables = element_tables()
    sums = {0}
    for element, count in units.items():
        states = tables.oxidation_states.get(element, ())
        own = tables.electronegativity.get(element)
        if own is not None:
            states = tuple(s for s in states if (s > 0) == (own < border))
        sums = {total + count * state for total in sums for state in states}
    return 0 in sums
