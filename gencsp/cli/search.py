"""``gencsp search``: random search, basin hopping and genetic search, seeded by proposers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.by_composition import Findings, report_findings
from gencsp.cli.console import complain, require_folder, resumable, say, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import AllOption
from gencsp.cli.output import Output
from gencsp.cli.progress import ProgressBars, progress_bars, reference_bar
from gencsp.cli.report import ReportOption, report_of_run
from gencsp.cli.search_cycle import search_by_cycle
from gencsp.cli.second_opinion import SecondOption, TopOption, potential_of, show_second_opinion
from gencsp.cli.tables import add_row, print_failures, print_ranked, print_table, table_of
from gencsp.executors.early import early_executor
from gencsp.runs.decks import SearchDeck
from gencsp.searches.progress_line import duration

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ase import Atoms
    from rich.progress import TaskID

    from gencsp.runs.status import RunStatus
    from gencsp.searches.loop import Search
    from gencsp.searches.progress import SearchProgress
    from gencsp.searches.trial import TrialResult

#: Names of skipped seeds on the screen.
NAMED = 5


@deck_options(
    SearchDeck,
    metavar="[FORMULA|SYSTEM]",
    more_names={"method": ("--driver",), "preset": ("--as",)},
    none={"seeds": "--no-seeds"},
)
def search(
    context: typer.Context,
    *,
    deck: SearchDeck,
    second: SecondOption = None,
    top: TopOption = 10,
    everything: AllOption = False,
    report: ReportOption = True,
) -> None:
    """Search crystal structures at random, by basin hopping or genetically, seeded by proposers.

    The same command goes on with a run that was stopped; so does one with a larger budget.
    """
    if deck.method == "cycle":
        search_by_cycle(context, deck)
        return
    _run(deck, second=second, top=top, everything=everything, report=report)


def resume(
    folder: Annotated[Path, typer.Argument(help="Folder of a search.", metavar="DIR")],
    budget: Annotated[int | None, typer.Option(help="Another budget of trials.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Most wall time of this session.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes of one thread.")] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Execute what the files of the folder name, whoever wrote them."
        ),
    ] = False,
    everything: AllOption = False,
    report: ReportOption = True,
) -> None:
    """Go on with a search that was stopped, or that is to have a larger budget."""
    from gencsp.runs.trust import resumed_deck

    deck = resumed_deck(folder, trust=trust, budget=budget, minutes=minutes, workers=workers)
    _run(deck, everything=everything, report=report)


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", metavar="DIR")],
) -> None:
    """Say how far a run is; it may be running."""
    from gencsp.runs.status import run_status

    found = run_status(folder)
    say(str(found))
    if found.best_id:
        what = (_with_unit(found.best_shown), found.space_group, found.best_id, found.phase)
        say(f"lowest: {', '.join(filter(None, what))}")
    say(_pace(found))
    print_failures(found.failures)


def _pace(found: RunStatus) -> str:
    """Rate, time left, age of the last result and size, as far as they are known."""
    import time
    from math import isfinite

    from gencsp.runs.status import SearchStatus

    parts = []
    if isfinite(found.pace.per_minute):
        what = "trials" if isinstance(found, SearchStatus) else "tasks"
        parts.append(f"{found.pace.per_minute:.3g} {what}/min")
    if isinstance(found, SearchStatus) and isfinite(found.seconds_left):
        parts.append(f"{duration(found.seconds_left)} left at this rate")
    if isfinite(found.pace.last):
        parts.append(f"last result {duration(max(time.time() - found.pace.last, 0))} ago")
    return ", ".join([*parts, f"{found.size / 1e6:.1f} MB on disk"])


def _run(
    deck: SearchDeck,
    *,
    everything: bool,
    report: bool,
    second: str | None = None,
    top: int = 10,
) -> None:
    modules = ("gencsp.runs.search", *(("torch",) if deck.seeds else ()))
    with early_executor(deck.executor, workers=deck.workers, modules=modules) as executor:
        _search(deck, executor, everything=everything, report=report, second=second, top=top)


def _search(
    deck: SearchDeck,
    executor: Executor | None,
    *,
    everything: bool,
    report: bool,
    second: str | None,
    top: int,
) -> None:
    from gencsp.runs.search import open_search
    from gencsp.runs.settings import folder

    require_folder(folder(deck))
    other = potential_of(second)
    with (
        resumable(folder(deck)),
        reference_bar() as bar,
        open_search(deck, on_reference=bar, executor=executor) as run,
    ):
        _name_skipped(run)
        _watch(run)
        structures = run.ranking()
        _report(run, structures, folder(deck), everything=everything)
        show_second_opinion(
            structures,
            other,
            top=top,
            settings=run.settings.relax,
            folder=folder(deck),
        )
        if report:
            report_of_run(folder(deck), hull=run.ledger.hull)


def _watch(run: Search) -> None:
    verbose = Output.now().verbose
    with progress_bars() as bars:
        line = bars.add_task("search", note="", total=None)
        for step in run.irun():
            if step.result is not None:
                _tell(bars, step.result, verbose=verbose)
            _show(bars, line, step)


def _tell(bars: ProgressBars, result: TrialResult, *, verbose: bool) -> None:
    """New best structures where there are no bars to look at; every trial, if so asked."""
    if result.record and not (bars.drawn and not verbose):
        bars.tell(f"trial {result.number}, {result.move}: new minimum, {_described(result)}")
    elif verbose:
        came = result.failure or (f"seen as {result.seen_as}" if result.seen_as else "new crystal")
        told = (came, _described(result))
        bars.tell(f"trial {result.number}, {result.move}: {', '.join(filter(None, told))}")


def _described(result: TrialResult) -> str:
    """Energy, space group, formula and id of what a trial found."""
    from gencsp import records
    from gencsp.composition import Composition

    if result.atoms is None:
        return ""
    info = result.atoms.info
    shown = records.shown_decomposition_energy(info)
    energy = _with_unit(shown) if shown else ""
    group, identity = info.get(records.SPACE_GROUP), info.get(records.STRUCTURE_ID)
    parts = (energy, group, Composition.in_cell(result.atoms).formula, identity)
    return ", ".join(str(part) for part in parts if part)


def _show(bars: ProgressBars, line: TaskID, step: SearchProgress) -> None:
    bars.update(line, completed=step.done, total=step.total, note=step.note)


def _with_unit(energy: str) -> str:
    from gencsp.searches.progress import with_unit

    return with_unit(energy)


def _name_skipped(run: Search) -> None:
    for pool in run.pools:
        for reason, names in pool.skipped.items():
            shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
            complain(f"skipped {len(names)} seeds of {pool.name}, {reason}: {shown}")
        if not pool.structures:
            complain(f"{pool.name} holds no seed for this search: the others make up for it.")


def _report(run: Search, structures: Sequence[Atoms], folder: Path, *, everything: bool) -> None:
    from gencsp.convex_hull.hull import Hull

    members, hull = run.settings.space.members, run.ledger.hull
    if members is not None and isinstance(hull, Hull) and not everything:
        said = report_findings(Findings.of(structures, hull, members), folder)
    else:
        said = write_results(folder, "ranked", structures)
        print_ranked(structures, everything=everything)
    if run.ledger.hull is None:
        say("no hull: ranked by enthalpy per atom, which compares structures of one composition")
    say(f"stopped: {run.stopped}")
    _print_sources(run)
    _print_learned(run)
    print_failures(run.ledger.failures)
    if structures:
        say_all(said)
    else:
        complain("no structure came through: raise --budget, or allow more --steps.")
    say(f"every structure, with its provenance: {folder / 'run.db'}")


def _print_sources(run: Search) -> None:
    ledger = run.ledger
    titles = ("trials", "converged", "new", "new minima")
    table = table_of("made by", *titles, right=titles)
    for move, n in sorted(ledger.moves.items(), key=lambda item: -item[1]):
        counts = (n, ledger.converged[move], ledger.new[move], ledger.records[move])
        add_row(table, move, *counts)
    print_table(table)
    taken = ", ".join(f"{n} from {name}" for name, n in run.supply.taken.items() if n)
    say(f"structures without parents: {taken}")
    seconds = ", ".join(f"{stage} {s:.0f} s" for stage, s in run.runner.seconds.items())
    if seconds:
        say(f"time of the workers: {seconds}")


def _print_learned(run: Search) -> None:
    move_stats = run.strategy.move_stats()
    if not move_stats:
        return
    titles = ("tried", "new", "improved", "share now")
    table = table_of("learned: move", *titles, right=titles)
    for line in move_stats:
        counts = (line.tried, line.new, line.improved)
        add_row(table, line.move, *counts, f"{line.share:.0%}")
    print_table(table)
