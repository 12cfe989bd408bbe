"""How many neighbours of one element atoms of another have (CHGGen, Fig. 2e-f).

The paper takes coordination numbers from ChemEnv's ``LocalGeometryFinder``. Here a neighbour is
what lies within a distance that is the same for all atoms of two elements, by default 1.25 times
the sum of their covalent radii (B. Cordero et al., Dalton Trans. 2832, 2008, as ASE has them), so
that the same rule holds for crystals that are known and for those that a model made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from gencsp.deck import check
from gencsp.descriptors.neighbours import pairs_within
from gencsp.measure.ranges import BOND_FACTOR, BondFactor

#: A centre and its neighbour, by symbol.
Bond = tuple[str, str]


def bond_length(one: str, other: str, factor: float = BOND_FACTOR) -> float:
    """Å: the largest distance of neighbours, ``factor`` times the sum of their covalent radii.

    Raises:
        RequestError: the factor is out of its range.
    """
    check("factor", factor, BondFactor)
    return float(factor * sum(covalent_radii[atomic_numbers[s]] for s in (one, other)))


def coordination_numbers(
    atoms: Atoms, cutoffs: Mapping[Bond, float]
) -> dict[Bond, NDArray[np.int64]]:
    """Neighbours of each atom, of the elements asked for.

    Args:
        atoms: periodic in three directions.
        cutoffs: largest distance of a neighbour, Å, for each centre and neighbour.

    Returns:
        For each centre and neighbour, where the crystal has the centre, one number for each of its
        atoms, shape (atoms of the centre,). Images of an atom count as its neighbours.
    """
    there = {bond: cutoff for bond, cutoff in cutoffs.items() if bond[0] in atoms.symbols}
    if not there:
        return {}
    pairs = pairs_within(atoms, max(there.values()))
    symbols = np.array(atoms.get_chemical_symbols())
    found = {}
    for (centre, neighbour), cutoff in there.items():
        bonded = (pairs.distances <= cutoff) & (symbols[pairs.second] == neighbour)
        counts = np.bincount(pairs.first[bonded], minlength=len(atoms))
        found[centre, neighbour] = counts[symbols == centre].astype(np.int64)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordination:
    """How the coordination numbers of the atoms of several crystals are distributed.

    Attributes:
        centre, neighbour: symbols.
        cutoff: Å.
        counts: atoms by their coordination number, in its order.
    """

    centre: str
    neighbour: str
    cutoff: float
    counts: Mapping[int, int]

    @property
    def atoms(self) -> int:
        """How many atoms of the centre there are."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Mean coordination number."""
        return sum(number * n for number, n in self.counts.items()) / self.atoms

    @property
    def shares(self) -> dict[int, float]:
        """Share of the atoms by coordination number."""
        return {number: n / self.atoms for number, n in self.counts.items()}


def coordination_of(
    structures: Iterable[Atoms], cutoffs: Mapping[Bond, float]
) -> list[Coordination]:
    """Coordination numbers over the atoms of several crystals; every atom counts once.

    Args:
        structures: periodic in three directions.
        cutoffs: as for :func:`coordination_numbers`; bonds whose centre no structure has are left
            out, and those whose neighbour a structure lacks are not counted in it.
    """
    total: dict[Bond, Counter[int]] = {bond: Counter() for bond in cutoffs}
    for atoms in structures:
        both = {b: cutoff for b, cutoff in cutoffs.items() if b[1] in atoms.symbols}
        for bond, numbers in coordination_numbers(atoms, both).items():
            total[bond].update(numbers.tolist())
    return [
        Coordination(
            centre=bond[0],
            neighbour=bond[1],
            cutoff=cutoffs[bond],
            counts=dict(sorted(counts.items())),
        )
        for bond, counts in total.items()
        if counts
    ]
