"""``gencsp refine``: symmetrise frameworks and inpaint their guests again."""

from __future__ import annotations

from gencsp.cli.console import complain, end, require_folder, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import AllOption, FilesArgument
from gencsp.cli.progress import StageBars, progress_bars, reference_bar
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import print_ranked
from gencsp.executors.early import early_executor
from gencsp.files import require_files
from gencsp.runs.pool_decks import RefineDeck

#: What a worker needs before its first structure.
MODULES = ("gencsp.runs.refining", "torch")


@deck_options(RefineDeck, more_names={"preset": ("--as",)})
def refine(*, files: FilesArgument, deck: RefineDeck, everything: AllOption = False) -> None:
    """Take guests out, symmetrise the framework, inpaint the guests, relax again."""
    require_files(files)
    with early_executor("local", workers=deck.workers, modules=MODULES) as executor:
        from gencsp.runs.ordering import ordering_of
        from gencsp.runs.refining import refine_pool

        require_folder(deck.out)
        pool = read_pool(files, ordering_of(deck))
        with reference_bar() as bar, progress_bars() as bars:
            refined, left_out = refine_pool(
                pool.structures,
                deck,
                report=StageBars(bars).show,
                on_reference=bar,
                executor=executor,
            )
    said = write_results(deck.out, "refined", refined)
    print_ranked(refined, everything=everything)
    for name, reason in left_out.items():
        complain(f"left out: {name}: {reason}")
    pool.complain()
    say_all(said)
    end(len(left_out) + len(pool.unreadable))
