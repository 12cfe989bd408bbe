"""``gencsp export``: seeds for another CSP code from a pool, or a data set for training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import complain, end, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import SHOWN, add_row, print_table, table_of
from gencsp.runs.pool_decks import SeedsDeck

if TYPE_CHECKING:
    from gencsp.exporters import ExportReport
    from gencsp.exporters.dataset import DatasetReport


@deck_options(SeedsDeck, argument="")
def export(
    *,
    pool: FilesArgument,
    folder: Annotated[Path, typer.Argument(help="New folder for the seeds.", metavar="DIR")],
    deck: SeedsDeck,
) -> None:
    """Write a pool as seeds of another code, or as a data set to train potentials on."""
    from gencsp.api import export as call
    from gencsp.exporters import ExportReport, get_exporter
    from gencsp.runs.pools import dataset_of

    if dataset_of(deck) is None:
        get_exporter(deck.to)  # a code that does not exist is told before files are read
    found = read_pool(pool)
    report = call(found.structures, folder, **deck.given)
    if isinstance(report, ExportReport):
        _show(report)
    else:
        _show_dataset(report)
    found.complain()
    end(len(found.unreadable))


def _show_dataset(report: DatasetReport) -> None:
    say(f"wrote {report.train} structures to train on, with energies of {report.model}")
    if report.valid:
        say(f"wrote {report.valid} structures to validate on")
    else:
        complain(
            "there is nothing to validate on: whole compositions are held back, and there is one; "
            "--to dataset:split=structure takes single structures."
        )
    for reason, n in report.left_out.items():
        say(f"left out: {n} {reason}")
    say(f"next: read the files in {report.folder} with MACE, CHGNet or matgl")


def _show(report: ExportReport) -> None:
    changes = [seed for seed in report.seeds if seed.changes]
    say(f"wrote {len(report.seeds)} seeds of {report.composition} to {report.folder}")
    if changes:
        say(f"brought into the form that {report.code} reads: {len(changes)}")
    if report.left_out:
        table = table_of("left out", "because")
        for one in report.left_out[:SHOWN]:
            add_row(table, one.structure_id, one.reason)
        print_table(table)
        if len(report.left_out) > SHOWN:
            say(f"... and {len(report.left_out) - SHOWN} more in gencsp-seeds.json.")
        sized = sum(one.for_size for one in report.left_out)
        if sized:
            say(
                f"{sized} of {sized + len(report.seeds)} are left out for their number of atoms "
                f"alone: --fit takes them in as supercells or primitive cells."
            )
    say(f"next: {report.start}")
