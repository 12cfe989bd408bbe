"""The command ``gencsp``: one file for each sub-command.

No torch is imported here, so that ``--help`` is quick: beside decks, whose fields are options,
commands import what they need when they run.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gencsp import __version__
from gencsp.cli.console import Commands, say
from gencsp.cli.cycle import cycle
from gencsp.cli.dedup import dedup
from gencsp.cli.dft import dft
from gencsp.cli.export import export
from gencsp.cli.fetch import fetch
from gencsp.cli.filter import filter_pools
from gencsp.cli.hull import hull
from gencsp.cli.import_results import import_results
from gencsp.cli.info import info
from gencsp.cli.propose import propose
from gencsp.cli.references import references
from gencsp.cli.refine import refine
from gencsp.cli.relax import relax
from gencsp.cli.search import resume, search, status
from gencsp.cli.train_joint import app as train

# spglib's C library writes to stderr by itself whenever a tolerance finds no group, which is what
# the ladder of refinement expects. Workers inherit the setting.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

app = typer.Typer(
    cls=Commands,
    name="gencsp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"gencsp {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Generative crystal models joined with crystal structure prediction."""


for _command in (cycle, search, resume, status, propose, relax, refine, hull, dedup, export, info):
    app.command()(_command)
app.command("filter")(filter_pools)
app.command("import")(import_results)
app.command()(references)
app.add_typer(fetch, name="fetch")
app.add_typer(dft, name="dft")
app.add_typer(train, name="train")

__all__ = ["app"]
