"""Figures of the hull of a chemical system or tie-line, and of what a run found there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.system import Phase, SystemHull
from gencsp.io.figures import figure_of_one, save_figure

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gencsp.convex_hull.by_composition import Lowest
    from gencsp.convex_hull.hull import Hull

Side = Literal["left", "center", "right"]

#: Systems of these numbers of end members are drawn.
DRAWN = (2, 3)
LINE, STABLE, UNSTABLE, NEW = "#2b6cb0", "#2b6cb0", "#c05621", "#2f855a"
#: meV/atom: up to here the axis of E_d is linear, beyond it logarithmic.
LINEAR = 50.0
#: Corners of the triangle, in the order of the end members.
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def draw_hull(found: SystemHull, path: Path) -> list[Path]:
    """Draw the hull of two or three end members; returns the files that were written.

    Of two formation energy against share of atoms, of three a triangle of compositions with, of
    elements, the edges of the hull's facets. Of more there is no figure.

    Args:
        found: the hull.
        path: without an ending: one file of each of :data:`gencsp.io.figures.FORMATS`.
    """
    if len(found.members.formulas) not in DRAWN:
        return []
    figure, axes = figure_of_one(5.5, 4.0)
    if len(found.members.formulas) == 2:
        _binary(axes, found)
        _unstable_crosses(axes, found)
        axes.legend(fontsize=8, frameon=False)
    else:
        figure, axes = figure_of_one(5.5, 5.0)
        _ternary(figure, axes, found)
    return save_figure(figure, path)


def draw_found(found: SystemHull, lowest: Sequence[Lowest], grown: Hull, path: Path) -> list[Path]:
    """Draw what a run found in a system, as Fig. 5a of CHGGen; returns the files written.

    Of two end members formation energies: the hull of the references, that of references and
    found structures, and the lowest structure of each composition. Of three a triangle with E_d in
    colour. Of more there is no figure.

    Args:
        found: the hull of the references.
        lowest: the lowest structure of each composition.
        grown: references and found structures, see :func:`.by_composition.grown_hull`.
        path: without an ending.
    """
    if len(found.members.formulas) not in DRAWN:
        return []
    if len(found.members.formulas) == 3:
        figure, axes = figure_of_one(5.5, 5.0)
        _triangle(axes, found)
        energies = [1000 * one.decomposition_energy for one in lowest]
        across, up = (np.array([one.shares for one in lowest]).reshape(-1, 3) @ CORNERS).T
        dots = axes.scatter(across, up, c=energies, cmap="viridis_r", marker="D", s=28)
        figure.colorbar(dots, ax=axes, shrink=0.6, label=f"${_symbol(grown)}_d$ (meV/atom)")
        return save_figure(figure, path)
    figure, axes = figure_of_one(5.5, 4.0)
    _binary(axes, found)
    new = found.ends.section(grown, live=True)
    if new:
        axes.plot(*zip(*new, strict=True), "--", color=NEW, linewidth=0.9, zorder=1)
    for on_hull, form, colour, label in (
        (False, "D", UNSTABLE, "found, above the hull"),
        (True, "o", NEW, "found, on the new hull"),
    ):
        some = [one for one in lowest if one.on_hull is on_hull]
        places = [(one.shares[1], one.formation_energy) for one in some]
        if some:
            axes.plot(
                *zip(*places, strict=True),
                form,
                color=colour,
                markersize=5,
                label=label,
                fillstyle="none",
            )
    axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def draw_decomposition(
    found: SystemHull, ranked: Sequence[Atoms], grown: Hull, path: Path
) -> list[Path]:
    """Draw E_d of every crystal of a run against composition, of two end members.

    Args:
        found: the hull of the references, against which E_d is.
        ranked: the structures with their E_d; duplicates are left out.
        grown: as for :func:`draw_found`.
        path: without an ending.
    """
    if len(found.members.formulas) != 2:
        return []
    crystals = [atoms for atoms in ranked if not atoms.info.get(records.DUPLICATE_OF)]
    across = [found.members.shares(Composition.of(atoms))[1] for atoms in crystals]
    up = [1000 * (records.above_hull(atoms.info) or 0.0) for atoms in crystals]
    lowest: dict[float, float] = {}
    for x, energy in zip(across, up, strict=True):
        lowest[x] = min(energy, lowest.get(x, energy))
    figure, axes = figure_of_one(5.5, 4.0)
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    axes.plot(across, up, "x", color=UNSTABLE, markersize=4, label="crystals found")
    axes.plot(
        *zip(*sorted(lowest.items()), strict=True),
        "o",
        color=LINE,
        markersize=4,
        label="lowest of its composition",
    )
    axes.set_xlabel(_abscissa(found))
    axes.set_ylabel(f"${_symbol(grown)}_d$, {found.model} (meV/atom)")
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.set_xlim(-0.02, 1.02)
    axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def _binary(axes: Axes, found: SystemHull) -> None:
    """The hull between two end members, with its stable phases named, and the axes."""
    stable = found.stable
    share = [found.shares(phase.entry)[1] for phase in stable]
    energies = [phase.formation_energy for phase in stable]
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    # Along a tie-line the hull also bends where there is no phase on it.
    line = found.section or tuple(zip(share, energies, strict=True))
    axes.plot(*zip(*line, strict=True), "-", color=LINE, label="hull of the references", zorder=2)
    axes.plot(share, energies, "s", color=LINE, markersize=5, label="stable", zorder=2)
    lowest = min(zip(energies, share, strict=True), default=(0.0, 0.0))[1]
    for phase, x in zip(stable, share, strict=True):
        side: Side = "center" if x in (0, 1, lowest) else "right" if x < lowest else "left"
        _name(axes, phase, x, phase.formation_energy, side, below=side == "center")
    axes.set_xlabel(_abscissa(found))
    axes.set_ylabel(_ordinate(found))
    axes.margins(y=0.12)


def _unstable_crosses(axes: Axes, found: SystemHull) -> None:
    others = _unstable(found)
    if others:
        axes.plot(
            [found.shares(phase.entry)[1] for phase in others],
            [phase.formation_energy for phase in others],
            "x",
            color=UNSTABLE,
            markersize=5,
            label=f"up to {1000 * found.within:g} meV/atom above",
        )


def _abscissa(found: SystemHull) -> str:
    first, second = found.members.names
    if found.members.of_elements:
        return f"share of {second} in {first}-{second}"
    return f"share of the atoms in {second}, of {first}-{second}"


def _ordinate(found: SystemHull) -> str:
    if found.members.of_elements:
        return f"formation energy, {found.model} (eV/atom)"
    ends = " and ".join(found.members.names)
    return f"formation energy from {ends},\n{found.model} (eV/atom)"


def _symbol(hull: Hull) -> str:
    return "H" if hull.pressure else "E"


def _triangle(axes: Axes, found: SystemHull) -> None:
    """The compositions of three end members, with the stable phases named."""
    axes.set_aspect("equal")
    axes.axis("off")
    axes.plot(*CORNERS[[0, 1, 2, 0]].T, "-", color="0.7", linewidth=0.8, zorder=0)
    for facet in found.facets:
        for ends in combinations(facet, 2):
            line = np.array([found.shares(entry) for entry in ends]) @ CORNERS
            axes.plot(*line.T, "-", color=LINE, linewidth=0.8)
    stable = found.stable
    axes.plot(*_places(found, stable).T, "o", color=STABLE, markersize=5)
    for phase, (x, y) in zip(stable, _places(found, stable).tolist(), strict=True):
        first, second, third = found.shares(phase.entry)
        beside = first + second > 0 and third > 0
        side: Side = "center"
        if beside and not (first and second):
            side = "right" if first else "left"
        _name(axes, phase, x, y, side, below=third == 0)
    axes.set_title(f"{found.members.name}, {found.model}", fontsize="medium")


def _ternary(figure: Figure, axes: Axes, found: SystemHull) -> None:
    _triangle(axes, found)
    others = _unstable(found)
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


def _unstable(found: SystemHull) -> list[Phase]:
    return [phase for phase in found.phases if not phase.stable]


def _places(found: SystemHull, phases: Sequence[Phase]) -> NDArray[np.float64]:
    """Points in the triangle, (n, 2)."""
    shares = np.array([found.shares(phase.entry) for phase in phases]).reshape(-1, 3)
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
