"""COV-R and COV-P: how many known crystals the generated ones cover, and the other way round.

As CDVAE has them (Xie et al., ICLR 2022; ``compute_cov`` of its program), after Xu et al. (ICLR
2021). A crystal is covered by others if one of these is within a cut-off of it by its structure
fingerprint and one, which need not be the same, by its composition fingerprint. COV-R is the share
of the known crystals that the generated ones cover, COV-P that of the generated crystals that the
known ones cover.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from gencsp.measure import composition_fingerprint, structure_fingerprint
from gencsp.measure.composition_fingerprint import scaled

Array = NDArray[np.float64]
#: Rows of a table of distances that are in memory at once.
_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Euclidean distances of fingerprints up to which a crystal covers another."""

    structure: float
    composition: float


#: CDVAE's, by data set.
CUTOFFS = {
    "perov_5": Cutoffs(0.2, 4.0),
    "carbon_24": Cutoffs(0.2, 4.0),
    "mp_20": Cutoffs(0.4, 10.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprints:
    """Fingerprints of some crystals.

    Attributes:
        structure: shape (n, 61); not a number where a crystal has none.
        composition: shape (n, 132), on CDVAE's scale.
    """

    structure: Array
    composition: Array

    @classmethod
    def of(cls, crystals: Iterable[Atoms]) -> Self:
        """Those of crystals: about 30 ms an atom."""
        some = list(crystals)
        structures = [structure_fingerprint.structure_fingerprint(atoms) for atoms in some]
        return cls.join(some, structures)

    @classmethod
    def join(cls, crystals: Iterable[Atoms], structures: Iterable[Array | None]) -> Self:
        """Those of crystals whose structure fingerprints are known; ``None`` where one has none."""
        unknown = np.full(structure_fingerprint.LENGTH, np.nan)
        rows = [unknown if one is None else np.asarray(one, dtype=float) for one in structures]
        compositions = [
            composition_fingerprint.composition_fingerprint(atoms.numbers) for atoms in crystals
        ]
        return cls(
            np.array(rows).reshape(-1, structure_fingerprint.LENGTH),
            scaled(np.array(compositions).reshape(-1, composition_fingerprint.LENGTH)),
        )

    def __len__(self) -> int:
        return len(self.structure)


@dataclass(frozen=True, slots=True)
class Coverage:
    """COV-R, COV-P and the mean distances behind them.

    Attributes:
        known, known_covered: known crystals, and those that generated ones cover.
        generated, generated_covered: generated crystals, and those that known ones cover.
        structure_recall, structure_precision: mean distance by structure from a known crystal to
            the nearest generated one, and from a generated to the nearest known one (AMSD).
        composition_recall, composition_precision: the same by composition (AMCD).
    """

    known: int
    known_covered: int
    generated: int
    generated_covered: int
    structure_recall: float
    structure_precision: float
    composition_recall: float
    composition_precision: float

    @property
    def recall(self) -> float:
        """COV-R; not a number where nothing is known."""
        return self.known_covered / self.known if self.known else float("nan")

    @property
    def precision(self) -> float:
        """COV-P; not a number where nothing was generated."""
        return self.generated_covered / self.generated if self.generated else float("nan")


def coverage(generated: Fingerprints, known: Fingerprints, cutoffs: Cutoffs) -> Coverage:
    """COV-R and COV-P of generated crystals.

    Crystals without a fingerprint of structure count as not covered, and cover none; means are over
    those that have one.
    """
    some, others = _complete(generated), _complete(known)
    structure = _nearest(some.structure, others.structure)
    composition = _nearest(some.composition, others.composition)
    covered = [int(near.sum()) for near in _near(structure, composition, cutoffs)]
    means = [_mean(side) for pair in (structure, composition) for side in pair]
    return Coverage(
        known=len(known),
        known_covered=covered[1],
        generated=len(generated),
        generated_covered=covered[0],
        structure_recall=means[1],
        structure_precision=means[0],
        composition_recall=means[3],
        composition_precision=means[2],
    )


def which_covered(
    generated: Fingerprints, known: Fingerprints, cutoffs: Cutoffs
) -> tuple[list[bool], list[bool]]:
    """Which of the generated crystals the known ones cover, and which of the known ones these."""
    some, others = _complete(generated), _complete(known)
    structure = _nearest(some.structure, others.structure)
    composition = _nearest(some.composition, others.composition)
    found = []
    near = _near(structure, composition, cutoffs)
    for side, covered_ones in zip((generated, known), near, strict=True):
        covered = np.zeros(len(side), dtype=bool)
        covered[_has_all(side)] = covered_ones
        found.append(covered.tolist())
    return found[0], found[1]


def _near(
    structure: tuple[Array, Array], composition: tuple[Array, Array], cutoffs: Cutoffs
) -> list[NDArray[np.bool_]]:
    """Which crystals of both sides are covered, from their distances to the nearest others."""
    return [
        (by_structure <= cutoffs.structure) & (by_composition <= cutoffs.composition)
        for by_structure, by_composition in zip(structure, composition, strict=True)
    ]


def _has_all(some: Fingerprints) -> NDArray[np.bool_]:
    return np.array(np.isfinite(some.structure).all(axis=1))


def _complete(some: Fingerprints) -> Fingerprints:
    kept = _has_all(some)
    return Fingerprints(some.structure[kept], some.composition[kept])


def _nearest(first: Array, second: Array) -> tuple[Array, Array]:
    """Distance from each of the first to the nearest of the second, and the other way round."""
    to_second, to_first = np.full(len(first), np.inf), np.full(len(second), np.inf)
    if len(first) and len(second):
        for start in range(0, len(first), _ROWS):
            found = cdist(first[start : start + _ROWS], second)
            to_second[start : start + _ROWS] = found.min(axis=1)
            to_first = np.minimum(to_first, found.min(axis=0))
    return to_second, to_first


def _mean(distances: Array) -> float:
    return float(distances.mean()) if len(distances) else float("nan")
