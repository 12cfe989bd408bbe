"""Plots of a funnel: how many structures survive, and distributions of values (PIGEN, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gencsp.filters.base import Filter, Window
from gencsp.filters.funnel import Judged
from gencsp.filters.prototypes import unmatched_shares
from gencsp.filters.summary import Summary
from gencsp.io.figures import figure_of_one, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Share of the values that an axis spans; the others are piled up at its ends.
SHOWN = (0.01, 0.99)
BINS = 40
#: The filter whose values are ranks of prototypes.
RANKED = "prototypes"
PASSED, FELL = "#2b6cb0", "#cbd5e0"


class Distributions:
    """The values of each filter, gathered as a pool passes.

    Args:
        filters: of the funnel.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.quantities = {one.name: one.quantity for one in filters}
        self.values: dict[str, list[float]] = {one.name: [] for one in filters}
        self.windows: dict[str, Window] = {}

    def add(self, judged: Judged) -> None:
        """Take the values of one structure."""
        for verdict in judged.verdicts:
            self.values[verdict.name].append(verdict.value)
            self.windows[verdict.name] = verdict.threshold

    def draw(self, folder: Path) -> list[Path]:
        """Write a PNG for each filter that measured something; returns their paths.

        ``prototypes`` has a second one: the share of structures that match none of the first N.
        """
        written = []
        for name, values in self.values.items():
            if name == RANKED and values:
                written.append(_draw_unmatched(values, self.windows[name], folder))
            finite = np.array([v for v in values if np.isfinite(v)])
            if len(finite) == 0:
                continue
            figure, axes = figure_of_one(4.5, 3.0)
            _histogram(axes, finite, self.windows[name])
            axes.set_xlabel(self.quantities[name])
            axes.set_ylabel("structures")
            axes.set_title(f"{name}: {len(finite)} structures", fontsize="medium")
            written.append(_save(figure, folder / f"{name}.png"))
        return written


def draw_survival(summary: Summary, path: Path) -> Path:
    """Bar chart of the structures that pass each filter alone, and that are left after it."""
    stages = summary.stages
    figure, axes = figure_of_one(1.5 + 1.1 * len(stages), 3.2)
    places = np.arange(len(stages))
    total = max(summary.structures, 1)
    alone = [100 * stage.passed / max(stage.judged, 1) for stage in stages]
    left = [100 * stage.in_sequence / total for stage in stages]
    axes.bar(places - 0.2, alone, 0.4, color=FELL, label="alone, of those judged")
    axes.bar(places + 0.2, left, 0.4, color=PASSED, label="one after the other, of all")
    for place, share in zip(places, left, strict=True):
        axes.annotate(f"{share:.3g}", (place + 0.2, share), ha="center", va="bottom", fontsize=8)
    axes.set_xticks(places, [s.name.replace("_", "\n") for s in stages], fontsize=8)
    axes.set_ylabel("passed (%)")
    axes.set_ylim(0, 112)
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    axes.set_title(f"{summary.structures} structures", fontsize="medium")
    return _save(figure, path)


def draw_curves(
    curves: Mapping[str, Sequence[float]], path: Path, *, xlabel: str, ylabel: str
) -> Path:
    """Lines over 0, 1, 2, …: such as the share of unmatched structures over top-N prototypes."""
    figure, axes = figure_of_one(5.0, 3.4)
    for name, values in curves.items():
        axes.plot(range(len(values)), values, label=name)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(fontsize=8, frameon=False)
    return _save(figure, path)


def _draw_unmatched(ranks: Sequence[float], window: Window, folder: Path) -> Path:
    """PIGEN, Fig. 3d; the window begins one behind the last prototype that counts."""
    shares = unmatched_shares(ranks, top=round(window[0]) - 1)
    curve = {f"{len(ranks)} structures": [100 * share for share in shares]}
    path = folder / f"{RANKED}_unmatched.png"
    return draw_curves(curve, path, xlabel="first N prototypes", ylabel="not matched (%)")


def _histogram(axes: Axes, values: np.ndarray, window: Window) -> None:
    bounds = [b for b in window if np.isfinite(b)]
    low = min([float(np.quantile(values, SHOWN[0])), *bounds])
    high = max([float(np.quantile(values, SHOWN[1])), *bounds])
    margin = 0.05 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    inside = np.clip(values, edges[0], edges[-1])
    passed = (window[0] <= values) & (values <= window[1])
    parts = [inside[passed], inside[~passed]]
    axes.hist(parts, bins=edges.tolist(), stacked=True, color=[PASSED, FELL])
    for bound in bounds:
        axes.axvline(bound, color="black", linewidth=0.8, linestyle="--")


def _save(figure: Figure, path: Path) -> Path:
    (file,) = save_figure(figure, path.with_suffix(""), [path.suffix[1:]])
    return file
