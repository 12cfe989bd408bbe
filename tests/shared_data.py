"""Data that are kept beside the project; tests that need them skip where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gencsp.composition import Composition

ROOT = Path(__file__).resolve().parents[1]


def shared(place: str) -> Path:
    """A file or folder of the shared data, ``../shared/data`` or ``$GENCSP_SHARED/data``."""
    path = Path(os.environ.get("GENCSP_SHARED", ROOT.parent / "shared")) / "data" / place
    if not path.exists():
        pytest.skip(f"{place} is not among the shared data: set GENCSP_SHARED")
    return path


def held_out_formulas() -> frozenset[Composition]:
    """The reduced formulas that no training and no fit may see."""
    lines = shared("crystals/holdout_formulas.txt").read_text("utf-8").split()
    return frozenset(Composition.parse(line).reduced for line in lines)
