"""``gencsp dft write``: the inputs of a code."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import complain, end, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.reading import read_pool
from gencsp.runs.pool_decks import DftDeck


@deck_options(DftDeck)
def write(
    *,
    files: FilesArgument,
    folder: Annotated[Path, typer.Argument(help="New folder.", metavar="DIR")],
    deck: DftDeck,
) -> None:
    """Write the inputs of a code, one folder for each structure."""
    from gencsp import records
    from gencsp.dft import write_campaign
    from gencsp.dft.base import Calculation
    from gencsp.dft.magnetic import with_orders
    from gencsp.plugins import Choice

    calculation = Calculation(
        kind=deck.kind, cutoff=deck.cutoff, spacing=deck.spacing, pressure=deck.pressure
    )
    pool = read_pool(files)
    wanted = [
        atoms
        for atoms in pool.structures
        if not atoms.info.get(records.DUPLICATE_OF) and not records.failed(atoms.info)
    ]
    chosen = wanted[: deck.top]
    if deck.magnetic_orders is not None:
        chosen = with_orders(chosen, most=deck.magnetic_orders)
    campaign = write_campaign(chosen, folder, str(Choice.read(deck.code)), calculation)
    say(f"wrote {len(campaign.jobs)} calculations to {folder}, level of theory {campaign.level}")
    say(f"next: gencsp dft run {shlex.quote(str(folder))}, here or where the code is installed")
    if len(wanted) < len(pool.structures):
        left = len(pool.structures) - len(wanted)
        say(f"left out: {left} that are duplicates or were not relaxed")
    for name, reason in campaign.left_out:
        complain(f"left out: {name}: {reason}")
    pool.complain()
    end(len(pool.unreadable) + len(campaign.left_out))
