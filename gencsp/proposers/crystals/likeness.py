"""Chemical similarity of two elements, for transferring structures between compounds."""

from __future__ import annotations

from functools import cache

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS
from gencsp.proposers.crystals.volume import electronegativity, family

#: What counts as one unit of distance: in Pauling's electronegativity, in covalent radius (Å), in
#: groups and in periods of the periodic table.
UNITS = (0.35, 0.2, 3.0, 3.3)
#: Distance at which likeness has fallen to exp(−1/2). Chosen by cross-validation, see
#: :mod:`gencsp.proposers.crystals.symmetry_prior`.
BANDWIDTH = 0.7
_NOBLE = (2, 10, 18, 36, 54, 86)


@cache
def log_likeness() -> NDArray[np.float64]:
    """Logarithm of the likeness of each pair of ``ELEMENTS``: 0 for the same, below it for others.

    Gaussian in the differences of electronegativity, covalent radius, group and period, and of
    being a lanthanide.
    """
    chi = electronegativity()
    rows = []
    for symbol in ELEMENTS:
        z = int(atomic_numbers[symbol])
        column = family(symbol)
        # Lanthanides and actinides count as group 3, like the other trivalent metals.
        group = 2 if column >= 18 else column
        period = sum(z > noble for noble in _NOBLE)
        measured = np.array([chi[symbol], covalent_radii[z], group, period]) / UNITS
        rows.append([*measured, float(column == 18)])
    points = np.array(rows)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    return np.asarray(-squares / (2 * BANDWIDTH**2))
