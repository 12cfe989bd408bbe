"""Least distances of pairs of elements: a share of the covalent radii, or as given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.flaws import CLOSEST
from gencsp.errors import RequestError

Array = NDArray[np.float64]
#: Least distances, Å, of pairs of element symbols in either order.
Separations = Mapping[tuple[str, str], float]


def least_distances(
    symbols: Sequence[str], *, separation: float, pairs: Separations | None = None
) -> Array:
    """Least distance of each pair of elements, Å, shape (s, s).

    Args:
        symbols: s elements.
        separation: share of the sum of their covalent radii (ASE's), at least 0.5 Å.
        pairs: distances that stand in place of these.

    Raises:
        RequestError: a distance of ``pairs`` is not positive and finite, or an element is unknown.
    """
    numbers = [atomic_numbers[symbol] for symbol in symbols]
    radii = covalent_radii[numbers]
    least = np.maximum(separation * (radii[:, None] + radii[None]), CLOSEST)
    place = {symbol: i for i, symbol in enumerate(symbols)}
    for (a, b), distance in (pairs or {}).items():
        if a not in atomic_numbers or b not in atomic_numbers:
            raise RequestError(f"minimum separation of {a}-{b}: one of them is not an element.")
        if not (np.isfinite(distance) and distance > 0):
            raise RequestError(
                f"the minimum separation of {a}-{b} is {distance}: give a positive distance in Å."
            )
        if a in place and b in place:
            least[place[a], place[b]] = least[place[b], place[a]] = distance
    return np.asarray(least)


def keep_apart(atoms: Atoms, symbols: Sequence[str], least: Array) -> bool:
    """Whether all pairs of atoms are at least ``least`` (of :func:`least_distances`) apart."""
    place = {symbol: i for i, symbol in enumerate(symbols)}
    element = np.array([place[symbol] for symbol in atoms.get_chemical_symbols()])
    return bool((pair_distances(atoms) >= least[element[:, None], element]).all())
