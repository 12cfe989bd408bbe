"""Whether a crystal was seen before."""

from __future__ import annotations

from typing import Protocol

from ase import Atoms

from gencsp import records
from gencsp.similarity import StructureIndex
from gencsp.similarity.tolerances import SAME_ENERGY


class Duplicates(Protocol):
    """Remembers crystals."""

    def add(self, atoms: Atoms, energy: float) -> str:
        """Remember a crystal; returns the id of an earlier one that is the same, or an empty text.

        Args:
            atoms: a crystal with a ``structure_id``.
            energy: eV/atom.
        """
        ...


class IndexedDuplicates:
    """Compares formula, fingerprint, then by pymatgen's ``StructureMatcher`` at its defaults.

    Structures whose energies differ by more than ``SAME_ENERGY`` are different.
    """

    def __init__(self) -> None:
        self._index = StructureIndex(same_energy=SAME_ENERGY)
        self._names: list[str] = []

    def add(self, atoms: Atoms, energy: float) -> str:
        """See :class:`Duplicates`."""
        match = self._index.add(atoms, energy)
        self._names.append(str(atoms.info[records.STRUCTURE_ID]))
        return "" if match is None else self._names[match.index]
