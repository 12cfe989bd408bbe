"""Tables of suites that measure several rows of their own: PIGEN's tables and CHGGen's cycles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from record_values import RESULTS, number, read, table

Record = Mapping[str, Any]
#: Filters of PIGEN's tables, and levels above the hull in eV/atom.
FILTERS = ("A'", "A", "B", "C", "D", "K", "A-D")
LEVELS = tuple(f"A-E, {level} meV/atom" for level in (100, 50, 35, 25))
OUTSIDE = "outside the first 100 prototypes"


def _rows_of(record: Record) -> list[str]:
    return list(dict.fromkeys(name.rpartition(": ")[0] for name in record["results"]["measures"]))


def _share(record: Record, row: str, measure: str, *, interval: bool = True) -> str:
    """In per cent, with its interval, and what was published in square brackets."""
    name = f"{row}: {measure}"
    found = record["results"]["measures"].get(name)
    if found is None or not found["n"]:
        return ""
    text = number(found["value"], ".1f", 100)
    if interval:
        text += f" ({number(found['low'], '.0f', 100)}-{number(found['high'], '.0f', 100)})"
    published = _published(record).get(name)
    return text if published is None else f"{text} [{number(published, '.1f', 100)}]"


def _published(record: Record) -> Mapping[str, float]:
    rows = record["results"]["published"]
    values: Mapping[str, float] = rows[0]["values"] if rows else {}
    return values


def _near_hull(record: Record, row: str) -> str:
    measures, published = record["results"]["measures"], _published(record)
    ours = " / ".join(number(measures[f"{row}: {one}"]["value"], ".1f", 100) for one in LEVELS)
    theirs = [published.get(f"{row}: {one}") for one in LEVELS]
    if None in theirs:
        return ours
    return f"{ours} [{' / '.join(number(one or 0.0, '.1f', 100) for one in theirs)}]"


def funnel() -> str:
    record = read(RESULTS / "suite_pigen-funnel_pigen.json")
    rows = [
        (row, *(_share(record, row, one) for one in FILTERS), _near_hull(record, row))
        for row in _rows_of(record)
    ]
    return table(("row", *FILTERS, "A-E"), rows)


def novelty() -> str:
    record = read(RESULTS / "suite_pigen-funnel_pigen.json")
    measures, published = record["results"]["measures"], _published(record)
    rows = []
    for row in _rows_of(record):
        greatest = measures[f"{row}: F"]["value"]
        paper = published.get(f"{row}: F")
        found = "-" if greatest is None else number(greatest, ".1f")
        rows.append(
            (
                row,
                _share(record, row, OUTSIDE),
                found if paper is None else f"{found} [{number(paper, '.1f')}]",
                _share(record, row, "unique"),
                _share(record, row, "stable and novel"),
                _share(record, row, "S.U.N."),
            )
        )
    head = ("row", "outside 100, %", "F, bits", "unique, %", "stable and novel, %", "S.U.N., %")
    return table(head, rows)


def parts() -> str:
    record = read(RESULTS / "suite_pigen-parts_pigen.json")
    columns = ("A", "B", "C", "D", "K", "A-D", LEVELS[1])
    rows = [(row, *(_share(record, row, one) for one in columns)) for row in _rows_of(record)]
    return table(("row", *columns[:-1], "A-E, 50 meV"), rows)


def cycles() -> str:
    record = read(RESULTS / "suite_chggen_score.json")
    results, published = record["results"], _published(record)
    columns = list(dict.fromkeys(name.rpartition(": ")[2] for name in results["measures"]))

    def cell(row: str, column: str) -> str:
        name = f"{row}: {column}"
        found = results["measures"].get(name)
        if found is None or not found["n"]:
            return ""
        if results["kinds"][name] == "share":
            return _share(record, row, column)
        text = number(found["value"], ".3g")
        if found["low"] is not None:
            text += f" ({number(found['low'], '.3g')} to {number(found['high'], '.3g')})"
        paper = published.get(name)
        return text if paper is None else f"{text} [{number(paper, '.3g')}]"

    rows = _rows_of(record)
    return table(("", *rows), [(one, *(cell(row, one) for row in rows)) for one in columns])


#: Suites that have tables of their own here.
OWN = frozenset({"chggen", "pigen-funnel", "pigen-parts"})
TABLES: dict[str, Callable[[], str]] = {
    "cycles": cycles,
    "funnel": funnel,
    "novelty of rows": novelty,
    "parts of targets": parts,
}
