"""How generated crystals are distributed, and what moved them: the figures of PIGEN as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from math import sqrt

import numpy as np
from scipy.stats import spearmanr

from gencsp.errors import RequestError
from gencsp.measure.statistics import bootstrap_interval, wilson_interval


def histogram(values: Sequence[float], edges: Sequence[float]) -> dict[str, object]:
    """Shares of values between edges (PIGEN, Fig. 3a and Extended Data Fig. 1b).

    Args:
        values: of crystals; those that are not a number are left out.
        edges: ascending; a value on an edge belongs to the bin above it, one on the last edge to
            the last bin.

    Returns:
        ``n`` values, ``edges``, ``shares`` of all of them in each bin, and outside, ``below`` and
        ``above``.
    """
    known = _known(values)
    counts, _ = np.histogram(known, np.asarray(edges, dtype=float))
    n = max(len(known), 1)
    return {
        "n": len(known),
        "edges": [float(edge) for edge in edges],
        "shares": [float(count / n) for count in counts],
        "below": float((known < edges[0]).sum() / n),
        "above": float((known > edges[-1]).sum() / n),
    }


def overlaps(passed: Mapping[str, Sequence[bool]]) -> dict[str, int]:
    """Crystals in every region of a Venn diagram (PIGEN, Fig. 3b).

    Args:
        passed: what each criterion says of the same crystals, in the same order.

    Returns:
        For each combination such as ``"A & B"`` how many crystals pass these criteria and no
        other; ``"none"`` for those that pass none.

    Raises:
        RequestError: the criteria judged different numbers of crystals.
    """
    if len({len(one) for one in passed.values()}) > 1:
        raise RequestError("every criterion must have judged the same crystals.")
    names, rows = list(passed), list(zip(*passed.values(), strict=True))
    found: dict[str, int] = {}
    for region in product((True, False), repeat=len(names)):
        name = " & ".join(n for n, inside in zip(names, region, strict=True) if inside)
        found[name or "none"] = sum(tuple(map(bool, row)) == region for row in rows)
    return found


def binned_medians(
    x: Sequence[float], y: Sequence[float], edges: Sequence[float]
) -> list[dict[str, float]]:
    """Median and quartiles of y by bins of x (PIGEN, Fig. 3c); empty bins are left out.

    A value on an edge belongs to the bin above it. Pairs of which one is not a number are left out.
    """
    a, b = _pairs(x, y)
    found = []
    for low, high in pairwise(edges):
        some = b[(a >= low) & (a < high)]
        if len(some):
            first, middle, third = np.quantile(some, (0.25, 0.5, 0.75))
            found.append(
                {
                    "low": float(low),
                    "high": float(high),
                    "n": len(some),
                    "first_quartile": float(first),
                    "median": float(middle),
                    "third_quartile": float(third),
                }
            )
    return found


def rank_correlation(
    x: Sequence[float], y: Sequence[float], *, rng: np.random.Generator
) -> dict[str, float]:
    """Spearman's ρ with its 95 % bootstrap interval (PIGEN, Fig. 3c and Extended Data Fig. 1a).

    Pairs of which one is not a number are left out.
    """
    a, b = _pairs(x, y)

    def of(places: np.ndarray) -> float:
        chosen = places.astype(int)
        return float(spearmanr(a[chosen], b[chosen]).statistic)

    low, high = bootstrap_interval(list(range(len(a))), of, rng=rng, resamples=500)
    return {"rho": of(np.arange(len(a))), "low": low, "high": high, "n": len(a)}


def greatest_of_stable(
    diversity: Sequence[float], above_hull: Sequence[float], *, threshold: float = 0.05
) -> float | None:
    """F of PIGEN's Tables 1 and 2: the greatest M_LED within ``threshold`` of the hull.

    Args:
        diversity: M_LED of each crystal, bits.
        above_hull: eV/atom; not a number where it is not known.
        threshold: eV/atom, which is not within itself.

    Returns:
        Bits; ``None`` where no crystal is so near.
    """
    near = [d for d, e in zip(diversity, above_hull, strict=True) if e < threshold]
    return max(near, default=None)


def difference_interval(
    successes: int, trials: int, other_successes: int, other_trials: int
) -> tuple[float, float]:
    """95 % interval of the difference of two independent shares, the first less the second.

    R. G. Newcombe, Stat. Med. 17, 873 (1998), method 10: from the Wilson intervals of both.
    """
    first, second = successes / trials, other_successes / other_trials
    low, high = wilson_interval(successes, trials)
    low_2, high_2 = wilson_interval(other_successes, other_trials)
    d = first - second
    return (
        d - sqrt((first - low) ** 2 + (high_2 - second) ** 2),
        d + sqrt((high - first) ** 2 + (second - low_2) ** 2),
    )


#: A share: successes and trials.
Counted = tuple[int, int]


def what_moved(
    none: Counted, sizes: Counted, guidance: Counted, both: Counted
) -> dict[str, object]:
    """Take the effect of a target apart into that of cell sizes and that of guidance.

    Args:
        none: crystals that have the property, and all, without targets.
        sizes: the same where only the numbers of atoms were drawn given the targets.
        guidance: where only the network was guided, numbers of atoms as in training.
        both: with both.

    Returns:
        ``sizes``, ``guidance`` and ``both``: difference from ``none`` with its interval; and
        ``moved_by``: the names of those single parts whose interval excludes zero, "sizes and
        guidance", or "neither".
    """
    found: dict[str, object] = {}
    moved = []
    for name, (successes, trials) in (("sizes", sizes), ("guidance", guidance), ("both", both)):
        low, high = difference_interval(successes, trials, *none)
        found[name] = {
            "difference": successes / trials - none[0] / none[1],
            "low": low,
            "high": high,
        }
        if name != "both" and (low > 0 or high < 0):
            moved.append(name)
    found["moved_by"] = " and ".join(moved) or "neither"
    return found


def _known(values: Sequence[float]) -> np.ndarray:
    given = np.asarray(values, dtype=float)
    return np.asarray(given[~np.isnan(given)])


def _pairs(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = ~(np.isnan(a) | np.isnan(b))
    return a[known], b[known]
