"""What all figures of a report share: sizes, colours, axes, legends, and the energies they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.io.figures import empty_figure
from gencsp.report.model import Report, ReportStructure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches: one column of a journal, and its height.
WIDTH, HEIGHT = 3.37, 2.6
#: Okabe and Ito's colours, told apart also by the colour-blind.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "0.6"
#: Sizes of text, points.
TEXT, SMALL = 8, 7
#: Share of the energies, the lowest, that an axis spans.
SHOWN = 0.9


def new_axes(projection: str | None = None) -> Axes:
    """Axes on a figure of their own, one column wide; ``3d`` for three dimensions."""
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


def write_legend(axes: Axes) -> None:
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


def judged(report: Report) -> list[ReportStructure]:
    """The structures that have an energy."""
    return [one for one in report.structures if one.energy is not None and not one.failure]


def energy_of(one: ReportStructure) -> float:
    """The energy that figures show, eV/atom: above the hull where that is known."""
    value = one.energy if one.above is None else one.above
    assert value is not None, "those without an energy are not drawn"
    return value


def energy_label(report: Report) -> str:
    """Its name for an axis."""
    above = any(one.above is not None for one in judged(report))
    return f"${report.symbol}_d$ (eV/atom)" if above else f"${report.symbol}$ (eV/atom)"
