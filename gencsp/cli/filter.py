"""``gencsp filter``: which structures of a pool are worth more work."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from gencsp.cli.console import INTERRUPTED, complain, progress_bars, require_folder, say

if TYPE_CHECKING:
    from gencsp.filters import Funnel, Judged, Summary
    from gencsp.filters.deck import FilterDeck
    from gencsp.filters.plots import Distributions

#: Unreadable files named on the screen; the summary file names all.
NAMED = 5


def filter_pools(
    pools: Annotated[
        list[Path],
        typer.Argument(
            help="CIF, extxyz, POSCAR, ... files, ASE databases, zip archives, folders.",
            metavar="POOLS",
        ),
    ],
    deck: Annotated[
        Path | None,
        typer.Option(help="TOML deck: filters in order, thresholds, windows."),
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(help="Filters in order, such as distances,compactness."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Worker processes of one thread each [default: 2]."),
    ] = None,
    rows: Annotated[
        Literal["csv", "parquet"] | None,
        typer.Option(help="Format of the table [default: csv]."),
    ] = None,
    plots: Annotated[
        bool | None,
        typer.Option("--plots/--no-plots", help="Draw pictures [default: plots]."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results [default: filtered].")
    ] = None,
) -> None:
    """Sort out implausible and known structures; what is left is worth a relaxation."""
    settings = _settings(deck, filters=filters, workers=workers, rows=rows, plots=plots, out=out)
    from gencsp.filters import Funnel, Summary
    from gencsp.filters.plots import Distributions, draw_survival
    from gencsp.io.pools import sources

    require_folder(settings.out)
    funnel = Funnel(settings.stages)
    names = tuple(one.name for one in funnel.filters)
    summary, distributions = Summary(names), Distributions(funnel.filters)
    total = sum(1 for _ in sources(pools))
    settings.out.mkdir(parents=True, exist_ok=True)
    stopped = False
    try:
        _judge(pools, total, settings, funnel, summary, distributions)
    except KeyboardInterrupt:
        stopped = True
        complain(f"stopped after {summary.structures} structures: these are written.")
    content = {"complete": not stopped, "deck": settings.model_dump(mode="json")}
    file = settings.out / "summary.json"
    file.write_text(json.dumps(content | summary.as_dict(), indent=1) + "\n", encoding="utf-8")
    if settings.plots and summary.structures:
        draw_survival(summary, settings.out / "plots" / "survival.png")
        distributions.draw(settings.out / "plots")
    _print(summary, settings.out)
    if stopped:
        raise typer.Exit(INTERRUPTED)


def _settings(path: Path | None, *, filters: str | None, **given: Any) -> FilterDeck:
    """The deck, with what the command line says instead."""
    from gencsp.filters.deck import FilterDeck

    read = FilterDeck.make() if path is None else FilterDeck.read(path)
    changes = {key: value for key, value in given.items() if value is not None}
    if filters is not None:
        changes["filters"] = [{"name": name.strip()} for name in filters.split(",")]
    return FilterDeck.make(**(read.model_dump() | changes))


def _judge(
    pools: list[Path],
    total: int,
    settings: FilterDeck,
    funnel: Funnel,
    summary: Summary,
    distributions: Distributions,
) -> None:
    import ase.io

    from gencsp.executors import LocalProcesses, ThisProcess
    from gencsp.filters import judge_pool
    from gencsp.filters.rows import row_writer
    from gencsp.io.pools import sources

    with ExitStack() as stack:
        rows = stack.enter_context(
            row_writer(
                settings.out / f"rows.{settings.rows}",
                summary.names,
                kind=settings.rows,
            )
        )
        judged_file = stack.enter_context((settings.out / "judged.extxyz").open("w"))
        survivors = stack.enter_context((settings.out / "survivors.extxyz").open("w"))
        bars = stack.enter_context(progress_bars())
        task = bars.add_task("filter", total=total, note="")
        alone = settings.workers == 1
        executor = stack.enter_context(ThisProcess() if alone else LocalProcesses(settings.workers))
        results = judge_pool(sources(pools), funnel, executor=executor, workers=settings.workers)
        for judged in results:
            _count(judged, summary, distributions)
            rows.write(judged)
            if judged.atoms is not None:
                ase.io.write(judged_file, judged.atoms, format="extxyz")
                if judged.survived:
                    ase.io.write(survivors, judged.atoms, format="extxyz")
            bars.update(
                task,
                completed=summary.structures + len(summary.unreadable),
                note=f"{summary.survivors} survive",
            )


def _count(judged: Judged, summary: Summary, distributions: Distributions) -> None:
    summary.add(judged)
    distributions.add(judged)


def _print(summary: Summary, folder: Path) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("filter", "passed alone", "left", "undefined"):
        table.add_column(title, justify="left" if title == "filter" else "right")
    for stage in summary.stages:
        share = f"{100 * stage.passed / stage.judged:.1f} %" if stage.judged else "-"
        table.add_row(
            stage.name,
            f"{stage.passed} of {stage.judged} ({share})",
            str(stage.in_sequence),
            str(stage.undefined or ""),
        )
    Console(soft_wrap=True).print(table)
    for stage in summary.stages:
        if stage.at:
            counts = ", ".join(f"{n} at {level:g}" for level, n in stage.at)
            say(f"{stage.name}, left at other thresholds: {counts}")
    say(f"{summary.survivors} of {summary.structures} structures survive")
    if summary.unreadable:
        say(f"{len(summary.unreadable)} could not be read:")
        for _, reason in summary.unreadable[:NAMED]:
            say(f"  {reason}")
    say(f"survivors, all structures with their verdicts, rows and summary: {folder}")
