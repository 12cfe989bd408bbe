"""Whether stated probabilities are frequencies: reliability diagrams and the calibration error.

Of the statements to which a probability p was given, a share p should be true. Statements are put
into bins by their p, and what was said is compared with what was so in each (DeGroot and Fienberg,
The Statistician 32, 12, 1983; Guo et al., ICML 2017, Section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from gencsp.errors import RequestError
from gencsp.io.figures import figure_of_one, save_figure
from gencsp.measure.statistics import share

#: Ends of five bins of equal width.
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Bin(TypedDict):
    """What was said between two probabilities, and what was so.

    ``said`` is the mean of the probabilities; ``right`` has ``share``, ``low`` and ``high`` (95 %,
    Wilson), ``successes`` and ``trials``.
    """

    low: float
    high: float
    said: float
    right: dict[str, float]


def reliability(
    said: Sequence[float], right: Sequence[bool], *, edges: Sequence[float] = EDGES
) -> list[Bin]:
    """What was said and what was so, in bins of what was said.

    Args:
        said: probabilities.
        right: whether each statement was true.
        edges: ends of the bins, ascending from 0 to 1; a lower end belongs to its bin, 1 to the
            last.

    Returns:
        The bins that are not empty.

    Raises:
        RequestError: not as many of one as of the other, or a probability outside of 0 to 1.
    """
    values, truth = _checked(said, right)
    return [
        {
            "low": low,
            "high": high,
            "said": float(values[mine].mean()),
            "right": share(int(truth[mine].sum()), int(mine.sum())),
        }
        for low, high, mine in _bins(values, edges)
    ]


def calibration_error(
    said: Sequence[float], right: Sequence[bool], *, edges: Sequence[float] = EDGES
) -> float | None:
    """Mean distance of what was said from what was so, over bins weighted by their size.

    The expected calibration error of Guo et al. (2017), eq. 5. It is above zero by chance alone,
    the more so the fewer statements there are.

    Args:
        said: probabilities.
        right: whether each statement was true.
        edges: as for :func:`reliability`.

    Returns:
        The error, from 0 to 1; ``None`` where nothing was said.

    Raises:
        RequestError: as :func:`reliability`.
    """
    values, truth = _checked(said, right)
    if not len(values):
        return None
    apart = sum(abs(values[mine].sum() - truth[mine].sum()) for _, _, mine in _bins(values, edges))
    return float(apart / len(values))


def draw_reliability(bins: Sequence[Bin], path: Path) -> list[Path]:
    """A reliability diagram: what was so, with its intervals, over what was said.

    Args:
        bins: of :func:`reliability`.
        path: without an ending: one file of each of :data:`gencsp.io.figures.FORMATS`.

    Returns:
        The files that were written.
    """
    figure, axes = figure_of_one(4.0, 4.0)
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=0.8)
    shares = np.array([one["right"]["share"] for one in bins])
    below = shares - [one["right"]["low"] for one in bins]
    above = np.array([one["right"]["high"] for one in bins]) - shares
    axes.errorbar([one["said"] for one in bins], shares, yerr=[below, above], fmt="o-", capsize=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="said probability", ylabel="share that was right")
    return save_figure(figure, path)


def _checked(
    said: Sequence[float], right: Sequence[bool]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, truth = np.asarray(said, dtype=np.float64), np.asarray(right, dtype=bool)
    if len(values) != len(truth):
        raise RequestError(
            f"{len(values)} probabilities and {len(truth)} outcomes: give one for each."
        )
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise RequestError("a probability lies between 0 and 1.")
    return values, truth


def _bins(
    values: NDArray[np.float64], edges: Sequence[float]
) -> Iterator[tuple[float, float, NDArray[np.bool_]]]:
    """Ends of each bin, and which values are in it; empty ones are left out."""
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    for k in np.unique(place):
        yield float(edges[k]), float(edges[k + 1]), place == k
