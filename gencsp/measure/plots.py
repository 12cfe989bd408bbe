"""Figures of a pool: g(r), coordination numbers, relaxation and success (CHGGen, Figs. 2, 4, 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gencsp.io.figures import empty_figure, save_figure
from gencsp.measure.coordination import Coordination
from gencsp.measure.relaxation import Change, Success, median_displacement
from gencsp.provenance import Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

#: Colours of the groups of structures: blue and orange are the paper's of the two ways to generate.
COLOURS = {
    "generated": "#2b6cb0",
    "relaxed": "#63b3ed",
    "inpainted": "#c05621",
    "refined": "#f6ad55",
    "structures": "#2f855a",
    "known": "black",
}
#: Panels side by side, and bins of histograms.
ACROSS, BINS = 3, 30
#: Coordination numbers up to here have a bar of their own; larger ones share the last.
MOST_NEIGHBOURS = 12


def draw_distributions(
    distances: Array, groups: Mapping[str, Mapping[str, Array]], path: Path
) -> list[Path]:
    """Draw g(r), a panel for each pair of elements and a line for each group.

    Args:
        distances: Å, shape (bins,).
        groups: g(r) of each pair by group, shape (bins,).
        path: without an ending: one file of each of :data:`gencsp.io.figures.FORMATS`.

    Returns:
        The files that were written.
    """
    pairs = list(dict.fromkeys(pair for group in groups.values() for pair in group))
    figure, panels = _panels(len(pairs))
    for axes, pair in zip(panels, pairs, strict=True):
        for name, functions in groups.items():
            if pair in functions:
                style = "--" if name == "known" else "-"
                axes.plot(
                    distances, functions[pair], style, color=COLOURS[name], lw=1.1, label=name
                )
        axes.axhline(1, color="grey", linewidth=0.6)
        axes.set_xlabel("r (Å)")
        axes.set_ylabel("g(r)")
        axes.set_title(pair, fontsize="medium")
        axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def draw_coordination(groups: Mapping[str, Sequence[Coordination]], path: Path) -> list[Path]:
    """Draw shares of atoms by coordination number, a panel for each centre and neighbour.

    Args:
        groups: coordination by group.
        path: as for :func:`draw_distributions`, with its results.
    """
    bonds = list(dict.fromkeys((o.centre, o.neighbour) for some in groups.values() for o in some))
    figure, panels = _panels(len(bonds))
    width = 0.8 / len(groups)
    for axes, bond in zip(panels, bonds, strict=True):
        for number, (name, some) in enumerate(groups.items()):
            for one in some:
                if (one.centre, one.neighbour) == bond:
                    shares = np.zeros(MOST_NEIGHBOURS + 1)
                    for neighbours, share in one.shares.items():
                        shares[min(neighbours, MOST_NEIGHBOURS)] += 100 * share
                    places = np.arange(len(shares)) + width * (number - (len(groups) - 1) / 2)
                    axes.bar(places, shares, width, color=COLOURS[name], label=name)
        axes.set_xticks(
            range(0, MOST_NEIGHBOURS + 1, 2), [*map(str, range(0, MOST_NEIGHBOURS, 2)), "≥12"]
        )
        axes.set_xlabel(f"{bond[1]} around {bond[0]}")
        axes.set_ylabel(f"{bond[0]} atoms (%)")
        axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def draw_changes(changes: Sequence[Change], path: Path) -> list[Path]:
    """Draw histograms of ΔE and of the largest displacement (CHGGen, Fig. 4a, b).

    What is not known of any relaxation has no panel; without any there is no figure.

    Args:
        changes: of the relaxations.
        path: as for :func:`draw_distributions`, with its results.
    """
    known = [one.energy for one in changes if np.isfinite(one.energy)]
    moved = [one.largest for one in changes if np.isfinite(one.largest)]
    furthest = median_displacement(changes)
    drawn = []
    if known:
        title = f"{len(known)} structures"
        drawn.append(("ΔE on relaxation (eV/atom)", known, float(np.median(known)), title))
    if moved:
        title = f"{furthest.n} structures"
        if furthest.missing:
            title += f", {furthest.missing} match no longer"
        drawn.append(("largest displacement (Å)", moved, furthest.value, title))
    if not drawn:
        return []
    figure, panels = _panels(len(drawn))
    for axes, (label, values, median, title) in zip(panels, drawn, strict=True):
        axes.hist(values, bins=BINS, color=COLOURS["generated"])
        if np.isfinite(median):
            axes.axvline(median, color="black", lw=0.8, ls="--", label=f"median {median:.3g}")
            axes.legend(fontsize=8, frameon=False)
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel(label)
        axes.set_ylabel("structures")
    return save_figure(figure, path)


def draw_success(rates: Sequence[Success], path: Path) -> list[Path]:
    """Draw success rates against the number of atoms, with 95 % intervals (CHGGen, Fig. 6).

    Args:
        rates: by stage and number of atoms.
        path: as for :func:`draw_distributions`, with its results.
    """
    figure, (axes,) = _panels(1)
    for stage in Stage:
        some = [one for one in rates if one.stage is stage]
        if some:
            shares = np.array([one.share for one in some])
            low, high = np.array([one.interval for one in some]).T
            axes.errorbar(
                [one.atoms for one in some],
                100 * shares,
                100 * np.array([shares - low, high - shares]).clip(0),
                fmt="o-",
                capsize=3,
                color=COLOURS[stage],
                label=stage,
            )
    axes.set_xlabel("atoms in the cell")
    axes.set_ylabel("symmetric after relaxation (%)")
    axes.set_ylim(-3, 103)
    axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def _panels(n: int) -> tuple[Figure, list[Any]]:
    across = min(n, ACROSS)
    down = -(-n // across)
    figure = empty_figure(4.0 * across, 3.0 * down)
    return figure, [figure.add_subplot(down, across, k + 1) for k in range(n)]
