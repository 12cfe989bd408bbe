"""``gencsp dft write``: the inputs of a code."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import complain, end, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.reading import read_pool
from gencsp.runs.pool_decks import DftDeck

if TYPE_CHECKING:
    from ase import Atoms


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
        kind=deck.kind,
        cutoff=deck.cutoff,
        spacing=deck.spacing,
        gap=deck.gap,
        pressure=deck.pressure,
    )
    pool = read_pool(files)
    wanted = [
        atoms
        for atoms in pool.structures
        if not atoms.info.get(records.DUPLICATE_OF) and not records.failed(atoms.info)
    ]
    low, high = _split(wanted, deck.below)
    chosen = low[: deck.top]
    if deck.magnetic_orders is not None:
        chosen = with_orders(chosen, most=deck.magnetic_orders)
    campaign = write_campaign(chosen, folder, str(Choice.read(deck.code)), calculation)
    say(f"wrote {len(campaign.jobs)} calculations to {folder}, level of theory {campaign.level}")
    say(f"next: gencsp dft run {shlex.quote(str(folder))}, here or where the code is installed")
    if len(wanted) < len(pool.structures):
        left = len(pool.structures) - len(wanted)
        say(f"left out: {left} that are duplicates or were not relaxed")
    for reason, number in high.items():
        say(f"left out: {number} {reason}")
    for name, reason in campaign.left_out:
        complain(f"left out: {name}: {reason}")
    pool.complain()
    end(len(pool.unreadable) + len(campaign.left_out))


def _split(structures: list[Atoms], below: float | None) -> tuple[list[Atoms], dict[str, int]]:
    """The structures with an E_d up to a bound, and how many are left out, by reason.

    Raises:
        RequestError: none is left.
    """
    from gencsp import records
    from gencsp.errors import RequestError

    if below is None:
        return structures, {}
    energies = [records.above_hull(atoms.info) for atoms in structures]
    pairs = list(zip(structures, energies, strict=True))
    low = [atoms for atoms, energy in pairs if energy is not None and energy <= below]
    unknown = energies.count(None)
    if not low:
        lowest = min((energy for energy in energies if energy is not None), default=None)
        raise RequestError(
            f"no structure has a decomposition energy up to {below:g} eV/atom: "
            + (
                "none has one at all, see 'gencsp hull'."
                if lowest is None
                else f"the lowest has {lowest:.4f}."
            )
        )
    high = {
        f"above {below:g} eV/atom": len(structures) - len(low) - unknown,
        "without a decomposition energy": unknown,
    }
    return low, {reason: number for reason, number in high.items() if number}
