"""``gencsp hull``: decomposition energies of structures from files."""

from __future__ import annotations

from gencsp.cli.console import (
    counted,
    end,
    print_failures,
    print_structures,
    progress_bars,
    reference_bar,
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
    from gencsp.runs.references import common_pressure, hull_at, systems_of
    from gencsp.runs.relaxing import engine_of

    require_folder(deck.out)
    engine, pool = engine_of(deck, {}), read_pool(files)
    pressure = common_pressure(pool.structures) if deck.pressure is None else deck.pressure
    with reference_bar() as bar:
        reference = hull_at(
            pressure,
            deck.hull,
            systems_of(pool.structures),
            deck.potential,
            lambda: engine,
            workers=deck.workers,
            report=bar,
        )
    reference.require_model(engine.model)
    with progress_bars() as bars:
        task = bars.add_task("evaluate", total=None, note=f"{len(pool.structures)} structures")
        judged = call(
            pool.structures,
            potential=engine,
            hull=reference,
            pressure=pressure,
            workers=deck.workers,
        )
        bars.update(task, total=1, completed=1)
    judged.sort(key=records.results_first)
    said = write_results(deck.out, "hull", judged)
    print_structures(judged)
    without = [_reason(a.info) for a in judged if records.above_hull(a.info) is None]
    print_failures(counted(without))
    pool.complain()
    say_all(said)
    end(len(without) + len(pool.unreadable))


def _reason(info: dict[str, object]) -> str:
    from gencsp import records

    return str(info.get(records.OUTCOME) or info.get(records.REASON) or "no energy")
