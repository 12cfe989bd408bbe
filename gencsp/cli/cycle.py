"""``gencsp cycle``: generate, relax, refine, inpaint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import complain, require_folder, resumable, say, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import AllOption
from gencsp.cli.progress import StageBars, progress_bars, reference_bar
from gencsp.cli.report import ReportOption, report_of_run
from gencsp.cli.second_opinion import SecondOption, TopOption, potential_of, show_second_opinion
from gencsp.cli.system_cycle import cycle_on_system
from gencsp.cli.tables import print_failures, print_ranked
from gencsp.executors.early import early_executor
from gencsp.runs.decks import CycleDeck

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ase import Atoms

    from gencsp.searches.cycle import Cycle

#: What a worker needs before its first structure.
MODULES = ("gencsp.runs.cycle", "torch")


@deck_options(CycleDeck, metavar="[FORMULA]", more_names={"n": ("-n",), "preset": ("--as",)})
def cycle(
    *,
    deck: CycleDeck,
    second: SecondOption = None,
    top: TopOption = 10,
    everything: AllOption = False,
    report: ReportOption = True,
) -> None:
    """Search crystal structures of a composition or a system: generate, relax, refine, inpaint.

    The same command goes on with a run that was stopped.
    """
    with early_executor("local", workers=deck.workers, modules=MODULES) as executor:
        _run(deck, executor, second=second, top=top, everything=everything, report=report)


def _run(
    deck: CycleDeck,
    executor: Executor | None,
    *,
    second: str | None,
    top: int,
    everything: bool,
    report: bool,
) -> None:
    from gencsp.composition import Composition
    from gencsp.convex_hull.end_members import EndMembers, is_system

    of_system = is_system(deck.formula)
    if deck.host is None:
        # A wrong formula is told at once: what is imported next takes most of the start.
        EndMembers.parse(deck.formula) if of_system else Composition.parse(deck.formula)

    from gencsp.runs.cycle import open_cycle
    from gencsp.runs.host_cycle import open_host_cycle, plan_host_cycle

    plan = None if deck.host is None else plan_host_cycle(deck)
    deck = deck if plan is None else plan.deck
    require_folder(deck.folder)
    other = potential_of(second)
    with resumable(deck.folder):
        if of_system:
            cycle_on_system(deck, other, executor, top=top, report=report)
            return
        with (
            reference_bar() as bar,
            open_cycle(deck, on_reference=bar, executor=executor)
            if plan is None
            else open_host_cycle(plan, on_reference=bar, executor=executor) as search,
        ):
            for sentence in () if plan is None else plan.said:
                say(sentence)
            _watch(search)
            structures = search.ranking()
            _report(search, structures, deck.folder, everything=everything)
            show_second_opinion(
                structures,
                other,
                top=top,
                settings=search.settings.relax,
                folder=deck.folder,
            )
            if report:
                report_of_run(deck.folder, hull=search.hull)


def _watch(search: Cycle) -> None:
    with progress_bars() as bars:
        stages = StageBars(bars)
        for step in search.irun():
            stages.show(step)


def _report(search: Cycle, structures: Sequence[Atoms], folder: Path, *, everything: bool) -> None:
    said = write_results(folder, "ranked", structures)
    print_ranked(structures, everything=everything)
    if search.guest_choice is not None:
        say(f"guests: {search.guest_choice.reason}")
    print_failures(search.failures())
    if structures:
        say_all(said)
    else:
        complain("no structure came through: generate more with --n, or allow more --steps.")
    say(f"every structure, with its provenance: {folder / 'run.db'}")
