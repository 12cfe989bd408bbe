"""Tables of guests in hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from record_values import number, results, table


def guests_in_hosts() -> str:
    """Voltage and volume of each host beside the measured ones."""
    rows = []
    for name, found in results("intercalation").items():
        steps = ", ".join(
            f"{number(step['voltage'], '.2f')} ({step['x_first']:g}-{step['x_last']:g})"
            for step in found["voltage"]
        )
        rows.append(
            (
                name,
                number(found["average_voltage"], ".2f"),
                steps,
                _measured(found["measured"], "average_voltage", ".2f"),
                number(found["volume_change"], "+.1%"),
                _measured(found["measured"], "volume_change", "+.1%"),
            )
        )
    titles = ("", "voltage, V", "plateaus, V (x)", "measured, V", "volume", "measured volume")
    return table(titles, rows)


def _measured(measured: Mapping[str, Any], key: str, form: str) -> str:
    if key not in measured:
        return "-"
    one = measured[key]
    return f"{number(one['value'], form)} ({one['range']}; {one['source']})"


def choice_of_orders() -> str:
    """What each way to choose finds of all orders, for as many cells as it may take."""
    taken = ("1", "2", "4")
    rows = []
    for name, found in results("order_choice").items():
        ways = [found.get(way) for way in ("random", "ewald", "potential")]
        rows.append(
            (
                name,
                str(found["orders"]),
                number(found["spread_mev"], ".0f"),
                *("-" if way is None else ", ".join(number(way[n], ".1f") for n in taken)
                  for way in ways),
                number(found["seconds_single_points"], ".1f"),
                number(found["seconds_relaxations"], ".0f"),
            )
        )  # fmt: skip
    titles = (
        "",
        "orders",
        "highest",
        "at random: 1, 2, 4",
        "Ewald: 1, 2, 4",
        "potential: 1, 2, 4",
        "single points, s",
        "relaxations, s",
    )
    return table(titles, rows)


TABLES: dict[str, Callable[[], str]] = {
    "guests in hosts": guests_in_hosts,
    "choice of orders": choice_of_orders,
}
