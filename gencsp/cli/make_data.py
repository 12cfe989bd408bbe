"""``gencsp make-data``: crystals of one's own to train models on."""

from __future__ import annotations

from gencsp.cli.console import require_folder, resumable, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.discover import watch
from gencsp.cli.tables import print_failures
from gencsp.executors.early import early_executor
from gencsp.runs.data_deck import MakeDataDeck

#: What a worker needs.
MODULE = "gencsp.runs.making_data"


@deck_options(MakeDataDeck, more_names={"n": ("-n",)})
def make_data(*, deck: MakeDataDeck) -> None:
    """Make training crystals: exchange elements of known ones, relax, keep what is near the hull.

    The same command goes on with a run that was stopped; so does one with a larger -n.
    """
    with early_executor("local", workers=deck.workers, modules=(MODULE,)) as executor:
        from gencsp.runs.making_data import open_data_run

        require_folder(deck.folder)
        with resumable(deck.folder), open_data_run(deck, executor=executor) as run:
            watch(run.irun())
            found = run.result()
            crystals, card = found.write(deck.folder)
    print_failures(found.failures)
    say(
        f"wrote {len(found.crystals)} crystals to {crystals}, of {found.tried} tried, "
        f"{found.near} near the hull; {card} says what they are"
    )
