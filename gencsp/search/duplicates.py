"""Whether a crystal was seen before."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Protocol

from ase import Atoms

from gencsp.composition import Composition
from gencsp.search.ranking import SAME_ENERGY

if TYPE_CHECKING:
    from pymatgen.core import Structure


class Duplicates(Protocol):
    """Remembers crystals."""

    def add(self, atoms: Atoms, energy: float) -> str:
        """The ``structure_id`` of an earlier one that is the same crystal, or nothing.

        Args:
            atoms: a crystal with a ``structure_id``.
            energy: eV/atom.
        """
        ...


class PairwiseMatcher:
    """pymatgen's ``StructureMatcher`` at its defaults on whatever is near in energy.

    The reference: exact, and slow beyond some thousand structures of one composition.
    """

    def __init__(self) -> None:
        self._energies: dict[str, list[tuple[float, int]]] = {}
        self._known: list[tuple[str, Structure]] = []

    def add(self, atoms: Atoms, energy: float) -> str:
        # Slow to import, and workers never compare.
        from pymatgen.analysis.structure_matcher import StructureMatcher

        structure = as_structure(atoms)
        composition = Composition.of(atoms)
        formula = "".join(f"{s}{n}" for s, n in sorted(composition.counts))
        energies = self._energies.setdefault(formula, [])
        matcher = StructureMatcher()
        at = bisect_left(energies, (energy - SAME_ENERGY, -1))
        while at < len(energies) and energies[at][0] <= energy + SAME_ENERGY:
            identity, other = self._known[energies[at][1]]
            if matcher.fit(structure, other):
                return identity
            at += 1
        insort(energies, (energy, len(self._known)))
        self._known.append((str(atoms.info["structure_id"]), structure))
        return ""


def as_structure(atoms: Atoms) -> Structure:
    """For pymatgen, bare."""
    from pymatgen.io.ase import AseAtomsAdaptor

    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    return AseAtomsAdaptor.get_structure(bare)
