"""Tables of phases and volumes under pressure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from record_values import number, results, table

#: Pressures of the table, GPa.
SHOWN = {"SiO2": (0, 4, 20, 60, 120), "MgSiO3": (0, 25, 50, 120), "C": (0, 4, 10, 20)}
#: Ways to predict a volume, and what the table calls them.
WAYS = {
    "without pressure": "the volume at no pressure",
    "equation of state": "`volume_under`, the equation of state",
    "scaled by the references": "shrunk as the references at the pressure",
    "of the references": "the volume of the references",
    "denser of both": "the smaller one of that and the equation of state's: searches",
}


def phases() -> str:
    """Enthalpies above the lowest phase, at the pressures that each system is known at."""
    rows = []
    for formula, system in results("pressure")["systems"].items():
        for name, found in system["phases"].items():
            cells = [_above(system, found, pressure) for pressure in SHOWN[formula]]
            kept = found["space_group"][0] == system["expected_space_groups"][name]
            group = str(found["space_group"][0]) + ("" if kept else " (relaxed)")
            rows.append((formula, name, group, "; ".join(cells)))
    return table(("", "phase", "space group at no pressure", "meV/atom above the lowest"), rows)


def _above(system: Mapping[str, Any], found: Mapping[str, Any], pressure: float) -> str:
    k = system["pressures"].index(pressure)
    if k >= len(found["enthalpy"]):
        return f"{pressure:g} GPa: none"
    floor = min(row["enthalpy"][k] for row in system["phases"].values() if k < len(row["enthalpy"]))
    return f"{pressure:g} GPa: {number(1000 * (found['enthalpy'][k] - floor), '.0f')}"


def transitions() -> str:
    rows = []
    for formula, system in results("pressure")["systems"].items():
        for one in system["transitions"]:
            low, high = one["experiment"]
            chgnet = one["chgnet"]
            said = chgnet if isinstance(chgnet, str) else number(chgnet, ".1f")
            names = f"{one['from']} to {one['to']}"
            rows.append((formula, names, said, f"{low:g}-{high:g}", one["source"]))
    return table(("", "transition", "CHGNet, GPa", "experiment, GPa", "source"), rows)


def volumes() -> str:
    errors = results("pressure")["volumes"]["errors"]
    rows = [
        (
            title,
            number(errors[way]["mean_absolute"], ".1%"),
            number(errors[way]["largest"], ".1%"),
        )
        for way, title in WAYS.items()
    ]
    return table(("predicted by", "mean error", "largest error"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "phases under pressure": phases,
    "transitions under pressure": transitions,
    "volumes under pressure": volumes,
}
