"""``gencsp export``: seeds for another CSP code from a pool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from gencsp.cli.console import SHOWN, print_table, say
from gencsp.cli.options import FilesArgument

if TYPE_CHECKING:
    from gencsp.exporters import ExportReport


def export(
    pool: FilesArgument,
    folder: Annotated[Path, typer.Argument(help="New folder for the seeds.", metavar="DIR")],
    to: Annotated[str, typer.Option(help="Code: airss, uspex, calypso, xtalopt, cryspy, ...")],
    formula: Annotated[
        str | None, typer.Option(help="Composition to hand over, of a pool with several.")
    ] = None,
    atoms: Annotated[int | None, typer.Option(min=1, help="Atoms in every cell.")] = None,
    fit: Annotated[
        bool, typer.Option(help="Make supercells, or take primitive cells, to reach that number.")
    ] = False,
    pressure: Annotated[
        float | None, typer.Option(help="Of the search, GPa; that of the pool if not given.")
    ] = None,
) -> None:
    """Write a pool as seeds of another code, with a minimal deck and a map of their origins."""
    from gencsp.api import export as call
    from gencsp.exporters import get_exporter
    from gencsp.io.structures import read_structures

    get_exporter(to)  # a code that does not exist is told before files are read
    made = call(
        read_structures(pool),
        folder,
        to=to,
        formula=formula,
        atoms=atoms,
        fit=fit,
        pressure=pressure,
    )
    _show(made)


def _show(report: ExportReport) -> None:
    changes = [seed for seed in report.seeds if seed.changes]
    say(f"wrote {len(report.seeds)} seeds of {report.composition} to {report.folder}")
    if changes:
        say(f"brought into the form that {report.code} reads: {len(changes)}")
    if report.left_out:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("left out", no_wrap=True)
        table.add_column("because")
        for one in report.left_out[:SHOWN]:
            table.add_row(Text(one.structure_id), Text(one.reason))
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
