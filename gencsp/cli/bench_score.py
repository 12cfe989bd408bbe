"""``gencsp bench score``: structures made elsewhere."""

from __future__ import annotations

from gencsp.cli.bench_tables import print_measures
from gencsp.cli.console import require_folder, resumable, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.discover import watch
from gencsp.cli.options import PoolsArgument
from gencsp.cli.tables import print_failures
from gencsp.suites.deck import ScoreDeck


@deck_options(ScoreDeck, more_names={"k": ("-k",), "n": ("-n",)})
def score(*, pools: PoolsArgument, deck: ScoreDeck) -> None:
    """Score structures made elsewhere as a suite scores a proposer.

    Crystals for which there are no structures count as not found. The same command goes on with a
    score that was stopped.
    """
    from gencsp.suites.run import RESULT
    from gencsp.suites.scoring import open_scoring

    require_folder(deck.folder)
    with resumable(deck.folder), open_scoring(pools, deck) as opened:
        watch(opened.irun())
        outcome = opened.outcome()
        path = opened.write(outcome, deck.folder / RESULT)
    print_measures(outcome, opened.suite)
    print_failures(outcome.failures)
    size = outcome.sample_size
    say(
        f"{size['structures']} structures; of {size['known crystals']} known crystals "
        f"{size['known crystals without structures']} have none"
    )
    say(opened.suite.about)
    say(f"wrote the record to {path}; every structure is in {deck.folder / 'run.db'}")
