"""Figures of matplotlib: made without a window system, and written in the same way everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: One file of each.
FORMATS = ("png", "svg", "pdf")
#: Of files that consist of pixels, 1/inch.
RESOLUTION = 150


def empty_figure(width: float, height: float) -> Figure:
    """A figure without axes, its layout kept free of overlaps.

    Args:
        width: inches.
        height: inches.
    """
    # Without pyplot, so that no window system is needed and no figure stays in memory.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def figure_of_one(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; sizes in inches."""
    figure = empty_figure(width, height)
    return figure, figure.add_subplot()


def save_figure(figure: Figure, path: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure; its folder is made where there is none.

    Args:
        figure: is laid out by this, and should not be changed afterwards.
        path: without an ending.
        formats: endings, one file of each.

    Returns:
        The files that were written.
    """
    from matplotlib import rc_context

    path.parent.mkdir(parents=True, exist_ok=True)
    # Laid out once, and not again for each file.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    written = []
    # Text stays text, to be edited and searched for.
    with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        for ending in formats:
            file = path.with_name(f"{path.name}.{ending}")
            figure.savefig(file, dpi=RESOLUTION)
            written.append(file)
    return written
