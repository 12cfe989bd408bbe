"""How many neighbours of one element atoms of another have (CHGGen, Fig. 2e-f).

The paper takes coordination numbers from ChemEnv's ``LocalGeometryFinder``. Here a neighbour is
what lies within a distance that is the same for all atoms of two elements, by default 1.25 times
the sum of their covalent radii (B. Cordero et al., Dalton Trans. 2832, 2008, as ASE has them), so
that the same rule holds for crystals that are known and for those that a model made. pymatgen's
``CrystalNN`` (H. Pan et al., Inorg. Chem. 60, 1590, 2021), which weighs Voronoi neighbours by the
solid angle of their faces and by how far they are beyond the sum of radii, can be taken in its
place.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from gencsp.deck import check
from gencsp.descriptors.neighbours import pairs_within
from gencsp.measure.ranges import BOND_FACTOR, BondFactor
from gencsp.similarity.matching import as_structure

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
        cutoff: Å; ``None`` where a rule without one was taken.
        counts: atoms by their coordination number, in its order.
    """

    centre: str
    neighbour: str
    cutoff: float | None
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
    total = _Counted(cutoffs)
    for atoms in structures:
        total.add(coordination_numbers(atoms, {b: cutoffs[b] for b in total.bonds_in(atoms)}))
    return total.rows(cutoffs)


def coordination_by_crystal_nn(
    structures: Iterable[Atoms], bonds: Collection[Bond]
) -> tuple[list[Coordination], int]:
    """As :func:`coordination_of`, neighbours as pymatgen's ``CrystalNN`` finds them.

    Args:
        structures: periodic in three directions.
        bonds: centres and neighbours.

    Returns:
        The coordination numbers, and how many crystals are left out because one of their atoms has
        no Voronoi polyhedron.
    """
    total, left_out = _Counted(bonds), 0
    for atoms in structures:
        there = total.bonds_in(atoms)
        numbers = crystal_nn_numbers(atoms, there) if there else {}
        if numbers is None:
            left_out += 1
        else:
            total.add(numbers)
    return total.rows({}), left_out


def crystal_nn_numbers(
    atoms: Atoms, bonds: Collection[Bond]
) -> dict[Bond, NDArray[np.int64]] | None:
    """Neighbours of each atom by pymatgen's ``CrystalNN`` at its defaults.

    No oxidation states are given to it, so that radii are covalent or atomic ones.

    Args:
        atoms: periodic in three directions.
        bonds: centres and neighbours.

    Returns:
        As :func:`coordination_numbers`; ``None`` where an atom has no Voronoi polyhedron.
    """
    from pymatgen.analysis.local_env import CrystalNN

    rule, structure = CrystalNN(), as_structure(atoms)
    symbols = atoms.get_chemical_symbols()
    wanted = {centre for centre, _ in bonds}
    around: dict[str, list[Counter[str]]] = {centre: [] for centre in wanted}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there are no oxidation states
        for place, symbol in enumerate(symbols):
            if symbol not in wanted:
                continue
            try:
                near = rule.get_nn_info(structure, place)
            except (ValueError, RuntimeError):  # no Voronoi polyhedron
                return None
            around[symbol].append(Counter(one["site"].specie.symbol for one in near))
    return {
        (centre, neighbour): np.array([some[neighbour] for some in around[centre]], dtype=np.int64)
        for centre, neighbour in bonds
        if around[centre]
    }


class _Counted:
    """Atoms by their coordination number, for each centre and neighbour."""

    def __init__(self, bonds: Iterable[Bond]) -> None:
        self._total: dict[Bond, Counter[int]] = {bond: Counter() for bond in bonds}

    def bonds_in(self, atoms: Atoms) -> list[Bond]:
        """Those both of whose elements a crystal has."""
        return [b for b in self._total if b[0] in atoms.symbols and b[1] in atoms.symbols]

    def add(self, numbers: Mapping[Bond, NDArray[np.int64]]) -> None:
        for bond, found in numbers.items():
            self._total[bond].update(found.tolist())

    def rows(self, cutoffs: Mapping[Bond, float]) -> list[Coordination]:
        """Those that any crystal has."""
        return [
            Coordination(
                centre=bond[0],
                neighbour=bond[1],
                cutoff=cutoffs.get(bond),
                counts=dict(sorted(counts.items())),
            )
            for bond, counts in self._total.items()
            if counts
        ]
