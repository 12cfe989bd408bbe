"""The command ``gencsp``: one file for each sub-command.

Nothing heavy is imported here, so that ``--help`` is quick: commands import what they need when
they run, and those whose options are the fields of a deck are imported themselves only then.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gencsp import __version__
from gencsp.cli.bench import bench
from gencsp.cli.check import check
from gencsp.cli.console import Commands, say
from gencsp.cli.dft import dft
from gencsp.cli.fetch import fetch
from gencsp.cli.import_results import import_results
from gencsp.cli.info import info
from gencsp.cli.plot import plot
from gencsp.cli.report import report
from gencsp.cli.train import app as train
from gencsp.cli.watch import watch

# spglib's C library writes to stderr by itself whenever a tolerance finds no group, which is what
# the ladder of refinement expects. Workers inherit the setting.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

app = typer.Typer(
    cls=Commands,
    name="gencsp",
    no_args_is_help=True,
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


#: Commands made from decks: where they are, and the first line of their help.
LATE = {
    "cycle": (
        "gencsp.cli.cycle:cycle",
        "Search crystal structures of a composition or a system: generate, relax, refine, inpaint.",
    ),
    "search": (
        "gencsp.cli.search:search",
        "Search crystal structures at random, by basin hopping or genetically, seeded by "
        "proposers.",
    ),
    "estimate": (
        "gencsp.cli.estimate:estimate",
        "Say what a search would take on many workers and cost: times some trials, simulates "
        "others.",
    ),
    "discover": (
        "gencsp.cli.discover:discover",
        "Generate crystals, filter and relax them, search their compositions, rank what is found.",
    ),
    "synergy": (
        "gencsp.cli.synergy:synergy",
        "Compare searches seeded with generated crystals with searches of composition alone.",
    ),
    "make-data": (
        "gencsp.cli.make_data:make_data",
        "Make training crystals: exchange elements of known ones, relax, keep what is near the "
        "hull.",
    ),
    "resume": (
        "gencsp.cli.search:resume",
        "Go on with a search that was stopped, or that is to have a larger budget.",
    ),
    "status": (
        "gencsp.cli.search:status",
        "Say how far a run is; it may be running.",
    ),
    "propose": (
        "gencsp.cli.propose:propose",
        "Propose crystal structures of a composition, or compositions and structures de novo.",
    ),
    "relax": (
        "gencsp.cli.relax:relax",
        "Relax structures with CHGNet or another potential; failures are kept, with the reason.",
    ),
    "refine": (
        "gencsp.cli.refine:refine",
        "Take guests out, symmetrise the framework, inpaint the guests, relax again.",
    ),
    "reconstruct": (
        "gencsp.cli.reconstruct:reconstruct",
        "Encode crystals by DP-CDVAE and decode them again; says how many come back.",
    ),
    "intercalate": (
        "gencsp.cli.intercalate:intercalate",
        "Place guests in a host over a series of contents: hull over x, voltages, volumes.",
    ),
    "hull": (
        "gencsp.cli.hull:hull",
        "Decomposition energies of structures as they are, or the phases of a system: Li-Si.",
    ),
    "filter": (
        "gencsp.cli.filter:filter_pools",
        "Sort out implausible and known structures; what is left is worth a relaxation.",
    ),
    "analyse": (
        "gencsp.cli.analyse:analyse",
        "Local order of a pool beside known crystals, and what relaxation changed.",
    ),
    "dedup": (
        "gencsp.cli.dedup:dedup",
        "Group the structures that are the same crystal; keep one of each, the lowest in energy.",
    ),
    "export": (
        "gencsp.cli.export:export",
        "Write a pool as seeds of another code, or as a data set to train potentials on.",
    ),
    "second-opinion": (
        "gencsp.cli.second_opinion:second_opinion_of_pool",
        "Relax the best structures of a pool with another potential, and rank them again.",
    ),
    "references": (
        "gencsp.cli.references:references",
        "Relax reference crystals of a chemical system with a potential, for --hull.",
    ),
}
Commands.late = {name: where for name, (where, _) in LATE.items()}


def _stand_in() -> None:
    """Never runs: the group imports the command itself when it is called."""


for _name, (_, _help) in LATE.items():
    app.command(_name, help=_help)(_stand_in)
for _command in (check, info, plot, report, watch):
    app.command()(_command)
app.command("import")(import_results)
app.add_typer(bench, name="bench")
app.add_typer(fetch, name="fetch")
app.add_typer(dft, name="dft")
app.add_typer(train, name="train")

__all__ = ["app"]
