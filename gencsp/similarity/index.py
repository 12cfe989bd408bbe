"""An index of crystals that finds duplicates by hash, fingerprint, and then the matcher.

The hash is the reduced formula and the number of atoms in the primitive cell, in which the matcher
allows no difference; fingerprints say which of these crystals are near; pymatgen's
``StructureMatcher`` decides among the near ones, nearest first. Structures may arrive one by one
during a search; the answers depend on the order of addition and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.deck import Count, NonNegative, Positive, check
from gencsp.similarity.fingerprint import fingerprint
from gencsp.similarity.matching import CrystalMatcher, Reduced
from gencsp.similarity.neighbours import NearestVectors

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

#: What crystals share that may be the same: the reduced formula, or, where any species may stand
#: for any other, its counts, ascending.
Formula = Composition | tuple[int, ...]

#: Fingerprints farther apart are not the same crystal, in units of (V/N)^(1/3). Of the pairs that
#: ``StructureMatcher`` fits at its defaults 99.8 % (relaxed TiO2, 650 pairs) and all (known
#: polymorphs, 430; carbon of a random search, 262) lie within; half of them lie within 0.02.
RADIUS = 0.15
#: The matcher is called for so many of the nearest. Where energies are compared the same crystal
#: was always among the nearest two; where they are not, one duplicate in forty of relaxed TiO2, as
#: good as never the same minimum, lay behind more than these.
CANDIDATES = 8
#: Crystals nearer than this are alike: for niches of a population. Of different crystals of relaxed
#: TiO2 one pair in twenty is that near, of those that the matcher fits 98 %.
NICHE = 0.1
#: Where energies are compared, those of so many times the candidates are.
ENERGIES_LOOKED_AT = 16


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
class Place:
    """Where a crystal that is new to an index belongs in it.

    Attributes:
        size_class: of :meth:`gencsp.similarity.matching.CrystalMatcher.size_class`.
        vector: the fingerprint, shape (m,), float32.
        reduced: the cell that the matcher compares; ``None`` where it is worked out when needed.
    """

    size_class: int
    vector: NDArray[np.float32]
    reduced: Reduced | None = None


@dataclass(slots=True)
class _Kept:
    """One structure of a bucket.

    Attributes:
        index: its place in the order of addition.
        energy: eV/atom.
        cell: what the matcher compares, or the crystal where that was not needed yet: its atomic
            numbers, positions and cell, copied.
    """

    index: int
    energy: float | None
    cell: Reduced | tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Bucket:
    """The structures of one formula and number of atoms in the primitive cell."""

    vectors: NearestVectors = field(default_factory=NearestVectors)
    kept: list[_Kept] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is worked out once about a structure that is looked for."""

    formula: Formula
    vector: NDArray[np.float32]
    reduced: Reduced


class StructureIndex:
    """Finds duplicates and neighbours among crystals.

    Args:
        matcher: pymatgen's, to decide what is the same; ``None`` for the tolerances ``STANDARD``.
            Its own ``scale`` says whether a compressed crystal is the same as the uncompressed one.
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
        check("radius", radius, Positive)
        check("candidates", candidates, Count)
        check("same_energy", same_energy, NonNegative | None)
        self.radius = radius
        self.candidates = candidates
        self.same_energy = same_energy
        self.species_blind = species_blind
        self._matching = CrystalMatcher(matcher, species_blind=species_blind)
        self._buckets: dict[Formula, dict[int, _Bucket]] = {}
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
        decided = self.decide(atoms, energy)
        self.enter(atoms, energy, decided)
        return decided if isinstance(decided, Match) else None

    def decide(self, atoms: Atoms, energy: float | None = None) -> Match | Place:
        """What a structure is a duplicate of, or its place; the index stays as it is.

        Args:
            atoms: crystal.
            energy: eV/atom.

        Raises:
            StructureFileError: it is no crystal.
        """
        crystal = self._prepared(atoms)
        size = self._matching.size_class(crystal.reduced)
        return self._find(crystal, energy) or Place(size, crystal.vector, crystal.reduced)

    def enter(self, atoms: Atoms, energy: float | None, decided: Match | Place | None) -> None:
        """Add a structure of which it is known already what :meth:`decide` says.

        Args:
            atoms: crystal; later changes to it do not matter.
            energy: eV/atom.
            decided: by this index, or one to which the same was added; ``None`` for a duplicate.
        """
        if isinstance(decided, Place):
            buckets = self._buckets.setdefault(self._key(atoms), {})
            bucket = buckets.setdefault(decided.size_class, _Bucket())
            bucket.vectors.add(decided.vector)
            own = atoms.numbers.copy(), atoms.positions.copy(), atoms.cell.array.copy()
            bucket.kept.append(_Kept(self._added, energy, decided.reduced or own))
            self._kept += 1
        self._added += 1

    def find(self, atoms: Atoms, energy: float | None = None) -> Match | None:
        """The crystal of the index that a structure is the same as; the index stays as it is."""
        return self._find(self._prepared(atoms), energy)

    def nearest(self, atoms: Atoms, n: int = 1) -> list[Match]:
        """The ``n`` crystals of the same formula with the nearest fingerprints, nearest first."""
        vector = self._vector(atoms)
        found = [
            match
            for bucket in self._buckets.get(self._key(atoms), {}).values()
            for match in _matches(bucket, *bucket.vectors.nearest(vector, n))
        ]
        return sorted(found, key=_by_distance)[:n]

    def within(self, atoms: Atoms, radius: float) -> list[Match]:
        """All crystals of the same formula with fingerprints within ``radius``, nearest first."""
        vector = self._vector(atoms)
        found = [
            match
            for bucket in self._buckets.get(self._key(atoms), {}).values()
            for match in _matches(bucket, *bucket.vectors.within(vector, radius))
        ]
        return sorted(found, key=_by_distance)

    def _key(self, atoms: Atoms) -> Formula:
        formula = Composition.of(atoms)
        if not self.species_blind:
            return formula
        return tuple(sorted(n for _, n in formula.counts))

    def _vector(self, atoms: Atoms) -> NDArray[np.float64]:
        return fingerprint(atoms, species_blind=self.species_blind)

    def _prepared(self, atoms: Atoms) -> _Prepared:
        vector = self._vector(atoms).astype(np.float32)
        return _Prepared(self._key(atoms), vector, self._matching.reduced(atoms))

    def _find(self, crystal: _Prepared, energy: float | None) -> Match | None:
        buckets = self._buckets.get(crystal.formula, {})
        bucket = buckets.get(self._matching.size_class(crystal.reduced))
        if bucket is None:
            return None
        # Those whose energies differ cost nothing: they must not use up the candidates.
        wanted = self.candidates * (1 if self.same_energy is None else ENERGIES_LOOKED_AT)
        near = bucket.vectors.nearest(crystal.vector, wanted, radius=self.radius)
        compared = 0
        for number, distance in zip(*near, strict=True):
            other = bucket.kept[number]
            if compared == self.candidates or self._energies_differ(energy, other.energy):
                continue
            compared += 1
            if isinstance(other.cell, tuple):
                numbers, positions, cell = other.cell
                kept = Atoms(numbers, positions=positions, cell=cell, pbc=True)
                other.cell = self._matching.reduced(kept)
            if self._matching.same(other.cell, crystal.reduced):
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


def _by_distance(match: Match) -> tuple[float, int]:
    return match.distance, match.index
