"""Frameworks compared without regard to species: a cheap fingerprint, then pymatgen's matcher.

Source: PIGEN, Methods, "Crystal structure prototype matching": standardised primitive cells,
``FrameworkComparator``, stol = 0.3, which is among the tolerances that gencsp uses throughout
(``gencsp.similarity.STANDARD``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.neighbours import pairs_within
from gencsp.descriptors.orbits import orbits
from gencsp.similarity.matching import structure_matcher
from gencsp.symmetry.tolerances import SYMPREC

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

#: Neighbours that a fingerprint looks at, and how far it looks for them, in (volume / atom)^(1/3).
NEIGHBOURS, REACH = 12, 2.0
#: Fingerprints further apart than this belong to different frameworks: of 1,626 pairs of OQMD-ICSD
#: crystals that the matcher calls equal, half are within 0.03, 95 % within 0.15, all within 0.3.
FAR = 0.3


@dataclass(frozen=True, slots=True)
class Framework:
    """A primitive cell at unit volume per atom, all atoms equal.

    Attributes:
        structure: for pymatgen's matcher.
        fingerprint: mean distances to the 12 nearest neighbours, in (volume / atom)^(1/3).
    """

    structure: Structure
    fingerprint: NDArray[np.float64]

    @classmethod
    def of(cls, atoms: Atoms, *, symprec: float = SYMPREC) -> Framework:
        """The framework of a crystal: its primitive cell, whose species are then ignored."""
        return cls.of_primitive(orbits(atoms, symprec=symprec).atoms)

    @classmethod
    def of_primitive(cls, cell: Atoms) -> Framework:
        """The framework of what is a primitive cell already."""
        from pymatgen.core import Lattice, Structure

        edge = (cell.cell.volume / len(cell)) ** (1 / 3)
        lattice = Lattice(cell.cell.array / edge)
        blind = Structure(lattice, ["H"] * len(cell), cell.get_scaled_positions(wrap=True))
        scaled = Atoms(
            numbers=np.ones(len(cell), dtype=int),
            scaled_positions=blind.frac_coords,
            cell=lattice.matrix,
            pbc=True,
        )
        return cls(blind, _fingerprint(scaled))

    def __len__(self) -> int:
        return len(self.structure)

    def matches(self, other: Framework) -> bool:
        """Whether pymatgen maps one onto the other."""
        if len(self) != len(other):
            return False
        return bool(_matcher().fit(self.structure, other.structure))


def _fingerprint(scaled: Atoms) -> NDArray[np.float64]:
    """At a volume of one per atom."""
    reach = REACH
    pairs = pairs_within(scaled, reach)
    while np.bincount(pairs.first, minlength=len(scaled)).min() < NEIGHBOURS:
        reach *= 1.5
        pairs = pairs_within(scaled, reach)
    order = np.lexsort((pairs.distances, pairs.first))
    first, distances = pairs.first[order], pairs.distances[order]
    begin = np.searchsorted(first, np.arange(len(scaled)))
    nearest = distances[begin[:, None] + np.arange(NEIGHBOURS)]
    return np.asarray(nearest.mean(axis=0))


@cache
def _matcher() -> StructureMatcher:
    from pymatgen.analysis.structure_matcher import FrameworkComparator

    return structure_matcher(comparator=FrameworkComparator(), primitive_cell=False)
