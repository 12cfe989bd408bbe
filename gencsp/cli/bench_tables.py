"""Tables of what suites come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gencsp.cli.tables import add_row, print_table, table_of

if TYPE_CHECKING:
    from gencsp.suites.outcome import Measure, Outcome
    from gencsp.suites.suite import Suite

Number = Mapping[str, float | None]


def print_measures(outcome: Outcome, suite: Suite) -> None:
    """Each measure with its interval, and published values of it beside."""
    rows = [one for one in suite.published if any(m.name in one.values for m in outcome.measures)]
    titles = ("measure", "here", "95 % interval", "n", *(one.name for one in rows))
    table = table_of(*titles, right=titles[1:])
    numbers = outcome.numbers()
    for measure in outcome.measures:
        number = numbers[measure.name]
        beside = (shown(one.values.get(measure.name), measure) for one in rows)
        add_row(
            table,
            measure.name,
            shown(number["value"], measure),
            _interval(number, measure),
            number["n"],
            *beside,
        )
    print_table(table)


def shown(value: float | None, measure: Measure) -> str:
    """A value as the table has it: shares in per cent."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if measure.kind == "share" else f"{value:.4g} {measure.unit}"


def _interval(number: Number, measure: Measure) -> str:
    low, high = number["low"], number["high"]
    if low is None and high is None:
        return ""
    scale, style = (100, ".0f") if measure.kind == "share" else (1, ".4g")
    return " to ".join("more" if one is None else f"{scale * one:{style}}" for one in (low, high))
