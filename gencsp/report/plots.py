"""Figures of a report for papers: one column wide, in colours that everybody can tell apart.

Each function draws on the axes that it is given, or on new ones, and returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.errors import RequestError
from gencsp.io.figures import empty_figure
from gencsp.powder.measured import MeasuredPattern, wavelength_of
from gencsp.powder.reflections import Reflections
from gencsp.powder.similarity import PatternComparison
from gencsp.report.model import Report, ReportStructure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches: one column of a journal, and its height.
WIDTH, HEIGHT = 3.37, 2.6
#: Okabe and Ito's colours, told apart also by the colour-blind.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = ("o", "D", "s", "^", "v", "P", "X")
GREY = "0.6"
#: Sizes of text, points.
TEXT, SMALL = 8, 7
#: Origins that have a colour of their own; the others share one.
MOST_ORIGINS = len(COLOURS) - 1
#: Share of the energies, the lowest, that an axis spans.
SHOWN = 0.9
#: 2θ, degrees, of patterns that no measured one goes with.
ANGLES = (10.0, 80.0)


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
    axes = axes or _axes(projection="3d" if n == 4 else None)
    if n == 2:
        _binary(axes, hull, report)
    else:
        _simplex(axes, hull, report, _corners(n))
    return axes


def plot_trace(report: Report, axes: Axes | None = None) -> Axes:
    """Energy against trial, with the lowest so far of all and of each origin.

    Raises:
        RequestError: no structure has a trial and an energy.
    """
    tried = [one for one in _judged(report) if one.trial is not None]
    if not tried:
        raise RequestError("there is no trace to draw: no structure of a trial has an energy.")
    axes = axes or _axes()
    for origin, colour, mark, group in _groups(tried):
        points = sorted((one.trial or 0, _energy(one)) for one in group)
        axes.plot(*zip(*points, strict=True), mark, color=colour, markersize=2.5, alpha=0.7)
        axes.plot(*_lowest_so_far(points), color=colour, linewidth=0.9, label=origin)
    everything = sorted((one.trial or 0, _energy(one)) for one in tried)
    axes.plot(*_lowest_so_far(everything), ":", color="black", linewidth=1.2, label="all")
    axes.set_xlabel("trial" if report.kind == "search" else "generated structure")
    axes.set_ylabel(_energy_label(report))
    _low_part(axes, [energy for _, energy in everything])
    _legend(axes)
    return axes


def plot_volume(report: Report, axes: Axes | None = None) -> Axes:
    """Energy against volume per atom, by origin.

    Raises:
        RequestError: no structure has an energy and a volume.
    """
    placed = [one for one in _judged(report) if one.volume is not None]
    if not placed:
        raise RequestError("there is nothing to draw: no structure has an energy and a volume.")
    axes = axes or _axes()
    for origin, colour, mark, group in _groups(placed):
        volumes = [one.volume or 0.0 for one in group]
        axes.plot(
            volumes,
            [_energy(one) for one in group],
            mark,
            color=colour,
            markersize=3,
            alpha=0.8,
            label=origin,
        )
    axes.set_xlabel("volume (Å³/atom)")
    axes.set_ylabel(_energy_label(report))
    _low_part(axes, [_energy(one) for one in placed])
    _legend(axes)
    return axes


def plot_origins(report: Report, axes: Axes | None = None) -> Axes:
    """How many structures each move or proposer made, how many converged, and how many are new.

    Raises:
        RequestError: nothing is known of origins.
    """
    if not report.origins:
        raise RequestError("there is nothing to draw: no structure says where it comes from.")
    axes = axes or _axes()
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
    _legend(axes)
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
    axes = axes or _axes()
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
    _legend(axes)
    return axes


#: Figures of a report by name.
PLOTS: Mapping[str, Callable[[Report], Any]] = {
    "hull": plot_hull,
    "trace": plot_trace,
    "volume": plot_volume,
    "origins": plot_origins,
}


def _axes(projection: str | None = None) -> Axes:
    from matplotlib import rc_context

    with rc_context(
        {
            "font.size": TEXT,
            "axes.labelsize": TEXT,
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "legend.fontsize": SMALL,
            "axes.linewidth": 0.7,
        }
    ):
        figure = empty_figure(WIDTH, WIDTH if projection else HEIGHT)
        return figure.add_subplot(projection=projection) if projection else figure.add_subplot()


def _legend(axes: Axes) -> None:
    """Above the axes, where it covers nothing."""
    _, labels = axes.get_legend_handles_labels()
    axes.legend(
        frameon=False,
        fontsize=SMALL,
        handlelength=1.2,
        columnspacing=1.0,
        handletextpad=0.4,
        borderaxespad=0.1,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=min(3, max(1, len(labels))),
    )


def _low_part(axes: Axes, energies: Sequence[float]) -> None:
    """Leave the highest tenth of the energies above the axes: what matters lies low."""
    low, high = min(energies), float(np.quantile(energies, SHOWN))
    room = 0.06 * max(high - low, 0.02)
    axes.set_ylim(low - room, high + room)


def _judged(report: Report) -> list[ReportStructure]:
    return [one for one in report.structures if one.energy is not None and not one.failure]


def _energy(one: ReportStructure) -> float:
    value = one.energy if one.above is None else one.above
    assert value is not None, "those without an energy are not drawn"
    return value


def _energy_label(report: Report) -> str:
    above = any(one.above is not None for one in _judged(report))
    return f"${report.symbol}_d$ (eV/atom)" if above else f"${report.symbol}$ (eV/atom)"


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
    lowest = min(stable, key=lambda one: one["formation"])["shares"][1]
    for phase in stable:
        share = phase["shares"][1]
        below = share in (0, 1, lowest)
        side = "center" if below else "right" if share < lowest else "left"
        axes.annotate(
            _subscripts(phase["formula"]),
            (share, phase["formation"]),
            xytext=({"left": 5, "center": 0, "right": -5}[side], -10 if below else -3),
            textcoords="offset points",
            ha=side,
            fontsize=SMALL,
        )
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
    _legend(axes)


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
    for found in sorted(_on_members(report), key=_energy):
        lowest.setdefault(found.reduced, found)
    if lowest:
        spots = np.array([one.shares for one in lowest.values()]) @ corners
        dots = axes.scatter(
            *spots.T, c=[_energy(one) for one in lowest.values()], cmap="cividis", marker="D", s=14,
            label="found", zorder=3,
        )  # fmt: skip
        bar = axes.figure.colorbar(dots, ax=axes, shrink=0.6)
        bar.set_label(_energy_label(report), fontsize=TEXT)
        bar.ax.tick_params(labelsize=SMALL)
    axes.set_axis_off()
    axes.set_aspect("equal")
    _legend(axes)


def _on_members(report: Report) -> list[ReportStructure]:
    """The different crystals that have a place on the hull."""
    return [
        one
        for one in _judged(report)
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
