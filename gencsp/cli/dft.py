"""``gencsp dft``: density functional theory on the best structures of a search."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from gencsp.cli.console import (
    complain,
    print_structures,
    progress_bars,
    require_folder,
    say,
    write_results,
)
from gencsp.cli.options import FilesArgument, HullOption

dft = typer.Typer(
    help="Density functional theory: inputs written, codes run, results read back.",
    no_args_is_help=True,
)

CampaignArgument = Annotated[
    Path, typer.Argument(help="Folder that 'gencsp dft write' made.", metavar="DIR")
]


@dft.command("write")
def write(
    files: FilesArgument,
    folder: Annotated[Path, typer.Argument(help="New folder.", metavar="DIR")],
    code: Annotated[str, typer.Option(help="espresso:PSEUDOS, vasp, vasp:scan or gpaw.")],
    kind: Annotated[
        Literal["static", "relax"], typer.Option(help="Single points, or relaxations.")
    ] = "static",
    cutoff: Annotated[float | None, typer.Option(help="Plane-wave cutoff, eV.")] = None,
    spacing: Annotated[
        float, typer.Option(help="Spacing of k-points, 1/Å; VASP's sets have their own.")
    ] = 0.25,
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    top: Annotated[int | None, typer.Option(min=1, help="The first so many only.")] = None,
) -> None:
    """Write the inputs of a code, one folder for each structure."""
    from gencsp import records
    from gencsp.dft import write_campaign
    from gencsp.dft.base import Calculation
    from gencsp.io.structures import read_structures

    calculation = Calculation(
        kind=kind,
        cutoff=cutoff,
        spacing=spacing,
        pressure=pressure,
    )
    structures = [a for a in read_structures(files) if not a.info.get(records.DUPLICATE_OF)][:top]
    campaign = write_campaign(structures, folder, code, calculation)
    say(f"wrote {len(campaign.jobs)} calculations to {folder}, level of theory {campaign.level}")
    say(f"next: gencsp dft run {shlex.quote(str(folder))}, here or where the code is installed")


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
    if failed:
        raise typer.Exit(1)


@dft.command("read")
def read(
    folder: CampaignArgument,
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("dft"),
) -> None:
    """Read the results; they are entries of a hull of their own level of theory."""
    from gencsp import records
    from gencsp.convex_hull.entries import write_entries
    from gencsp.convex_hull.hull import Hull
    from gencsp.dft import read_campaign
    from gencsp.dft.campaign import entries

    require_folder(out)
    campaign = read_campaign(folder)
    for job, result in campaign.results():
        if isinstance(result, str):
            complain(f"{job.folder} ({job.structure_id}): {result}")
    found = list(campaign.structures())
    reference = None if hull is None else Hull.load(hull)
    if reference is not None:
        reference.require_model(campaign.level)
    for atoms in found:
        records.name_space_group(atoms)
        if reference is not None:
            records.write_decomposition_energy(atoms, reference)
    found.sort(key=lambda atoms: records.ranking_energy(atoms.info) or 0.0)
    print_structures(found)
    if found:
        write_results(out, "dft", found)
        table = write_entries(out / "entries.csv", entries(found))
        say(f"wrote {len(found)} hull entries to {table}")
    say(f"{len(found)} of {len(campaign.jobs)} calculations, level of theory {campaign.level}")
