"""``gencsp dft``: density functional theory on the best structures of a search."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from gencsp.cli.console import Commands, complain, end, require_folder, say, say_all, write_results
from gencsp.cli.options import HullOption
from gencsp.cli.progress import progress_bars
from gencsp.cli.tables import print_structures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms

    from gencsp.convex_hull.hull import Hull


class DftCommands(Commands):
    """Those of ``gencsp dft``; the options of one are the fields of a deck."""

    late: ClassVar[dict[str, str]] = {"write": "gencsp.cli.dft_write:write"}


dft = typer.Typer(
    cls=DftCommands,
    help="Density functional theory: inputs written, codes run, results read back.",
    no_args_is_help=True,
)

CampaignArgument = Annotated[
    Path, typer.Argument(help="Folder that 'gencsp dft write' made.", metavar="DIR")
]


@dft.command("write", help="Write the inputs of a code, one folder for each structure.")
def _stand_in() -> None:
    """Never runs: the group imports the command itself when it is called."""


@dft.command("run")
def run(
    folder: CampaignArgument,
    command: Annotated[
        str | None, typer.Option(help="How the code is run, such as 'mpirun -n 4 pw.x -in ...'.")
    ] = None,
    hours: Annotated[float, typer.Option(help="Most wall time for a structure.")] = 24.0,
    retries: Annotated[int, typer.Option(help="Starts again after a failure.")] = 2,
) -> None:
    """Run what has not been run, one after another, under custodian."""
    from gencsp.dft import read_campaign

    campaign = read_campaign(folder)
    waiting = sum(not campaign.is_done(job) for job in campaign.jobs)
    failed = 0
    with progress_bars() as bars:
        task = bars.add_task(campaign.code_name, total=waiting, note=campaign.level)
        for job, fault in campaign.run(
            command=shlex.split(command or ""), seconds=3600 * hours, retries=retries
        ):
            bars.advance(task)
            if fault:
                failed += 1
                complain(f"{job.folder} ({job.structure_id}): {fault}")
    say(f"{waiting - failed} of {waiting} calculations ran")
    end(failed)


@dft.command("read")
def read(
    folder: CampaignArgument,
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("dft"),
) -> None:
    """Read the results; they are entries of a hull of their own level of theory."""
    from gencsp import records
    from gencsp.convex_hull.hull import Hull
    from gencsp.dft import read_campaign

    require_folder(out)
    campaign = read_campaign(folder)
    without = [(job, result) for job, result in campaign.results() if isinstance(result, str)]
    found = list(campaign.structures())
    reference = None if hull is None else Hull.load(hull)
    if reference is not None:
        reference.require_model(campaign.level)
        reference.require_pressure(campaign.pressure)
    for atoms in found:
        records.name_space_group(atoms)
        if reference is not None:
            _judge(atoms, reference)
    found.sort(key=records.results_first)
    said = write_results(
        out, "dft", found, also=lambda new: [_write_entries(new, out, found)] if found else []
    )
    print_structures(found)
    say_all(_lowest_orders(found))
    for job, why in without:
        complain(f"{job.folder} ({job.structure_id}): {why}")
    say_all(said)
    say(f"{len(found)} of {len(campaign.jobs)} calculations, level of theory {campaign.level}")
    end(len(without))


def _judge(atoms: Atoms, reference: Hull) -> None:
    from gencsp import records
    from gencsp.errors import HullReferenceError

    try:
        records.write_decomposition_energy(atoms, reference)
    except HullReferenceError as error:
        atoms.info[records.REASON] = str(error)


def _lowest_orders(found: Sequence[Atoms]) -> Iterator[str]:
    """Which magnetic order of each structure came out lowest."""
    from gencsp import records

    groups: dict[str, list[Atoms]] = {}
    for atoms in found:
        if records.MAGNETIC_ORDER in atoms.info:
            source = str(atoms.info[records.PARENTS]).rpartition("-")[0]
            groups.setdefault(source, []).append(atoms)
    for source, orders in groups.items():
        if len(orders) < 2:
            continue
        orders.sort(key=lambda atoms: float(atoms.info[records.ENERGY_PER_ATOM]))
        energies = [float(atoms.info[records.ENERGY_PER_ATOM]) for atoms in orders]
        first = orders[0].info
        yield (
            f"{source}: the lowest of {len(orders)} magnetic orders started "
            f"{first[records.MAGNETIC_ORDER]} ({first[records.STRUCTURE_ID]}), "
            f"{energies[1] - energies[0]:.4f} eV/atom below the next"
        )


def _write_entries(new: Path, out: Path, found: Sequence[Atoms]) -> str:
    from gencsp.convex_hull.entries import write_entries
    from gencsp.dft.campaign import entries

    write_entries(new / "entries.csv", entries(found))
    return f"wrote {len(found)} hull entries to {out / 'entries.csv'}"
