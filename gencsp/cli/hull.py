"""``gencsp hull``: decomposition energies of structures from files."""

from __future__ import annotations

from gencsp.cli.console import (
    counted,
    end,
    print_failures,
    print_structures,
    progress_bars,
    require_folder,
    say_all,
    write_results,
)
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.reading import read_pool
from gencsp.runs.pool_decks import HullDeck


@deck_options(HullDeck)
def hull(*, files: FilesArgument, deck: HullDeck) -> None:
    """Decomposition energies of structures as they are, from CHGNet or another potential."""
    from gencsp import records
    from gencsp.api import hull as call
    from gencsp.runs.objects import open_hull
    from gencsp.runs.relaxing import engine_of

    require_folder(deck.out)
    reference, engine = open_hull(deck.hull), engine_of(deck, {})
    reference.require_model(engine.model)
    pool = read_pool(files)
    with progress_bars() as bars:
        task = bars.add_task("evaluate", total=None, note=f"{len(pool.structures)} structures")
        judged = call(pool.structures, potential=engine, hull=reference, workers=deck.workers)
        bars.update(task, total=1, completed=1)
    judged.sort(key=records.results_first)
    said = write_results(deck.out, "hull", judged)
    print_structures(judged)
    without = [_reason(a.info) for a in judged if records.DECOMPOSITION_ENERGY not in a.info]
    print_failures(counted(without))
    pool.complain()
    say_all(said)
    end(len(without) + len(pool.unreadable))


def _reason(info: dict[str, object]) -> str:
    from gencsp import records

    return str(info.get(records.OUTCOME) or info.get(records.REASON) or "no energy")
