"""What a suite comes to: values of each crystal, and measures of all of them with intervals."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from gencsp.measure.statistics import BOOTSTRAP, bootstrap_interval, wilson_of_mean
from gencsp.records.html import html_table
from gencsp.store.base import Finished

#: What a record says of the intervals of shares here.
WILSON = "95 %, Wilson score at the number of compositions, of shares (seeds averaged)"
INTERVALS = (WILSON, f"{BOOTSTRAP} (compositions drawn anew, seeds averaged)")
#: How values become one number: the share of what is true, the mean, or the median, in which a
#: value that is not there counts as more than all others (a search that found nothing). A "whole"
#: is a number of all crystals together, such as a distance of distributions: the task makes it.
Kind = Literal["share", "mean", "median", "whole"]
#: Value, low and high end of the interval, and number of crystals.
Number = Mapping[str, float | None]
#: The number of what nothing was measured of.
NOTHING: Number = MappingProxyType({"value": None, "low": None, "high": None, "n": 0})
#: Titles of the table of numbers.
TITLES = ("measure", "value", "95 % interval", "n")
#: Name of the table that compares what proposals say of themselves with what is so.
CONFIDENCE = "confidence"
#: Stands for "more than all others" where medians are computed.
_MORE = 1e100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured.

    Attributes:
        name: unique in a suite.
        kind: see :data:`Kind`.
        unit: of the number; empty for shares and numbers without one.
        better: whether "higher" or "lower" is better, or "" where neither is.
    """

    name: str
    kind: Kind
    unit: str = ""
    better: Literal["higher", "lower", ""] = "higher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured on one crystal or composition, with one seed.

    Attributes:
        key: of the crystal, the same in every run of the suite.
        seed: of the random numbers.
        values: by the names of measures; 0 or 1 for shares, ``None`` where there is none.
    """

    key: str
    seed: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """All that came of a suite; shown as the table of its numbers.

    Attributes:
        measures: in the order of the table.
        rows: of crystals and seeds.
        sample_size: how many of what the numbers rest on.
        protocol: what one must know to measure again, beside the suite and the deck.
        failures: how many structures failed, by reason.
        tables: others that the task has, by name.
        wholes: the numbers of measures that are wholes, by name.
    """

    measures: tuple[Measure, ...]
    rows: tuple[Row, ...]
    sample_size: Mapping[str, int]
    protocol: Mapping[str, Any]
    failures: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    wholes: Mapping[str, Number] = field(default_factory=dict)

    def numbers(self) -> dict[str, dict[str, float | None]]:
        """Value, interval and number of compositions of each measure."""
        return {
            one.name: dict(self.wholes.get(one.name, NOTHING))
            if one.kind == "whole"
            else number_of(one, self.rows)
            for one in self.measures
        }

    def table(self) -> list[tuple[str, str, str, str]]:
        """Its numbers as text: measure, value, 95 % interval, crystals."""
        numbers = self.numbers()
        return [
            (
                one.name,
                shown(numbers[one.name]["value"], one),
                shown_interval(numbers[one.name], one),
                str(numbers[one.name]["n"]),
            )
            for one in self.measures
        ]

    def __repr__(self) -> str:
        lines = [
            f"{name}: {value} ({interval}), n = {n}" if interval else f"{name}: {value}, n = {n}"
            for name, value, interval, n in self.table()
        ]
        return "\n".join(["Outcome", *lines])

    def _repr_html_(self) -> str:
        sizes = ", ".join(f"{count} {name}" for name, count in self.sample_size.items())
        return html_table(TITLES, self.table(), right=TITLES[1:], caption=sizes)


def shown(value: float | None, measure: Measure) -> str:
    """A value as tables have it: shares in per cent."""
    if value is None:
        return "-"
    if measure.kind == "share":
        return f"{100 * value:.1f} %"
    return f"{value:.4g} {measure.unit}".rstrip()


def shown_interval(number: Mapping[str, float | None], measure: Measure) -> str:
    """The interval of a number, which may end beyond all that was found; empty where it has none.

    Args:
        number: with ``low`` and ``high``.
        measure: that it is of.
    """
    low, high = number["low"], number["high"]
    if low is None and high is None:
        return ""
    scale, style = (100, ".0f") if measure.kind == "share" else (1, ".4g")
    return " to ".join("more" if one is None else f"{scale * one:{style}}" for one in (low, high))


def failures_of(results: Mapping[str, Finished]) -> dict[str, int]:
    """What failed in all parts together, by reason."""
    total = Counter[str]()
    for finished in results.values():
        total.update(finished.failures)
    return dict(total)


def by_key(measure: str, rows: Sequence[Row]) -> dict[str, list[float | None]]:
    """The values of one measure, those of all seeds of a crystal together."""
    found: dict[str, list[float | None]] = defaultdict(list)
    for row in rows:
        if measure in row.values:
            found[row.key].append(row.values[measure])
    return dict(found)


def number_of(measure: Measure, rows: Sequence[Row]) -> dict[str, float | None]:
    """One number of many values, with its interval over the crystals.

    Args:
        measure: what and how.
        rows: crystals and seeds.

    Returns:
        ``value``, ``low``, ``high`` and ``n`` crystals that have a value; the value is ``None``
        where there is none, and where a median lies beyond what was found.
    """
    groups = by_key(measure.name, rows)
    if measure.kind == "median":
        return _median(list(groups.values()))
    known = [[v for v in values if v is not None] for values in groups.values()]
    means = [float(np.mean(values)) for values in known if values]
    if not means:
        return dict(NOTHING)
    value = float(np.mean(means))
    if measure.kind == "share":
        low, high = wilson_of_mean(value, len(means))
    else:
        low, high = bootstrap_interval(means, np.mean, rng=np.random.default_rng(0))
    return {"value": value, "low": low, "high": high, "n": len(means)}


def _median(groups: Sequence[Sequence[float | None]]) -> dict[str, float | None]:
    """Over all runs; the interval draws crystals anew, with all their seeds."""
    if not groups:
        return dict(NOTHING)
    filled = [[_MORE if v is None else v for v in values] for values in groups]

    def middle(chosen: np.ndarray) -> float:
        values = [v for k in chosen for v in filled[int(k)]]
        return float(np.quantile(values, 0.5, method="lower"))

    value = middle(np.arange(len(filled)))
    low, high = bootstrap_interval(
        range(len(filled)), middle, rng=np.random.default_rng(0), resamples=500
    )
    shown = [None if one >= _MORE or math.isnan(one) else one for one in (value, low, high)]
    return {"value": shown[0], "low": shown[1], "high": shown[2], "n": len(filled)}
