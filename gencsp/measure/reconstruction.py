"""Match rate of reconstructed crystals: CDVAE's measure, and that of DP-CDVAE's Table I.

Two crystals match at the tolerances of CDVAE (stol 0.5, ltol 0.3, angles 10°). δ_rms is the root
mean square distance of their atoms in units of (V/N)^(1/3), of the pairs that match alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

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

    @property
    def share(self) -> float:
        """Share of the pairs that match; not a number for no pairs."""
        return self.matched / self.pairs if self.pairs else float("nan")


def match_rate(pairs: Iterable[tuple[Atoms, Atoms]]) -> MatchRate:
    """Match rate of pairs of a crystal and its reconstruction."""
    found = [distance(one, other) for one, other in pairs]
    matched = [value for value in found if not np.isnan(value)]
    mean = float(np.mean(matched)) if matched else float("nan")
    return MatchRate(len(found), len(matched), mean)


def distance(crystal: Atoms, reconstruction: Atoms) -> float:
    """δ_rms of one pair, no unit; not a number where they do not match."""
    found = _matcher().get_rms_dist(as_structure(crystal), as_structure(reconstruction))
    return float("nan") if found is None else float(found[0])


@cache
def _matcher() -> StructureMatcher:
    return structure_matcher(LOOSE)
