"""Tables of proposers, searches, duplicates and symmetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from record_values import number, of_with_interval, percent, percents, results, span, table

#: Searches of ``search_ground_states.json`` in the order of the table, and what it calls them.
SEARCHES = {
    "random, unseeded": "random",
    "hop, unseeded": "basin hopping",
    "genetic, unseeded": "genetic",
    "random, seeded": "random, seeded",
    "hop, seeded": "basin hopping, seeded",
    "genetic, seeded": "genetic, seeded",
    "random, poor seeds": "random, poor seeds",
    "genetic, poor seeds": "genetic, poor seeds",
    "CrySPY random": "CrySPY 1.5.0, random",
    "CrySPY evolutionary": "CrySPY 1.5.0, evolutionary",
    "random, unseeded, symmetry kept": "random, symmetry kept",
    "random, unseeded, kept, rattled, freed": "random, symmetry kept, rattled, freed",
    "random, unseeded, rattled, freed": "random, rattled, freed",
}


def searches() -> str:
    head = ("search", "relaxations", "within 50", "within 100", "processor seconds", "wall")
    rows = []
    for key, name in SEARCHES.items():
        row = results("search_ground_states")["summary"][key]
        relaxations = number(row["median_relaxations"], ".0f")
        seconds = number(row["median_cpu_seconds"], ".1f")
        rows.append(
            (
                name,
                f"{relaxations} ({span(row['median_relaxations_95'], '.0f')})",
                _runs(row["within_50"]),
                _runs(row["within_100"]),
                f"{seconds} ({span(row['median_cpu_seconds_95'], '.1f')}){_timed(row)}",
                number(row["median_wall_seconds"], ".1f"),
            )
        )
    return table(head, rows)


def _timed(row: dict[str, Any]) -> str:
    """How many runs have a processor time, where not all of them have."""
    return "" if row["timed_runs"] == row["runs"] else f", of {row['timed_runs']} runs"


def _runs(share: dict[str, float]) -> str:
    """Successes alone with their interval, since all searches have as many runs."""
    return of_with_interval(share).replace(f" of {share['trials']}", "")


def searches_compared() -> str:
    """Compositions in which one search needs fewer relaxations, of those where they differ."""
    head = ("ahead", "of", "compositions")
    rows = []
    for pair, share in results("search_ground_states")["compared"].items():
        one, other = (SEARCHES[name] for name in pair.split(" ahead of "))
        if share["trials"]:
            rows.append((one, other, of_with_interval(share)))
    return table(head, rows)


def search_overhead() -> str:
    head = (
        "method",
        "structures in the store",
        "relaxation, processor ms a trial",
        "all else",
        "wall time of workers in tasks",
        "relaxing",
    )
    names = {"random": "random", "hop": "basin hopping", "genetic": "genetic"}
    rows = []
    for key, name in names.items():
        for row in results("search_overhead")[f"CaTiO3, {key}"]:
            rows.append(
                (
                    name,
                    number(row["stored"], ",d"),
                    number(row["relaxation_ms_a_trial"], ".0f"),
                    number(row["else_ms_a_trial"], ".1f"),
                    number(row["workers_busy"], ".1%"),
                    number(row["workers_relaxing"], ".1%"),
                )
            )
    return table(head, rows)


def rate(value: float) -> str:
    """Something a second, to three digits at least."""
    return number(value, ",.0f" if value >= 100 else ".3g")


def many_workers() -> str:
    """Simulated runs of a million trials, by number of workers."""
    head = (
        "search",
        "workers",
        "searches side by side",
        "trials/s",
        "workers busy",
        "main process busy",
        "messages/s",
        "wall time, h",
        "core hours",
    )
    rows = []
    for name, case in results("many_workers").items():
        for row in case["simulated"]:
            rows.append(
                (
                    name,
                    number(row["workers"], ",d"),
                    number(row["searches"], ",d"),
                    rate(row["trials_per_second"]),
                    number(row["workers_busy"], ".0%"),
                    number(row["main_busy"], ".0%"),
                    rate(row["messages_per_second"]),
                    number(row["hours"], ",.0f" if row["hours"] >= 10 else ".2g"),
                    number(row["core_hours"], ",.0f"),
                )
            )
    return table(head, rows)


def executors() -> str:
    """Runs on one and two workers beside what was simulated of them."""
    head = (
        "search",
        "executor",
        "workers",
        "trials/s",
        "simulated",
        "workers busy",
        "main process, ms a trial",
    )
    rows = []
    for name, case in results("many_workers").items():
        simulated = {row["workers"]: row["trials_per_second"] for row in case["simulated"]}
        for executor, runs in case["real"].items():
            for workers, run in runs.items():
                rows.append(
                    (
                        name,
                        executor,
                        workers,
                        rate(run["trials_per_second"]),
                        rate(simulated[int(workers)]),
                        number(run["workers_busy"], ".0%"),
                        number(run["main_ms_a_trial"], ".1f"),
                    )
                )
    return table(head, rows)


def duplicates() -> str:
    found = results("deduplication_growth")
    sets = ("TiO2 only", "known crystals")
    rows = []
    for size in (1_000, 10_000, 100_000):
        cells = []
        for name in sets:
            row = next(one for one in found[name] if one["structures"] == size)
            cell = number(row["seconds"], ".1f" if row["seconds"] < 10 else ",.0f")
            if "all_pairs_seconds" in row:
                cell += f" ({number(row['all_pairs_seconds'], '.1f')})"
            cells.append(cell)
        rows.append((f"{size:,}", *cells))
    return table(("structures", "TiO2 alone", "known crystals"), rows)


def polymorphs() -> str:
    found = results("polymorphs")
    known, every = found["published polymorphs"], found["copies, all formulas"]
    others = found["copies, other formulas"]
    rows = []
    for rule in ("family", "close", "tight"):
        apart = known["kept_apart"][rule]
        copies = [part["rules"][rule] for part in (every, others)]
        rows.append(
            (
                f"`{rule}`",
                of_with_interval(apart),
                *(f"{percent(one['recall'])} % ({percents(one['recall'])})" for one in copies),
                f"{percent(copies[0]['precision'])} % ({percents(copies[0]['precision'])})",
            )
        )
    head = (
        "`--same`",
        "published polymorphs kept apart",
        "pairs of copies of one crystal found",
        "the same, formulas that chose no threshold",
        "pairs taken for one crystal that are",
    )
    return table(head, rows)


def powder_patterns() -> str:
    """How often the first of the relaxed proposals is the known crystal, by what ranks them."""
    found = results("powder")
    ways = {
        "first by energy": "energy",
        "first by pattern, stiff": "pattern, cell as it is",
        "first by pattern, breathing": "pattern, cell breathing",
        "first by both, breathing": "energy and pattern",
    }
    rows = [
        (
            name,
            of_with_interval(found["of all"][way]),
            of_with_interval(found["of those among their proposals"][way]),
        )
        for way, name in ways.items()
    ]
    return table(("ranked by", "first, of all", "first, of those among their proposals"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "powder patterns": powder_patterns,
    "searches": searches,
    "searches compared": searches_compared,
    "search overhead": search_overhead,
    "many workers": many_workers,
    "executors": executors,
    "duplicates": duplicates,
    "polymorphs": polymorphs,
}
