"""Which crystals are the same or alike: fingerprints, an index of neighbours, deduplication."""

from __future__ import annotations

from gencsp.similarity.deduplicate import deduplicate
from gencsp.similarity.fingerprint import fingerprint
from gencsp.similarity.index import NICHE, RADIUS, Match, StructureIndex

__all__ = [
    "NICHE",
    "RADIUS",
    "Match",
    "StructureIndex",
    "deduplicate",
    "fingerprint",
]
