"""The measured powder pattern of a report, and its structures beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.descriptors.flaws import is_finite
from gencsp.errors import PatternError
from gencsp.powder.kept import kept_pattern
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.similarity import VOIGT, PatternComparison
from gencsp.report.geometry import is_crystal
from gencsp.report.model import ReportStructure

#: Points of a measured pattern that are drawn at most.
MOST_POINTS = 6000
NOT_KEPT = (
    "The measured pattern of this run is not in its folder, so it is not drawn: name its file with "
    "--xrd."
)
#: Told how many structures are compared, and of how many.
OnCompared = Callable[[int, int], None]


def pattern_of_run(manifest: Mapping[str, Any], folder: Path) -> PatternComparison | None:
    """The pattern that a run was compared with; ``None`` where it had none or it is not kept."""
    digest = manifest.get("xrd")
    if digest is None:
        return None
    try:
        pattern = kept_pattern(folder)
    except PatternError:
        return None
    return PatternComparison(pattern) if pattern.digest == digest else None


def compared(
    structures: Sequence[ReportStructure],
    comparison: PatternComparison,
    *,
    known: bool,
    report: OnCompared | None = None,
) -> tuple[list[ReportStructure], list[str]]:
    """Structures with their similarity to a pattern, and what is to be said of them.

    Args:
        structures: of the report.
        comparison: the pattern.
        known: whether similarities that are there already are to this pattern; they are kept then,
            and of the other structures those with an energy are compared.
        report: told of the progress.
    """
    if known:
        wanted = [one for one in structures if one.energy is not None and one.similarity is None]
    else:
        structures = [replace(one, similarity=None, strain=None) for one in structures]
        wanted = list(structures)
    wanted = [one for one in wanted if not one.failure]
    found: dict[int, ReportStructure] = {}
    for number, one in enumerate(wanted, start=1):
        found[id(one)] = _compared(one, comparison)
        if report is not None:
            report(number, len(wanted))
    without = sum(one.similarity is None for one in found.values())
    messages = []
    if without:
        messages.append(
            f"{without} of {len(wanted)} structures have no powder pattern to compare: they are no "
            f"crystals, or one of their elements has no scattering factors."
        )
    return [found.get(id(one), one) for one in structures], messages


def _compared(one: ReportStructure, comparison: PatternComparison) -> ReportStructure:
    if not (is_crystal(one.atoms) and is_finite(one.atoms)):
        return one
    try:
        likeness = comparison(one.atoms)
    except PatternError:
        return one
    strain = tuple(float(likeness.strain[i, j]) for i, j in VOIGT)
    return replace(one, similarity=likeness.similarity, strain=strain)


def drawn_pattern(comparison: PatternComparison) -> dict[str, Any]:
    """A measured pattern as the page draws it.

    Returns:
        ``wavelength``, Å; ``angles``, the first and the last, degrees; ``y``, evenly
        spaced between them, the largest being 100; ``width`` of its lines at half their height,
        degrees.
    """
    pattern = comparison.pattern
    y = _thinned(pattern)
    return {
        "wavelength": pattern.wavelength,
        "angles": [float(pattern.angles[0]), float(pattern.angles[-1])],
        "y": np.round(100 * y / y.max(), 2).tolist(),
        "width": round(2.3548 * comparison.width, 4),
    }


def _thinned(pattern: MeasuredPattern) -> NDArray[np.float64]:
    """Intensities of at most so many points as are drawn, none of the lines lost."""
    y = pattern.intensities
    step = -(-len(y) // MOST_POINTS)
    if step == 1:
        return y
    rows = np.pad(y, (0, -len(y) % step), mode="edge").reshape(-1, step)
    return np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)[:, 0]
