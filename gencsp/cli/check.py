"""``gencsp check``: what is whole in the folder of a run, and a new run of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import FAILED, say

if TYPE_CHECKING:
    from gencsp.store.recovery import RunCheck

#: Damaged tasks on the screen.
NAMED = 20


def check(
    place: Annotated[
        Path, typer.Argument(help="Folder of the run, or its database.", metavar="DIR")
    ],
    recover: Annotated[
        Path | None,
        typer.Option(help="Write what is whole to this new folder, to go on with.", metavar="NEW"),
    ] = None,
) -> None:
    """Compare a run with the digests kept of it: say what is whole, and save that with --recover.

    Exit status 1 where something is damaged or missing, and 0 where all is as it was written.
    """
    from gencsp.store.recovery import check_run

    found = check_run(place)
    _print(found)
    if recover is not None:
        _recover(found, recover)
    if not found.is_whole:
        raise typer.Exit(FAILED)


def _print(found: RunCheck) -> None:
    say(f"{len(found.whole)} finished tasks with {found.structures} structures are whole")
    for task, why in list(found.damaged.items())[:NAMED]:
        say(f"damaged: task {ascii(task)[1:-1]}, {why}")
    if len(found.damaged) > NAMED:
        say(f"... and {len(found.damaged) - NAMED} more damaged tasks")
    for fault in found.faults:
        say(f"damaged: {fault}")


def _recover(found: RunCheck, new: Path) -> None:
    from gencsp.runs.settings import move_deck
    from gencsp.store.recovery import recover

    tasks = recover(found, new)
    say(f"wrote {tasks} tasks to {new}")
    if move_deck(found.path.parent, new):
        say(f"go on with: gencsp resume {new}")
    else:
        say(f"go on with the command of the run and --out {new}")
