"""Whether a search has seen a crystal, or one of its family, before.

A search is guided by families (:data:`gencsp.similarity.rules.FAMILY`): while it runs, structures
are relaxed too loosely to tell a phase from its small distortions, and a step from one to the other
is no discovery. Which structures are the same crystal is decided when the run is ranked.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol

import numpy as np
from ase import Atoms

from gencsp import __version__, records
from gencsp.similarity.fingerprint import NEIGHBOURS
from gencsp.similarity.index import Match, Place
from gencsp.similarity.rules import FAMILY

#: What a verdict depends on beside the crystals: those of another version are not taken over.
_RULES = sha256(repr((__version__, FAMILY, NEIGHBOURS)).encode()).digest()[:8]
_SIZE = np.dtype("<i4")
_VECTOR = np.dtype("<f4")


class Duplicates(Protocol):
    """Remembers families of crystals."""

    def add(self, atoms: Atoms, energy: float) -> str:
        """Remember a crystal; returns the id of an earlier one of its family, or an empty text.

        Args:
            atoms: a crystal with a ``structure_id``.
            energy: eV/atom.
        """
        ...

    def recall(self, notes: Mapping[str, bytes]) -> None:
        """Take verdicts over that were reached before, when the same crystals were added.

        Args:
            notes: of :meth:`fresh_notes`, by ``structure_id``; what is none of them is left alone.
        """
        ...

    def fresh_notes(self) -> dict[str, bytes]:
        """Verdicts that were reached since the last call, by ``structure_id``, to be kept."""
        ...


class IndexedDuplicates:
    """Compares formula, fingerprint, energy, then by pymatgen's matcher at its defaults."""

    def __init__(self) -> None:
        self._index = FAMILY.index()
        self._names: list[str] = []
        self._known: dict[str, bytes] = {}
        self._fresh: dict[str, bytes] = {}

    def add(self, atoms: Atoms, energy: float) -> str:
        """See :class:`Duplicates`."""
        name = str(atoms.info[records.STRUCTURE_ID])
        note = self._known.pop(name, None)
        if note is None:
            decided = self._index.decide(atoms, energy)
            found = self._names[decided.index] if isinstance(decided, Match) else decided
            self._fresh[name] = _packed(found)
        else:
            found = _unpacked(note)
        self._index.enter(atoms, energy, found if isinstance(found, Place) else None)
        self._names.append(name)
        return found if isinstance(found, str) else ""

    def recall(self, notes: Mapping[str, bytes]) -> None:
        """See :class:`Duplicates`."""
        self._known |= {k: note for k, note in notes.items() if note.startswith(_RULES)}

    def fresh_notes(self) -> dict[str, bytes]:
        """See :class:`Duplicates`."""
        notes, self._fresh = self._fresh, {}
        return notes


def _packed(found: str | Place) -> bytes:
    """A verdict: the id of what a crystal is a duplicate of, or its place."""
    if isinstance(found, str):
        return _RULES + _size(0) + found.encode()
    return _RULES + _size(found.size_class + 1) + found.vector.astype(_VECTOR).tobytes()


def _unpacked(note: bytes) -> str | Place:
    """What :func:`_packed` was given."""
    start = len(_RULES) + _SIZE.itemsize
    size = int(np.frombuffer(note[len(_RULES) : start], _SIZE)[0])
    if not size:
        return note[start:].decode()
    return Place(size - 1, np.frombuffer(note[start:], _VECTOR).astype(np.float32))


def _size(n: int) -> bytes:
    return np.array(n, _SIZE).tobytes()
