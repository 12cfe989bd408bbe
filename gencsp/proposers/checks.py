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


#: Why a structure is rejected, beside the flaws of :class:`~gencsp.descriptors.flaws.Flaw`.
WRONG_COMPOSITION = "wrong composition"
NO_ROOM = "no room for the atoms in cell and sites"
NO_SITES = "no Wyckoff sites for the composition"


def first_flaw(atoms: Atoms, *, separation: float, separations: LeastDistances = NO_PAIRS) -> str:
    """Why :func:`keeps_apart` says no, in words; empty where it says yes."""
    flaws = find_flaws(atoms, Limits(share=separation, separations=separations))
    return str(flaws[0]) if flaws else ""


def rejection(
    atoms: Atoms, composition: Composition, units: tuple[int, ...], *, separation: float
) -> str:
    """Why a structure is no proposal of a composition, in words; empty where it is one.

    Args:
        atoms: crystal, periodic in three directions.
        composition: formula unit.
        units: numbers of formula units allowed.
        separation: see :func:`keeps_apart`.
    """
    if not has_composition(atoms, composition, units):
        return WRONG_COMPOSITION
    return first_flaw(atoms, separation=separation)


def keeps_apart(atoms: Atoms, *, separation: float, separations: LeastDistances = NO_PAIRS) -> bool:
    """Whether a structure has no flaw; distances below the least ones count as flaws.

    Args:
        atoms: crystal, periodic in three directions.
        separation: least distance of pairs that ``separations`` does not name, as a share of the
            sum of their covalent radii and at least 0.5 Å; see
            :class:`~gencsp.descriptors.flaws.Limits`.
        separations: least distances of pairs of elements.
    """
    return not first_flaw(atoms, separation=separation, separations=separations)


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
