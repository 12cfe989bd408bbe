"""Crystals seen so far, and whether another is among them: hash, fingerprint, then matcher.

The hash is the reduced formula; fingerprints say which of its crystals are near; pymatgen's
``StructureMatcher`` decides among those, nearest first. Structures may arrive one by one during a
search; the answers depend on the order of addition and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.errors import RequestError
from gencsp.similarity.fingerprint import Formula, fingerprint, formula_key
from gencsp.similarity.matching import Matching, Reduced
from gencsp.similarity.neighbours import NeighbourTrees

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

#: Fingerprints farther apart are not the same crystal, in units of (V/N)^(1/3).
RADIUS = 0.1
#: The matcher is asked about so many of the nearest.
CANDIDATES = 16


@dataclass(frozen=True, slots=True)
class Match:
    """A crystal of the index.

    Attributes:
        index: its place in the order of addition, 0 for the first.
        distance: between the fingerprints, in units of (V/N)^(1/3).
    """

    index: int
    distance: float


@dataclass(frozen=True, slots=True)
class _Kept:
    """One structure of a bucket; ``reduced`` is found when first asked for."""

    index: int
    energy: float | None
    atoms: Atoms
    reduced: list[Reduced] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """The structures of one formula."""

    vectors: NeighbourTrees = field(default_factory=NeighbourTrees)
    kept: list[_Kept] = field(default_factory=list)


class StructureIndex:
    """Finds duplicates and neighbours among crystals.

    Args:
        matcher: pymatgen's, to decide what is the same; ``None`` for its defaults. Its own
            ``scale`` says whether a compressed crystal is the same as the uncompressed one.
        radius: only crystals whose fingerprints are nearer than this are given to the matcher;
            calibrated for the matcher's default tolerances.
        candidates: at most so many are given to it, nearest first.
        same_energy: crystals that were added with energies further apart than this are different,
            eV/atom; ``None`` does not compare energies.
        species_blind: compare prototypes: any species may stand for any other.

    Raises:
        RequestError: a setting is out of range, or the matcher compares different formulas.
    """

    def __init__(
        self,
        *,
        matcher: StructureMatcher | None = None,
        radius: float = RADIUS,
        candidates: int = CANDIDATES,
        same_energy: float | None = None,
        species_blind: bool = False,
    ) -> None:
        if radius <= 0 or candidates < 1:
            raise RequestError(
                f"radius is {radius} and candidates is {candidates}: both must be above zero."
            )
        self.radius = radius
        self.candidates = candidates
        self.same_energy = same_energy
        self.species_blind = species_blind
        self._matching = Matching(matcher, species_blind=species_blind)
        self._buckets: dict[Formula, _Bucket] = {}
        self._added = 0
        self._kept = 0

    def __len__(self) -> int:
        """Structures that are kept: those that were no duplicates."""
        return self._kept

    def add(self, atoms: Atoms, energy: float | None = None) -> Match | None:
        """Keep a structure unless it is in the index; returns what it is a duplicate of.

        Args:
            atoms: crystal; later changes to it do not matter.
            energy: eV/atom.

        Raises:
            StructureFileError: it is no crystal.
        """
        vector = self._vector(atoms)
        found = self._find(atoms, vector, energy)
        if found is None:
            self._keep(atoms, vector, energy)
        self._added += 1
        return found

    def insert(self, atoms: Atoms, energy: float | None = None) -> None:
        """Keep a structure whether or not it is in the index, such as a known crystal."""
        self._keep(atoms, self._vector(atoms), energy)
        self._added += 1

    def find(self, atoms: Atoms, energy: float | None = None) -> Match | None:
        """The crystal of the index that a structure is the same as; the index stays as it is."""
        return self._find(atoms, self._vector(atoms), energy)

    def nearest(self, atoms: Atoms, n: int = 1) -> list[Match]:
        """The ``n`` crystals of the same formula with the nearest fingerprints, nearest first."""
        bucket = self._buckets.get(self._key(atoms))
        if bucket is None:
            return []
        return _matches(bucket, *bucket.vectors.nearest(self._vector(atoms), n))

    def within(self, atoms: Atoms, radius: float) -> list[Match]:
        """All crystals of the same formula with fingerprints within ``radius``, nearest first."""
        bucket = self._buckets.get(self._key(atoms))
        if bucket is None:
            return []
        return _matches(bucket, *bucket.vectors.within(self._vector(atoms), radius))

    def _key(self, atoms: Atoms) -> Formula:
        formula = formula_key(atoms)
        if not self.species_blind:
            return formula
        return tuple((0, n) for n in sorted(n for _, n in formula))

    def _vector(self, atoms: Atoms) -> NDArray[np.float64]:
        return fingerprint(atoms, species_blind=self.species_blind)

    def _keep(self, atoms: Atoms, vector: NDArray[np.float64], energy: float | None) -> None:
        bucket = self._buckets.setdefault(self._key(atoms), _Bucket())
        bucket.vectors.add(vector)
        bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        bucket.kept.append(_Kept(self._added, energy, bare))
        self._kept += 1

    def _find(
        self, atoms: Atoms, vector: NDArray[np.float64], energy: float | None
    ) -> Match | None:
        bucket = self._buckets.get(self._key(atoms))
        if bucket is None:
            return None
        numbers, distances = bucket.vectors.nearest(vector, self.candidates, radius=self.radius)
        reduced = None
        for number, distance in zip(numbers, distances, strict=True):
            other = bucket.kept[number]
            if self._energies_differ(energy, other.energy):
                continue
            if not other.reduced:
                other.reduced.append(self._matching.reduced(other.atoms))
            reduced = self._matching.reduced(atoms) if reduced is None else reduced
            if self._matching.same(other.reduced[0], reduced):
                return Match(other.index, float(distance))
        return None

    def _energies_differ(self, one: float | None, other: float | None) -> bool:
        if self.same_energy is None or one is None or other is None:
            return False
        return abs(one - other) > self.same_energy


def _matches(
    bucket: _Bucket, numbers: NDArray[np.int64], distances: NDArray[np.float64]
) -> list[Match]:
    return [
        Match(bucket.kept[number].index, float(distance))
        for number, distance in zip(numbers, distances, strict=True)
    ]
