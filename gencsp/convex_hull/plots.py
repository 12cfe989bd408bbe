"""Figures of the hull of a chemical system."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from gencsp.convex_hull.system import Phase, SystemHull

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Side = Literal["left", "center", "right"]

#: One file of each.
FORMATS = ("png", "svg", "pdf")
#: Systems of these numbers of elements are drawn.
DRAWN = (2, 3)
LINE, STABLE, UNSTABLE = "#2b6cb0", "#2b6cb0", "#c05621"
#: Corners of the triangle, in the order of the elements.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def draw_hull(found: SystemHull, path: Path) -> list[Path]:
    """Draw the hull of two or three elements; returns the files that were written.

    Of two elements formation energy against share of atoms, of three a triangle of compositions
    with the edges of the hull's facets. Of more there is no figure.

    Args:
        found: the hull.
        path: without an ending: one file of each of :data:`FORMATS`.
    """
    if len(found.elements) not in DRAWN:
        return []
    from matplotlib import rc_context

    figure = _binary(found) if len(found.elements) == 2 else _ternary(found)
    written = []
    # Text stays text, to be edited and searched for.
    with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        for ending in FORMATS:
            file = path.with_name(f"{path.name}.{ending}")
            figure.savefig(file, dpi=150)
            written.append(file)
    return written


def _binary(found: SystemHull) -> Figure:
    figure, axes = _figure(5.5, 4.0)
    stable, others = found.stable, _unstable(found)
    share = [found.shares(phase.entry)[1] for phase in stable]
    energies = [phase.formation_energy for phase in stable]
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    axes.plot(share, energies, "-o", color=LINE, markersize=5, label="stable")
    lowest = min(zip(energies, share, strict=True))[1]
    for phase, x in zip(stable, share, strict=True):
        side: Side = "center" if x in (0, 1, lowest) else "right" if x < lowest else "left"
        _name(axes, phase, x, phase.formation_energy, side, below=side == "center")
    if others:
        axes.plot(
            [found.shares(phase.entry)[1] for phase in others],
            [phase.formation_energy for phase in others],
            "x",
            color=UNSTABLE,
            markersize=5,
            label=f"up to {1000 * found.within:g} meV/atom above",
        )
    first, second = found.elements
    axes.set_xlabel(f"share of {second} in {first}-{second}")
    axes.set_ylabel(f"formation energy, {found.model} (eV/atom)")
    axes.margins(y=0.12)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _ternary(found: SystemHull) -> Figure:
    figure, axes = _figure(5.5, 5.0)
    axes.set_aspect("equal")
    axes.axis("off")
    for facet in found.facets:
        for ends in combinations(facet, 2):
            line = np.array([found.shares(entry) for entry in ends]) @ CORNERS
            axes.plot(*line.T, "-", color=LINE, linewidth=0.8)
    stable, others = found.stable, _unstable(found)
    if others:
        across, up = _places(found, others).T
        above = [1000 * phase.decomposition_energy for phase in others]
        dots = axes.scatter(
            across,
            up,
            c=above,
            cmap="viridis_r",
            marker="x",
            s=22,
            vmin=0.0,
            vmax=1000 * found.within,
        )
        figure.colorbar(dots, ax=axes, shrink=0.6, label="above the hull (meV/atom)")
    axes.plot(*_places(found, stable).T, "o", color=STABLE, markersize=5)
    for phase, (x, y) in zip(stable, _places(found, stable).tolist(), strict=True):
        first, second, third = found.shares(phase.entry)
        beside = first + second > 0 and third > 0
        side: Side = "center"
        if beside and not (first and second):
            side = "right" if first else "left"
        _name(axes, phase, x, y, side, below=third == 0)
    axes.set_title(f"{'-'.join(found.elements)}, {found.model}", fontsize="medium")
    return figure


def _unstable(found: SystemHull) -> list[Phase]:
    return [phase for phase in found.phases if not phase.stable]


def _places(found: SystemHull, phases: Sequence[Phase]) -> NDArray[np.float64]:
    """Points in the triangle, (n, 2)."""
    shares = np.array([found.shares(phase.entry) for phase in phases])
    return np.asarray(shares @ CORNERS, dtype=np.float64)


def _name(axes: Axes, phase: Phase, x: float, y: float, side: Side, *, below: bool) -> None:
    """Write the formula of a phase at its point: above or below, or where its text begins."""
    composition = phase.entry.composition.reduced
    text = "".join(s + (f"$_{{{n}}}$" if n > 1 else "") for s, n in composition.counts)
    across = {"left": 7, "center": 0, "right": -7}[side]
    up = 0 if across else -14 if below else 6
    axes.annotate(
        text, (x, y), xytext=(across, up), textcoords="offset points", ha=side, fontsize=8
    )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    # Without pyplot, so that no window system is needed and no figure stays in memory.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
