"""Tables of speed: models by engine, whole runs beside the version before, start-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from record_values import number, results, table

#: Parts of a run that are the work of generative models.
MODEL = ("propose: network", "propose: graph", "propose: projection", "propose: noise")


def denoiser_rate() -> str:
    rows = []
    for name, row in results("denoiser_rate").items():
        cells = [
            f"{number(row[engine]['samples_per_minute'], ',.0f')}, "
            f"{number(row[engine]['share_of_the_network'], '.0%')}"
            for engine in ("torch", "native")
        ]
        rows.append((name, *cells, number(row["ratio"], ".1f")))
    return table(("model", "torch", "native", "ratio"), rows)


def profile_of_runs() -> str:
    """Processor seconds of whole runs: all, models, relaxation, start-up, what else there is."""
    rows = []
    for name, found in results("profile_runs").items():
        for label in ("before", "after"):
            run = found[label]
            model = _seconds(run, *MODEL)
            relaxing, starting = _seconds(run, "relaxation"), _seconds(run, "start-up and imports")
            other = run["cpu_seconds"] - model - relaxing - starting
            rows.append(
                (
                    name if label == "before" else "",
                    label,
                    number(run["cpu_seconds"], ".1f"),
                    f"{number(model, '.2f')} ({number(model / run['cpu_seconds'], '.0%')})",
                    number(relaxing, ".1f"),
                    number(starting, ".1f"),
                    number(other, ".1f"),
                )
            )
    return table(("run", "", "s", "models", "relaxation", "start-up", "all else"), rows)


def _seconds(run: Mapping[str, Any], *parts: str) -> float:
    return sum(float(run["parts"].get(part, {}).get("cpu_seconds", 0.0)) for part in parts)


def start_up() -> str:
    rows = [
        (name, *(f"{number(found[label]['median'], '.1f')} s" for label in ("before", "after")))
        for name, found in results("start_up").items()
    ]
    return table(("", "before", "after"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "denoiser rate": denoiser_rate,
    "profile of runs": profile_of_runs,
    "start-up": start_up,
}
