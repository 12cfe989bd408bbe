"""``gencsp estimate``: what a search would take on many workers, and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.output import Output
from gencsp.cli.progress import progress_bars
from gencsp.cli.tables import add_row, print_table, table_of
from gencsp.runs.decks import SearchDeck
from gencsp.searches.progress_line import duration

if TYPE_CHECKING:
    from gencsp.runs.estimating import Estimate, EstimatedRun
    from gencsp.runs.trial_times import Measurement

OnOption = Annotated[
    str, typer.Option("--on", help="Numbers of workers, such as 2,64.", metavar="WORKERS")
]
SampleOption = Annotated[int, typer.Option(help="Trials to run here and to time.")]
PriceOption = Annotated[float | None, typer.Option(help="Of an hour of one core, in any currency.")]
LatencyOption = Annotated[
    float, typer.Option(help="Of a message between machines, s, beside what it takes here.")
]
#: Of the table of runs.
TITLES = (
    "workers",
    "searches",
    "ahead",
    "wall time",
    "workers busy",
    "main busy",
    "tasks/s",
    "core hours",
    "on disk",
    "cost",
)


@deck_options(SearchDeck, metavar="[FORMULA|SYSTEM]", none={"seeds": "--no-seeds"})
def estimate(
    *,
    deck: SearchDeck,
    on: OnOption = "1,2,64,1024",
    sample: SampleOption = 100,
    price: PriceOption = None,
    latency: LatencyOption = 0.0,
) -> None:
    """Say what a search would take on many workers and cost: times some trials, simulates others.

    The options are those of gencsp search. Not used are --workers, --out, and what stops a search
    before its budget is used.
    """
    from gencsp.runs.estimating import estimate as estimate_search

    with progress_bars() as bars:
        task = bars.add_task("time trials", total=sample, note="")
        found = estimate_search(
            deck,
            on=_numbers(on),
            sample=sample,
            price=price,
            latency=latency,
            report=lambda step: bars.update(task, completed=step.done),
        )
    _print(found)


def _numbers(given: str) -> list[int]:
    from gencsp.errors import RequestError

    try:
        return [int(number) for number in given.split(",")]
    except ValueError:
        raise RequestError(f"'{given}' are no numbers of workers: write --on 2,64.") from None


def _print(found: Estimate) -> None:
    output = Output.now()
    measured = found.measured
    output.set("trials", found.trials)
    output.set("measured", _measured(measured))
    table = table_of(*TITLES, right=TITLES)
    for run in found.runs:
        add_row(table, *_cells(run))
    say(_sentence(measured))
    print_table(table)
    if any(run.searches > 1 for run in found.runs):
        say(
            "one search cannot feed so many workers: several side by side, each with its own --seed"
            " and --out, share the trials"
        )


def _sentence(measured: Measurement) -> str:
    times = measured.times
    trial = sum(times.trials) / len(times.trials)
    said = (
        f"{measured.trials} trials on this machine: {trial:.3g} s of a worker for each task of "
        f"trials, {1000 * times.main:.2g} ms of the main process for each trial, "
        f"{duration(times.start)} to start a worker, {measured.sent / 1e3:.2g} kB to a worker and "
        f"{measured.received / 1e3:.2g} kB back for each task"
    )
    if measured.worker_memory and measured.main_memory:
        said += (
            f", at most {measured.worker_memory / 1e9:.2g} GB of memory in a worker and "
            f"{measured.main_memory / 1e9:.2g} GB in the main process"
        )
    return said


def _measured(measured: Measurement) -> dict[str, object]:
    """The measurement as a document holds it; times in seconds, sizes in bytes."""
    times = measured.times
    return {
        "trials": measured.trials,
        "seconds_of_trial_tasks": list(times.trials),
        "seconds_of_a_proposal": dict(times.proposals),
        "main_seconds_a_trial": times.main,
        "worker_start_seconds": times.start,
        "latency_seconds": times.latency,
        "bytes_sent_a_task": measured.sent,
        "bytes_received_a_task": measured.received,
        "bytes_stored_a_trial": measured.stored,
        "worker_memory_bytes": measured.worker_memory,
        "main_memory_bytes": measured.main_memory,
    }


def _cells(run: EstimatedRun) -> tuple[str, ...]:
    one = run.run
    return (
        str(run.workers),
        str(run.searches),
        str(one.ahead),
        duration(run.seconds),
        f"{one.busy:.0%}",
        f"{one.main_busy:.0%}",
        f"{run.searches * one.tasks_per_second:.3g}",
        f"{run.core_hours:.3g}",
        f"{run.stored / 1e9:.3g} GB",
        "" if run.cost is None else f"{run.cost:.2f}",
    )
