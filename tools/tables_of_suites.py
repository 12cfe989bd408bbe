"""Tables of what benchmark suites came to, each beside what was published on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from record_values import RESULTS, number, of_with_interval, read, table
from tables_of_rows import OWN

from gencsp.suites.outcome import CONFIDENCE
from gencsp.suites.suite import Suite, suite_names

#: Records of suites: ``suite_SUITE_LABEL.json``.
PREFIX = "suite_"
Record = Mapping[str, Any]


def records() -> dict[str, list[Record]]:
    """The records of each suite, by its name."""
    found: dict[str, list[Record]] = {}
    for path in sorted(RESULTS.glob(f"{PREFIX}*.json")):
        record = read(path)
        found.setdefault(record["protocol"]["suite"], []).append(record)
    return found


def suite_table(name: str) -> str:
    """Measures of a suite: a column for each record, and one for each published row."""
    mine = records()[name]
    measures = list(dict.fromkeys(m for record in mine for m in record["results"]["measures"]))
    published = [
        row
        for row in mine[0]["results"]["published"]
        if any(measure in row["values"] for measure in measures)
    ]
    titles = ("", *map(_label, mine), *(row["name"] for row in published))
    rows = [
        (
            measure,
            *(_here(record, measure) for record in mine),
            *(_shown(row["values"].get(measure), _kind(mine, measure)) for row in published),
        )
        for measure in measures
    ]
    return table(titles, rows)


def _label(record: Record) -> str:
    run = record["protocol"]["run"]
    made_by = ", ".join(str(run[key]) for key in ("method", "proposer") if run.get(key))
    size = record["sample_size"]
    n = next(iter(size.values()))
    seeds = size.get("seeds", 1)
    return f"{made_by} ({n}{f' x {seeds} seeds' if seeds > 1 else ''})"


def _kind(mine: Sequence[Record], measure: str) -> str:
    kinds = (record["results"]["kinds"].get(measure) for record in mine)
    return str(next(kind for kind in kinds if kind))


def _here(record: Record, measure: str) -> str:
    found = record["results"]["measures"].get(measure)
    if found is None:
        return ""
    kind = record["results"]["kinds"][measure]
    low, high = (_shown(found[end], kind, unit=False) for end in ("low", "high"))
    if not found["n"]:
        return "-"
    value = _shown(found["value"], kind)
    return value if found["low"] is None else f"{value} ({low}-{high})"


def _shown(value: float | None, kind: str, *, unit: bool = True) -> str:
    if value is None:
        return "-"
    if kind == "share":
        return f"{number(value, '.1f' if unit else '.0f', 100)}{' %' if unit else ''}"
    return number(value, ".3g")


def reliability() -> str:
    """What first proposals say of themselves and how often they are right."""
    bins = {
        title: read(RESULTS / f"{PREFIX}{record}.json")["results"][CONFIDENCE]
        for record, title in CONFIDENT.items()
    }
    edges = sorted({(one["low"], one["high"]) for found in bins.values() for one in found})
    rows = [
        (
            f"{number(low, '.1f')} to {number(high, '.1f')}",
            *(
                next((_said_and_right(one) for one in found if one["low"] == low), "")
                for found in bins.values()
            ),
        )
        for low, high in edges
    ]
    return table(("said", *(f"{title}: mean said, right" for title in bins)), rows)


def _said_and_right(one: Mapping[str, Any]) -> str:
    return f"{number(one['said'], '.2f')}, {of_with_interval(one['right'])}"


def at_a_glance() -> str:
    """What the default proposer comes to on some suites, each beside all that is published."""
    rows = []
    for (suite, title), measures in GLANCE.items():
        record = read(RESULTS / f"{PREFIX}{suite}_mixed.json")
        for measure in measures:
            published = [
                f"{row['name']} {_shown(row['values'][measure], _kind([record], measure))}"
                for row in record["results"]["published"]
                if measure in row["values"]
            ]
            rows.append((title, measure, _here(record, measure), ", ".join(published)))
            title = ""
    return table(("benchmark", "", "gencsp", "published"), rows)


def catalogue() -> str:
    """The suites that ship with gencsp, from their TOML files."""
    rows = []
    for name in suite_names():
        suite = Suite.open(name)
        published = [one.name for one in suite.published]
        rows.append(
            (
                f"`{name}`",
                suite.title,
                f"`{suite.task}`",
                number(suite.truths.crystals, ",d") if suite.truths else "",
                ", ".join(dict.fromkeys(published)),
            )
        )
    return table(("suite", "what it is", "task", "known crystals", "published beside it"), rows)


#: Records of suites whose confidences are compared.
CONFIDENT = {
    "mp20_mixed": "MP-20",
    "mp20_joint": "MP-20, rank=joint",
    "cspbench_mixed": "CSPBench, 3 seeds",
    "cspbench_ranked-pigen": "CSPBench, ranked:pigen",
    "cspbench_ranked-symmetric": "CSPBench, ranked:symmetric",
    "mpts52-large_mixed": "21 to 40 atoms",
}
#: Suites and measures of the table at a glance.
GLANCE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("cspbench", "CSPBench"): (
        "matched, k = 1, as proposed",
        "matched, k = 5, as proposed",
        "matched, k = 20, as proposed",
        "matched, k = 1, relaxed",
        "matched, k = 5, relaxed",
        "matched, k = 20, relaxed",
    ),
    ("mp20", "MP-20"): (
        "matched, k = 1, as proposed",
        "RMSE, k = 1, as proposed",
        "matched, k = 20, as proposed",
        "RMSE, k = 20, as proposed",
    ),
    ("diffcsp15", "DiffCSP's 15 compositions"): (
        "matched, k = 20, as proposed",
        "matched, k = 20, relaxed",
    ),
}

TABLES: dict[str, Callable[[], str]] = {
    "suites": catalogue,
    "suites at a glance": at_a_glance,
    "reliability": reliability,
    **{
        f"{PREFIX}{name}": partial(suite_table, name)
        for name in records()
        if name not in OWN and not name.startswith("dp-cdvae")
    },
}
