"""Figures of a report for papers: one column wide, in colours that everybody can tell apart.

Each function draws on the axes that it is given, or on new ones, and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from gencsp.errors import RequestError
from gencsp.powder.measured import MeasuredPattern, wavelength_of
from gencsp.powder.reflections import Reflections
from gencsp.powder.similarity import PatternComparison
from gencsp.report.hull_plots import plot_hull
from gencsp.report.model import Report, ReportStructure
from gencsp.report.style import (
    COLOURS,
    SHOWN,
    WIDTH,
    energy_label,
    energy_of,
    judged,
    new_axes,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "PLOTS",
    "WIDTH",
    "plot_hull",
    "plot_origins",
    "plot_powder",
    "plot_trace",
    "plot_volume",
]

MARKS = ("o", "D", "s", "^", "v", "P", "X")
#: Origins that have a colour of their own; the others share one.
MOST_ORIGINS = len(COLOURS) - 1
#: 2θ, degrees, of patterns that no measured one goes with.
ANGLES = (10.0, 80.0)


def plot_trace(report: Report, axes: Axes | None = None) -> Axes:
    """Energy against trial, with the lowest so far of all and of each origin.

    Raises:
        RequestError: no structure has a trial and an energy.
    """
    from matplotlib.ticker import MaxNLocator

    tried = [one for one in judged(report) if one.trial is not None]
    if not tried:
        raise RequestError("there is no trace to draw: no structure of a trial has an energy.")
    axes = axes or new_axes()
    for origin, colour, mark, group in _groups(tried):
        points = sorted((one.trial or 0, energy_of(one)) for one in group)
        axes.plot(*zip(*points, strict=True), mark, color=colour, markersize=2.5, alpha=0.7)
        axes.plot(*_lowest_so_far(points), color=colour, linewidth=0.9, label=origin)
    everything = sorted((one.trial or 0, energy_of(one)) for one in tried)
    axes.plot(*_lowest_so_far(everything), ":", color="black", linewidth=1.2, label="all")
    # Numbers of trials are whole ones.
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel("trial" if report.kind == "search" else "generated structure")
    axes.set_ylabel(energy_label(report))
    _low_part(axes, [energy for _, energy in everything])
    write_legend(axes)
    return axes


def plot_volume(report: Report, axes: Axes | None = None) -> Axes:
    """Energy against volume per atom, by origin.

    Raises:
        RequestError: no structure has an energy and a volume.
    """
    placed = [one for one in judged(report) if one.volume is not None]
    if not placed:
        raise RequestError("there is nothing to draw: no structure has an energy and a volume.")
    axes = axes or new_axes()
    for origin, colour, mark, group in _groups(placed):
        volumes = [one.volume or 0.0 for one in group]
        axes.plot(
            volumes,
            [energy_of(one) for one in group],
            mark,
            color=colour,
            markersize=3,
            alpha=0.8,
            label=origin,
        )
    axes.set_xlabel("volume (Å³/atom)")
    axes.set_ylabel(energy_label(report))
    _low_part(axes, [energy_of(one) for one in placed])
    write_legend(axes)
    return axes


def plot_origins(report: Report, axes: Axes | None = None) -> Axes:
    """How many structures each move or proposer made, how many converged, and how many are new.

    Raises:
        RequestError: nothing is known of origins.
    """
    if not report.origins:
        raise RequestError("there is nothing to draw: no structure says where it comes from.")
    axes = axes or new_axes()
    shown = report.origins[::-1]
    places = np.arange(len(shown))
    for width, colour, label, counts in (
        (0.8, "0.85", "made", [one.made for one in shown]),
        (0.55, COLOURS[5], "converged", [one.converged for one in shown]),
        (0.3, COLOURS[0], "different crystals", [one.crystals for one in shown]),
    ):
        axes.barh(places, counts, height=width, color=colour, label=label)
    axes.set_yticks(places, [one.origin for one in shown])
    axes.set_xlabel("structures")
    write_legend(axes)
    return axes


def plot_powder(
    atoms: Atoms,
    measured: MeasuredPattern | None = None,
    axes: Axes | None = None,
    *,
    wavelength: str | float = "CuKa",
) -> Axes:
    """The powder lines of a crystal, beside a measured pattern where there is one.

    Its lines then point downwards, and the cell is strained as it fits best, see
    :mod:`gencsp.powder.similarity`.

    Args:
        atoms: fully periodic.
        measured: the pattern; its wavelength counts.
        axes: to draw on.
        wavelength: Å, or a name such as CuKa, where there is no measured pattern.

    Raises:
        PatternError: no such wavelength, or no scattering factors for an element.
    """
    axes = axes or new_axes()
    low, high = ANGLES if measured is None else (measured.angles[0], measured.angles[-1])
    length = wavelength_of(wavelength) if measured is None else measured.wavelength
    longest = 1.1 * 2 * np.sin(np.radians(high / 2)) / length
    strain = None
    if measured is not None:
        found = PatternComparison(measured)(atoms)
        strain = found.strain
        axes.plot(
            measured.angles,
            measured.intensities / measured.intensities.max(),
            color="0.3",
            linewidth=0.7,
            label="measured, without background",
        )
    angles, strengths = Reflections.of(atoms, longest=longest).lines(length, strain)
    inside = (angles >= low) & (angles <= high)
    angles, strengths = angles[inside], strengths[inside]
    label = "computed" if measured is None else f"computed, similarity {found.similarity:.3f}"
    if len(angles):
        axes.vlines(
            angles,
            0,
            (1 if measured is None else -1) * strengths / strengths.max(),
            color=COLOURS[0],
            linewidth=0.9,
            label=label,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(*((0, 1.05) if measured is None else (-1.05, 1.05)))
    axes.set_yticks([])
    axes.set_xlabel("2θ (degrees)")
    axes.set_ylabel("intensity")
    write_legend(axes)
    return axes


#: Figures of a report by name.
PLOTS: Mapping[str, Callable[[Report], Any]] = {
    "hull": plot_hull,
    "trace": plot_trace,
    "volume": plot_volume,
    "origins": plot_origins,
}


def _low_part(axes: Axes, energies: Sequence[float]) -> None:
    """Leave the highest tenth of the energies above the axes: what matters lies low."""
    low, high = min(energies), float(np.quantile(energies, SHOWN))
    room = 0.06 * max(high - low, 0.02)
    axes.set_ylim(low - room, high + room)


def _groups(
    structures: Sequence[ReportStructure],
) -> list[tuple[str, str, str, list[ReportStructure]]]:
    """Structures by origin with colour and mark, the most frequent origins by themselves."""
    groups: dict[str, list[ReportStructure]] = {}
    for one in structures:
        groups.setdefault(one.origin or "unknown", []).append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    kept, rest = ordered[:MOST_ORIGINS], ordered[MOST_ORIGINS:]
    if rest:
        kept.append((f"{len(rest)} others", [one for _, group in rest for one in group]))
    return [(name, COLOURS[k], MARKS[k], group) for k, (name, group) in enumerate(kept)]


def _lowest_so_far(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """A staircase through the lowest energies, to the last trial."""
    across: list[float] = []
    up: list[float] = []
    for trial, energy in points:
        if not up or energy < up[-1]:
            if up:
                across.append(trial)
                up.append(up[-1])
            across.append(trial)
            up.append(energy)
    return [*across, points[-1][0]], [*up, up[-1]]
