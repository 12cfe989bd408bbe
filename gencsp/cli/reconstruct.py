"""``gencsp reconstruct``: crystals into latent vectors of DP-CDVAE, and back."""

from __future__ import annotations

from gencsp.cli.console import (
    end,
    kept_on_interrupt,
    require_folder,
    say_all,
    write_results,
)
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.progress import progress_bars
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import print_structures
from gencsp.runs.pool_decks import ReconstructDeck


@deck_options(ReconstructDeck)
def reconstruct(*, files: FilesArgument, deck: ReconstructDeck) -> None:
    """Encode crystals by DP-CDVAE and decode them again; says how many come back."""
    from gencsp.measure.match_rate import match_rate
    from gencsp.records import name_space_group
    from gencsp.runs.reconstructing import reconstruct_pool

    require_folder(deck.out)
    pool = read_pool(files)
    with kept_on_interrupt("reconstructions") as made, progress_bars() as bars:
        task = bars.add_task("reconstruct", total=len(pool.structures), note="")
        for structure in reconstruct_pool(pool.structures, deck):
            name_space_group(structure)
            made.append(structure)
            bars.advance(task)
    said = write_results(deck.out, "reconstructed", made)
    print_structures(made)
    rate = match_rate(zip(pool.structures, made, strict=False))
    said.append(
        f"{rate.matched} of {rate.crystals} match"
        + (f", {rate.rms:.4f} (V/N)^(1/3) apart on average" if rate.matched else "")
    )
    pool.complain()
    say_all(said)
    end(len(pool.unreadable))
