"""Whether a search has seen a crystal, or one of its family, before.

A search is guided by families (:data:`gencsp.similarity.rules.FAMILY`): while it runs, structures
are relaxed too loosely to tell a phase from its small distortions, and a step from one to the other
is no discovery. Which structures are the same crystal is decided when the run is ranked.
"""

from __future__ import annotations

from typing import Protocol

from ase import Atoms

from gencsp import records
from gencsp.similarity.rules import FAMILY


class Duplicates(Protocol):
    """Remembers families of crystals."""

    def add(self, atoms: Atoms, energy: float) -> str:
        """Remember a crystal; returns the id of an earlier one of its family, or an empty text.

        Args:
            atoms: a crystal with a ``structure_id``.
            energy: eV/atom.
        """
        ...


class IndexedDuplicates:
    """Compares formula, fingerprint, energy, then by pymatgen's matcher at its defaults."""

    def __init__(self) -> None:
        self._index = FAMILY.index()
        self._names: list[str] = []

    def add(self, atoms: Atoms, energy: float) -> str:
        """See :class:`Duplicates`."""
        match = self._index.add(atoms, energy)
        self._names.append(str(atoms.info[records.STRUCTURE_ID]))
        return "" if match is None else self._names[match.index]
