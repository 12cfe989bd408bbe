"""``gencsp cycle Li-Si``: the cycle on the compositions of a system or a tie-line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.cli.by_composition import Findings, report_findings
from gencsp.cli.console import complain, say, say_all
from gencsp.cli.progress import StageBars, progress_bars, reference_bar
from gencsp.cli.report import report_of_run
from gencsp.cli.second_opinion import show_second_opinion
from gencsp.cli.tables import print_failures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from ase import Atoms

    from gencsp.potentials.base import Engine
    from gencsp.runs.decks import CycleDeck
    from gencsp.searches.system_cycle import SystemCycle


def cycle_on_system(
    deck: CycleDeck,
    other: Engine | None,
    executor: Executor | None,
    *,
    top: int,
    report: bool,
) -> None:
    """Run the cycle on a system, and report what it found by composition.

    Args:
        deck: whose formula is a system.
        other: potential for a second opinion, if there is to be one.
        executor: where tasks run, which the caller opens and closes.
        top: how many structures it looks at.
        report: whether the page of the run is written.
    """
    from gencsp.runs.system_cycle import open_system_cycle

    with (
        reference_bar() as bar,
        open_system_cycle(deck, on_reference=bar, executor=executor) as run,
    ):
        _name_shares(run)
        with progress_bars() as bars:
            stages = StageBars(bars)
            for step in run.irun():
                stages.show(step)
        structures = run.ranking()
        _report(run, structures, deck)
        show_second_opinion(structures, other, top=top, settings=run.relax, folder=deck.folder)
        if report:
            report_of_run(deck.folder, hull=run.hull)


def _name_shares(run: SystemCycle) -> None:
    settings = [cycle.settings for cycle in run.cycles]
    first, last = settings[0], settings[-1]
    each = f"{first.n}" if first.n == last.n else f"{last.n} or {first.n}"
    say(
        f"{len(settings)} of the {run.possible} compositions that fit, the smallest "
        f"formulas first, from {first.composition} to {last.composition}: {each} structures each"
    )


def _report(run: SystemCycle, structures: Sequence[Atoms], deck: CycleDeck) -> None:
    folder = deck.folder
    findings = Findings.of(structures, run.hull, run.members, run.counts())
    said = report_findings(findings, folder)
    for cycle in run.cycles:
        if cycle.guest_choice is not None:
            say(f"guests of {cycle.settings.composition}: {cycle.guest_choice.species}")
    print_failures(run.failures())
    if structures:
        say_all(said)
    else:
        complain("no structure came through: generate more with --n, or allow more --steps.")
    say(f"every structure, with its provenance: {folder / 'run.db'}")
