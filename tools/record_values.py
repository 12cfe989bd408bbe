"""Numbers of records and cards, found by their place and written as the documents write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
#: Between the keys of a place, and between a place and the form of its number.
SEPARATOR, FORM, RATIO = " / ", " | ", " over "


@cache
def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text("utf-8"))


def results(name: str) -> Any:
    """The numbers of a record of ``benchmarks/results``."""
    return read(RESULTS / f"{name}.json")["results"]


def protocol(name: str) -> Any:
    """The protocol of a record of ``benchmarks/results``."""
    return read(RESULTS / f"{name}.json")["protocol"]


def at(content: Any, place: str) -> Any:
    """What stands at a place: keys, places in a list, or ``key=value`` of a list's entry.

    Raises:
        LookupError: nothing stands there.
    """
    for key in place.split(SEPARATOR):
        content = _step(content, key)
    return content


def _step(content: Any, key: str) -> Any:
    if isinstance(content, Mapping):
        return content[key]
    if key.lstrip("-").isdigit():
        return content[int(key)]
    wanted = dict(pair.split("=", 1) for pair in key.split(", "))
    for entry in content:
        if all(str(entry[name]) == value for name, value in wanted.items()):
            return entry
    raise LookupError(f"no entry with {key}")


def quoted(content: Any, address: str) -> str:
    """The text of a number by its address: ``PLACE | FORM`` or ``PLACE over PLACE | FORM``.

    FORM is a format of Python (``.1f``, ``,d``, ``.0%``), with ``xNUMBER`` or ``/NUMBER`` before it
    where units change; or of a share ``of`` (3 of 4), ``of with interval``, ``share``
    (75.0 % (30-95)) or ``interval``; or ``range FORMAT`` of two numbers; or ``s`` of a text.

    Raises:
        LookupError: nothing stands at the place.
    """
    place, form = address.rsplit(FORM, 1)
    values = [at(content, one) for one in place.split(RATIO)]
    value = values[0] if len(values) == 1 else values[0] / values[1]
    if form == "of":
        return of(value)
    if form == "of with interval":
        return of_with_interval(value)
    if form == "share":
        return f"{percent(value)} % ({percents(value)})"
    if form == "interval":
        return f"{percents(value)} %"
    scale, spec = _scale(form)
    if spec.startswith("range "):
        return span(value, spec.removeprefix("range "), scale)
    if spec == "s":
        return str(value)
    return number(value, spec, scale)


def _scale(form: str) -> tuple[float, str]:
    if form[0] not in "x/":
        return 1.0, form
    factor, spec = form[1:].split(" ", 1)
    return (float(factor) if form[0] == "x" else 1 / float(factor)), spec


def number(value: float, spec: str, scale: float = 1.0) -> str:
    """A number in a format of Python; a space before the per cent sign."""
    if spec.endswith("d"):
        whole = value * scale
        if whole != int(whole):
            raise ValueError(f"{whole} is no whole number")
        return format(int(whole), spec)
    return format(value * scale, spec).replace("%", " %")


def of(share: Mapping[str, Any]) -> str:
    """``3 of 4``."""
    return f"{share['successes']:,.0f} of {share['trials']:,.0f}"


def percents(share: Mapping[str, Any]) -> str:
    """The interval of a share in whole per cent, without the sign: ``30-95``."""
    return f"{100 * share['low']:.0f}-{100 * share['high']:.0f}"


def of_with_interval(share: Mapping[str, Any]) -> str:
    """``3 of 4 (30-95 %)``."""
    return f"{of(share)} ({percents(share)} %)"


def percent(share: Mapping[str, Any], digits: int = 1) -> str:
    """A share in per cent, without the sign; also where a suite calls it its value."""
    return number(share["share"] if "share" in share else share["value"], f".{digits}f", 100)


def span(bounds: Sequence[float | None], spec: str, scale: float = 1.0) -> str:
    """``low-high``, or ``from low`` where there is no upper bound."""
    low, high = bounds
    if low is None:
        raise ValueError("no lower bound")
    return (
        f"from {number(low, spec, scale)}"
        if high is None
        else f"{number(low, spec, scale)}-{number(high, spec, scale)}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [_line(head), "|" + "---|" * len(head), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    """A line; bars within cells are escaped, as in the name of a condition: model | target."""
    escaped = (str(cell).replace("|", "\\|") if cell else "" for cell in cells)
    return "".join(f"| {cell} " if cell else "| " for cell in escaped) + "|"
