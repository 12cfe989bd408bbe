"""``gencsp bench run``: one suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.cli.bench_tables import print_measures
from gencsp.cli.console import require_folder, resumable, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.discover import watch
from gencsp.cli.tables import print_failures
from gencsp.executors.early import early_executor
from gencsp.suites.deck import UNSEEDED, BenchDeck

if TYPE_CHECKING:
    from gencsp.suites.run import Bench


@deck_options(BenchDeck, argument="suite", metavar="SUITE")
def run(*, deck: BenchDeck) -> None:
    """Run a suite, and say what it came to beside what was published.

    The same command goes on with a run that was stopped; so does one with more seeds or more
    compositions.
    """
    modules = ("gencsp.suites.run", *(() if deck.proposer == UNSEEDED else ("torch",)))
    with early_executor(deck.executor, workers=deck.workers, modules=modules) as executor:
        from gencsp.suites.run import open_bench

        require_folder(deck.folder)
        with resumable(deck.folder), open_bench(deck, executor=executor) as opened:
            watch(opened.irun())
            _report(opened, deck)


def _report(opened: Bench, deck: BenchDeck) -> None:
    from gencsp.suites.run import RESULT

    outcome = opened.outcome()
    path = opened.write(outcome, deck.folder / RESULT)
    print_measures(outcome, opened.suite)
    print_failures(outcome.failures)
    say(opened.suite.about)
    say(f"wrote the record to {path}; every structure is in {deck.folder}")
