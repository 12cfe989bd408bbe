"""Checks of proposed structures: exact composition and interatomic distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.flaws import Limits, find_flaws
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances

Array = NDArray[np.float64]


def keeps_apart(atoms: Atoms, *, separation: float, separations: LeastDistances = NO_PAIRS) -> bool:
    """Whether a structure has no flaw; distances below the least ones count as flaws.

    Args:
        atoms: crystal, periodic in three directions.
        separation: least distance of pairs that ``separations`` does not name, as a share of the
            sum of their covalent radii and at least 0.5 Å; see
            :class:`~gencsp.descriptors.flaws.Limits`.
        separations: least distances of pairs of elements.
    """
    return not find_flaws(atoms, Limits(share=separation, separations=separations))


def keeps_distances(atoms: Atoms, symbols: Sequence[str], least: Array) -> bool:
    """Whether all pairs of atoms are at least as far apart as a table of least distances says.

    Args:
        atoms: a crystal of these elements.
        symbols: s elements.
        least: Å, shape (s, s), such as :meth:`.LeastDistances.least` gives.
    """
    place = {symbol: i for i, symbol in enumerate(symbols)}
    element = np.array([place[symbol] for symbol in atoms.get_chemical_symbols()])
    return bool((pair_distances(atoms) >= least[element[:, None], element]).all())


def has_composition(atoms: Atoms, composition: Composition, units: tuple[int, ...]) -> bool:
    """Whether a structure consists of an allowed whole number of formula units."""
    return len(atoms) in {composition.size * u for u in units} and composition.matches(atoms)
