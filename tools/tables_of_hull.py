"""Tables of what the shipped hull knows, and of what CHGNet says of known phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from record_values import results, table


def coverage() -> str:
    """Stable compounds of the Materials Project that have a reference, by number of elements."""
    found = results("hull_coverage")["stable"]
    rows = [
        (group, f"{one['trials']:,}", f"{one['share']:.1%} ({one['low']:.1%}-{one['high']:.1%})")
        for group, one in found.items()
    ]
    return table(("compounds", "drawn", "with a reference"), rows)


def preferences() -> str:
    """Everyday compounds of which CHGNet puts another phase below the known one."""
    rows = [
        (
            one["formula"],
            one["name"],
            one["space_group"],
            one["lower_space_group"],
            f"{1000 * one['above_lowest']:.0f}",
        )
        for one in results("everyday_phases")["compounds"]
        if one["state"] == "another phase is lower"
    ]
    rows.sort(key=lambda row: -int(row[-1]))
    head = ("compound", "known as", "space group", "of the lower phase", "lower by (meV/atom)")
    return table(head, rows)


def unstable_everyday() -> str:
    """Everyday compounds whose known phase is the lowest of its formula, and not on the hull."""
    rows = [
        (one["formula"], one["name"], one["space_group"], f"{1000 * one['above_hull']:.0f}")
        for one in results("everyday_phases")["compounds"]
        if one["state"] == "lowest" and one["above_hull"] > 0.005
    ]
    rows.sort(key=lambda row: -int(row[-1]))
    return table(("compound", "known as", "space group", "E_d (meV/atom)"), rows)


def held_out() -> str:
    """E_d of held-out crystals to the former and the present table."""
    found = results("held_out_energies")

    def row(kind: str, given: str, which: str) -> tuple[str, ...]:
        one: dict[str, Any] = found[f"{which}, {kind}, {given}"]
        median, parts = one["median"], one["percentiles"]
        below = one["below"]["-0.01 eV/atom"]
        interval = f"{1000 * median['low']:.0f} to {1000 * median['high']:.0f}"
        return (
            kind,
            given,
            {"before": "17,439 rows", "shipped": "shipped"}[which],
            f"{1000 * median['value']:.0f} ({interval})",
            f"{1000 * parts['5']:.0f} to {1000 * parts['95']:.0f}",
            f"{below['share']:.1%} ({below['low']:.1%}-{below['high']:.1%})",
        )

    rows = [
        row(kind, given, which)
        for kind in ("stable", "unstable")
        for given in ("with its formula", "without its formula")
        for which in ("before", "shipped")
    ]
    head = (
        "crystals",
        "references",
        "table",
        "median E_d (meV/atom)",
        "5 to 95 % (meV/atom)",
        "below -10 meV/atom",
    )
    return table(head, rows)


def searched() -> str:
    """What short searches found of stable formulas that no source holds."""
    found = results("reference_search")
    rows = [
        (
            group,
            f"{one['trials']:,}",
            f"{one['share']:.1%} ({one['low']:.1%}-{one['high']:.1%})",
            f"{one['close to the table itself'] / one['trials']:.1%}",
            f"{one['median relaxations where found']:.0f}",
            f"{one['within 4 relaxations'] / one['successes']:.0%}",
        )
        for group, one in found.items()
        if isinstance(one, dict) and one["successes"]
    ]
    head = (
        "formulas",
        "searched",
        "found",
        "by the table's energy alone",
        "relaxations (median)",
        "within 4 relaxations, of those found",
    )
    return table(head, rows)


def acceptance() -> str:
    """Which relaxed crystals the rules of acceptance take for the known one."""
    rows = [
        (
            group[2:],
            f"{one['either']['trials']:,}",
            *(
                f"{one[rule]['share']:.0%}"
                for rule in ("close to the table", "close to what is expected", "either")
            ),
        )
        for group, one in results("formation_offsets")["accepted"].items()
    ]
    head = ("crystal", "number", "close to the table", "close to what is expected", "either")
    return table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "hull coverage": coverage,
    "everyday preferences": preferences,
    "everyday unstable": unstable_everyday,
    "held-out energies": held_out,
    "searched references": searched,
    "acceptance of found structures": acceptance,
}
