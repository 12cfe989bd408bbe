"""Tables of what suites come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.cli.console import say
from gencsp.cli.tables import add_row, print_table, table_of

if TYPE_CHECKING:
    from gencsp.suites.compare import Comparison, Difference
    from gencsp.suites.outcome import Outcome
    from gencsp.suites.suite import Suite


def print_measures(outcome: Outcome, suite: Suite) -> None:
    """Each measure with its interval, and published values of it beside."""
    from gencsp.suites.outcome import shown, shown_interval

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
            shown_interval(number, measure),
            number["n"],
            *beside,
        )
    print_table(table)


def print_comparison(comparison: Comparison) -> None:
    """Each measure that two runs have in common, with what the second has more or less."""
    from gencsp.suites.outcome import shown, shown_interval

    say(f"A: {comparison.first.path}")
    say(f"B: {comparison.second.path}")
    titles = ("measure", "A", "B", "B - A", "95 % interval", "B lower", "B higher", "n", "p")
    table = table_of(*titles, right=titles[1:])
    for one in comparison.differences:
        measure = one.measure
        difference = {"value": one.value, "low": one.low, "high": one.high}
        add_row(
            table,
            measure.name,
            shown(one.first, measure),
            shown(one.second, measure),
            _changed(one),
            shown_interval(difference, measure),
            one.lower,
            one.higher,
            one.n,
            "" if one.p is None else f"{one.p:.2g}",
        )
    print_table(table)
    for name, count in (("A", comparison.only_first), ("B", comparison.only_second)):
        if count:
            say(f"{count} crystals are in {name} alone, and count in none of these numbers")


def _changed(one: Difference) -> str:
    from gencsp.suites.outcome import shown

    if one.value is None:
        return "-"
    return f"{'+' if one.value > 0 else ''}{shown(one.value, one.measure)}"
