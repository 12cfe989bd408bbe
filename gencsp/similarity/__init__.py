"""Which crystals are the same or alike: fingerprints, an index of neighbours, deduplication.

:mod:`~gencsp.similarity.rules` says what counts as the same crystal.
"""

from __future__ import annotations

from gencsp.similarity.deduplicate import deduplicate
from gencsp.similarity.fingerprint import fingerprint
from gencsp.similarity.index import NICHE, RADIUS, Match, StructureIndex
from gencsp.similarity.matching import (
    LOOSE,
    STANDARD,
    Tolerances,
    as_structure,
    same_crystal,
    structure_matcher,
)

__all__ = [
    "LOOSE",
    "NICHE",
    "RADIUS",
    "STANDARD",
    "Match",
    "StructureIndex",
    "Tolerances",
    "as_structure",
    "deduplicate",
    "fingerprint",
    "same_crystal",
    "structure_matcher",
]
