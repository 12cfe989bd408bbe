"""What every proposed structure must pass: the exact composition, and atoms that keep apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.least_distances import NO_PAIRS, LeastDistances

Array = NDArray[np.float64]
_IMAGES = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T


def pair_distances(atoms: Atoms) -> Array:
    """Shortest distance of each pair of atoms among all periodic images, Å, shape (n, n).

    The diagonal holds the distance of an atom to its own nearest image. In a Minkowski-reduced cell
    the nearest image of a point is among the 27 cells around it.
    """
    cell, _ = minkowski_reduce(atoms.cell.array)
    frac = atoms.positions @ np.linalg.inv(cell)
    delta = frac[:, None] - frac[None]
    delta -= np.round(delta)
    vectors = (delta[:, :, None] + _IMAGES) @ cell
    squares = np.einsum("ijkx,ijkx->ijk", vectors, vectors)
    own = np.arange(len(atoms))
    squares[own, own, len(_IMAGES) // 2] = np.inf
    return np.asarray(np.sqrt(squares.min(axis=-1)))


def keeps_apart(atoms: Atoms, *, separation: float, separations: LeastDistances = NO_PAIRS) -> bool:
    """Whether all pairs of atoms keep their least distance, Å.

    That is the one that ``separations`` names for their elements, or else ``separation`` times the
    sum of their covalent radii, and at least 0.5 Å (:meth:`.LeastDistances.least`). Positions and
    cells that are not finite never pass.
    """
    finite = np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
    if not (finite and atoms.cell.volume > 0):
        return False
    symbols = tuple(dict.fromkeys(atoms.get_chemical_symbols()))
    return keeps_distances(atoms, symbols, separations.least(symbols, separation=separation))


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
    """Whether a structure is an allowed whole number of formula units, atom by atom."""
    return len(atoms) in {composition.size * u for u in units} and composition.matches(atoms)
