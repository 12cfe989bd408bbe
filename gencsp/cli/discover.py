"""``gencsp discover``: generation, filters, relaxation and searches in one command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import complain, require_folder, resumable, say, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.progress import progress_bars
from gencsp.cli.tables import add_row, print_failures, print_structures, print_table, table_of
from gencsp.executors.early import early_executor
from gencsp.runs.discover_decks import DiscoverDeck

if TYPE_CHECKING:
    from gencsp.runs.candidates import StageProgress
    from gencsp.runs.discovered import Discovered

#: The report, beside the files of structures.
REPORT = "report.md"
#: What a worker needs to generate crystals.
GENERATOR = "gencsp.proposers.pigen"


@deck_options(DiscoverDeck, more_names={"n": ("-n",)}, none={"seeds": "--no-seeds"})
def discover(*, deck: DiscoverDeck) -> None:
    """Generate crystals, filter and relax them, search their compositions, rank what is found.

    The same command goes on with a run that was stopped; so does one with a larger budget.
    """
    modules = ("gencsp.runs.discover", *(() if deck.pool else (GENERATOR,)))
    with early_executor("local", workers=deck.workers, modules=modules) as executor:
        from gencsp.runs.discover import open_discovery

        require_folder(deck.folder)
        with resumable(deck.folder), open_discovery(deck, executor=executor) as run:
            watch(run.irun())
            _report(run.result(), deck.folder)


def watch(steps: Iterable[StageProgress]) -> None:
    """Draw a bar for each stage; the searches share one."""
    with progress_bars() as bars:
        tasks = {}
        for step in steps:
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, note="", total=None)
            bars.update(tasks[step.stage], completed=step.done, total=step.total, note=step.note)


def _report(found: Discovered, folder: Path) -> None:
    from gencsp.runs.discover_report import report

    def also(new: Path) -> list[str]:
        (new / REPORT).write_text(report(found), encoding="utf-8")
        return [f"wrote the report to {folder / REPORT}"]

    said = write_results(folder, "discovered", found.crystals, also=also)
    table = table_of("step", "structures left", right=("structures left",))
    for name, left in found.funnel:
        add_row(table, name, left)
    print_table(table)
    if found.empty:
        complain(found.empty)
    else:
        print_structures(found.crystals)
    print_failures(found.failures)
    say_all(said)
    say(f"every structure, with its provenance: {folder / 'run.db'} and {folder / 'searches'}")
