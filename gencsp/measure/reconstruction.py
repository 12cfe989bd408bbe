"""Match rate of reconstructed crystals: CDVAE's measure, and that of DP-CDVAE's Tables I and S1.

Two crystals match at the tolerances of CDVAE (stol 0.5, ltol 0.3, angles 10°). δ_rms is the root
mean square distance of their atoms in units of (V/N)^(1/3), of the pairs that match alone. As in
CDVAE's program (``scripts/compute_metrics.py``, ``RecEval``), a reconstruction whose atoms are too
close or whose cell has hardly any volume does not match, nor does one that the matcher cannot
reduce.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.measure.validity import structurally_valid
from gencsp.similarity.matching import LOOSE, as_structure, structure_matcher

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many of some crystals are reconstructed, and how well.

    Attributes:
        pairs: crystals with their reconstruction.
        matched: how many of them match.
        rms: mean δ_rms of these, no unit; not a number where none does.
    """

    pairs: int
    matched: int
    rms: float

    @classmethod
    def of(cls, distances: Sequence[float]) -> Self:
        """That of some :func:`distance`, which are not a number where there is no match."""
        matched = [value for value in distances if not np.isnan(value)]
        mean = float(np.mean(matched)) if matched else float("nan")
        return cls(len(distances), len(matched), mean)

    @property
    def share(self) -> float:
        """Share of the pairs that match; not a number for no pairs."""
        return self.matched / self.pairs if self.pairs else float("nan")


def match_rate(pairs: Iterable[tuple[Atoms, Atoms]]) -> MatchRate:
    """Match rate of pairs of a crystal and its reconstruction."""
    return MatchRate.of([distance(made, crystal) for crystal, made in pairs])


def distance(one: Atoms, other: Atoms) -> float:
    """δ_rms of two crystals, no unit; not a number where they do not match.

    As pymatgen's ``StructureMatcher.get_rms_dist(one, other)``, which is not quite symmetric: CDVAE
    gives it the reconstruction first, DP-CDVAE's Table III the relaxed structure. Crystals that are
    not structurally valid match none.
    """
    if Composition.of(one).reduced != Composition.of(other).reduced:
        return float("nan")
    if not (structurally_valid(one) and structurally_valid(other)):
        return float("nan")
    try:
        found = _matcher().get_rms_dist(as_structure(one), as_structure(other))
    except ValueError:  # pymatgen finds no Niggli cell of a very flat one
        return float("nan")
    return float("nan") if found is None else float(found[0])


@cache
def _matcher() -> StructureMatcher:
    return structure_matcher(LOOSE)
