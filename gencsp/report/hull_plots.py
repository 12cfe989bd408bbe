"""The hull of a report as a figure for papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gencsp.errors import RequestError
from gencsp.report.model import Report, ReportStructure
from gencsp.report.style import (
    COLOURS,
    GREY,
    SHOWN,
    SMALL,
    TEXT,
    energy_label,
    energy_of,
    judged,
    new_axes,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Side = Literal["left", "center", "right"]


def plot_hull(report: Report, axes: Axes | None = None) -> Axes:
    """The hull with what was found: two end members by formation energy, three or four in place.

    Of three and four end members the lowest structure of each composition is drawn with its
    decomposition energy as colour.

    Args:
        report: of a run or a pool.
        axes: to draw on; with four end members they must be three-dimensional.

    Raises:
        RequestError: the report has no hull of two to four end members.
    """
    hull = report.hull
    if hull is None:
        raise RequestError(
            "there is no hull to draw: structures need energies, references of the same potential, "
            "and two to four end members."
        )
    n = len(hull["members"])
    axes = axes or new_axes(projection="3d" if n == 4 else None)
    if n == 2:
        _binary(axes, hull, report)
    else:
        _simplex(axes, hull, report, _corners(n))
    return axes


def _binary(axes: Axes, hull: Mapping[str, Any], report: Report) -> None:
    stable = [phase for phase in hull["phases"] if phase["stable"]]
    others = [phase for phase in hull["phases"] if not phase["stable"]]
    line = hull["line"] or sorted((one["shares"][1], one["formation"]) for one in stable)
    axes.axhline(0, color="0.8", linewidth=0.7)
    axes.plot(*zip(*line, strict=True), "-", color=COLOURS[0], linewidth=1, label="hull")
    if hull["grown"] and hull["grown"] != hull["line"]:
        grown = zip(*hull["grown"], strict=True)
        axes.plot(*grown, "--", color=COLOURS[2], linewidth=0.9, label="with what was found")
    for phases, mark, label in ((others, "x", "other references"), (stable, "s", "references")):
        if phases:
            places = [(one["shares"][1], one["formation"]) for one in phases]
            colour = GREY if phases is others else COLOURS[0]
            axes.plot(*zip(*places, strict=True), mark, color=colour, markersize=3, label=label)
    found = _on_members(report)
    if found:
        places = [((one.shares or ())[1], one.formation_energy) for one in found]
        axes.plot(*zip(*places, strict=True), "D", color=COLOURS[1], markersize=3,
                  fillstyle="none", label="found")  # fmt: skip
    first, second = hull["members"]
    axes.set_xlabel(f"share of the atoms in {_subscripts(second)}, of "
                    f"{_subscripts(first)}-{_subscripts(second)}")  # fmt: skip
    axes.set_ylabel("formation energy (eV/atom)")
    axes.set_xlim(-0.04, 1.04)
    energies = [float(one.formation_energy or 0.0) for one in found]
    high = max(0.0, float(np.quantile(energies, SHOWN)) if energies else 0.0)
    low = min([one["formation"] for one in stable] + energies)
    room = max(high - low, 0.05)
    axes.set_ylim(low - 0.16 * room, high + 0.08 * room)
    _name_phases(axes, stable)
    write_legend(axes)


def _name_phases(axes: Axes, stable: Sequence[Mapping[str, Any]]) -> None:
    """Names beside the stable phases of two end members; one that would cover another is left out.

    The end members and the phase of the lowest formation energy come first, then those around
    which most is free.
    """
    lowest = min(stable, key=lambda one: one["formation"])["shares"][1]

    def crowded(phase: Mapping[str, Any]) -> tuple[bool, float]:
        share = phase["shares"][1]
        others = (abs(share - one["shares"][1]) for one in stable if one is not phase)
        return share not in (0, 1, lowest), -min(others, default=1.0)

    size = axes.get_window_extent()
    to_points = 72 / axes.figure.dpi * np.array([size.width, size.height])
    wide, high = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    taken: list[tuple[float, float, float]] = []
    for phase in sorted(stable, key=crowded):
        share = phase["shares"][1]
        below = share in (0, 1, lowest)
        side: Side = "center" if below else "left" if share > lowest else "right"
        x, y = np.array([share / wide, phase["formation"] / high]) * to_points
        length = 0.6 * SMALL * len(phase["formula"])
        x += {"left": 5 + length / 2, "center": 0, "right": -5 - length / 2}[side]
        y -= 10 if below else 3
        if any(
            abs(x - one) < (length + other) / 2 and abs(y - up) < 1.2 * SMALL
            for one, up, other in taken
        ):
            continue
        taken.append((x, y, length))
        axes.annotate(
            _subscripts(phase["formula"]),
            (share, phase["formation"]),
            xytext=({"left": 5, "center": 0, "right": -5}[side], -10 if below else -3),
            textcoords="offset points",
            ha=side,
            fontsize=SMALL,
        )


def _corners(n: int) -> NDArray[np.float64]:
    """Corners of a regular triangle or tetrahedron, shape (n, n - 1)."""
    triangle = np.array([[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(3) / 2, 0]])
    if n == 3:
        return triangle[:, :2]
    return np.vstack([triangle, [0.5, np.sqrt(3) / 6, np.sqrt(2 / 3)]])


def _simplex(
    axes: Any, hull: Mapping[str, Any], report: Report, corners: NDArray[np.float64]
) -> None:
    for one, other in combinations(corners, 2):
        axes.plot(*zip(one, other, strict=True), color="0.8", linewidth=0.7, zorder=0)
    for edge in hull["edges"]:
        axes.plot(*(np.array(edge) @ corners).T, color=COLOURS[0], linewidth=0.6, zorder=1)
    stable = [one for one in hull["phases"] if one["stable"]]
    places = np.array([one["shares"] for one in stable]) @ corners
    axes.scatter(*places.T, marker="s", s=9, color=COLOURS[0], label="references", zorder=2)
    named = stable if len(corners) == 3 else [one for one in stable if max(one["shares"]) == 1]
    for one in named:
        # Away from the middle, where the lines are.
        place = np.array(one["shares"]) @ corners
        out = place - corners.mean(axis=0)
        label = _subscripts(one["formula"])
        if len(corners) == 4:
            axes.text(*(place + 0.15 * out), label, fontsize=SMALL, ha="center", va="center")
            continue
        step = 9 * out / max(float(np.linalg.norm(out)), 1e-9)
        axes.annotate(
            label,
            place,
            xytext=tuple(step),
            textcoords="offset points",
            fontsize=SMALL,
            ha="left" if step[0] > 3 else "right" if step[0] < -3 else "center",
            va="center",
        )
    lowest: dict[str, ReportStructure] = {}
    for found in sorted(_on_members(report), key=energy_of):
        lowest.setdefault(found.reduced, found)
    if lowest:
        spots = np.array([one.shares for one in lowest.values()]) @ corners
        energies = [energy_of(one) for one in lowest.values()]
        dots = axes.scatter(
            *spots.T, c=energies, cmap="cividis", marker="D", s=14, label="found", zorder=3
        )
        bar = axes.figure.colorbar(dots, ax=axes, shrink=0.6)
        bar.set_label(energy_label(report), fontsize=TEXT)
        bar.ax.tick_params(labelsize=SMALL)
    axes.set_axis_off()
    axes.set_aspect("equal")
    write_legend(axes)


def _on_members(report: Report) -> list[ReportStructure]:
    """The different crystals that have a place on the hull."""
    return [
        one
        for one in judged(report)
        if one.shares is not None and one.formation_energy is not None and not one.duplicate_of
    ]


def _subscripts(formula: str) -> str:
    """A formula with its numbers as subscripts, for matplotlib."""
    from gencsp.composition import Composition
    from gencsp.errors import CompositionError

    try:
        counts = Composition.parse(formula).counts
    except CompositionError:
        return formula
    return "".join(symbol + (f"$_{{{n}}}$" if n > 1 else "") for symbol, n in counts)
