"""``gencsp dedup``: the distinct crystals of a pool."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from gencsp.cli.console import (
    SHOWN,
    complain,
    kept_on_interrupt,
    progress_bars,
    require_folder,
    say,
)

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.similarity.grouping import Grouping

#: Unreadable files named on the screen.
NAMED = 5


def dedup(
    pools: Annotated[
        list[Path],
        typer.Argument(
            help="CIF, extxyz, POSCAR, ... files, ASE databases, zip archives, folders.",
            metavar="FILES",
        ),
    ],
    same_energy: Annotated[
        float | None,
        typer.Option(help="Different if energies are further apart than this, eV/atom."),
    ] = None,
    scale: Annotated[
        bool,
        typer.Option(help="The same at another volume is the same."),
    ] = True,
    prototypes: Annotated[
        bool, typer.Option(help="The same with other species is the same.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("deduplicated"),
) -> None:
    """Group the structures that are the same crystal; keep one of each, the lowest in energy."""
    from gencsp.similarity.grouping import Grouping, lowest_first

    require_folder(out)
    grouping = Grouping(same_energy=same_energy, scale=scale, prototypes=prototypes)
    pool = lowest_first(_read(pools))
    with kept_on_interrupt("structures") as compared, progress_bars() as bars:
        task = bars.add_task("compare", total=len(pool), note="")
        for name, atoms in pool:
            grouping.add(name, atoms)
            compared.append(atoms)
            bars.update(task, advance=1, note=f"{len(grouping)} unique")
    _print(grouping)
    _write(out, grouping)


def _read(pools: Sequence[Path]) -> list[tuple[str, Atoms]]:
    """Names and structures; what cannot be read is told and left out."""
    from gencsp import records
    from gencsp.errors import StructureFileError
    from gencsp.io.pools import sources

    pool: list[tuple[str, Atoms]] = []
    unreadable: list[str] = []
    for source in sources(pools):
        try:
            structures = source.load()
        except StructureFileError as error:
            unreadable.append(str(error))
            continue
        several = len(structures) > 1
        for number, atoms in enumerate(structures):
            name = f"{source.name}:{number}" if several else source.name
            pool.append((str(atoms.info.get(records.STRUCTURE_ID, name)), atoms))
    for reason in unreadable[:NAMED]:
        complain(f"left out: {reason}")
    if len(unreadable) > NAMED:
        complain(f"left out: {len(unreadable) - NAMED} more that cannot be read.")
    if not pool:
        raise StructureFileError("there is no structure that can be read in what was given.")
    return pool


def _print(grouping: Grouping) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("copies", "formula", "structure", "the same as"):
        table.add_column(title, justify="right" if title == "copies" else "left")
    groups, names = grouping.groups(), grouping.names
    largest = sorted(groups.values(), key=len, reverse=True)
    for members in largest[:SHOWN]:
        others = ", ".join(Path(names[k]).name for k in members[1:4])
        others += ", ..." if len(members) > 4 else ""
        first = grouping.structures[members[0]]
        formula = first.get_chemical_formula(mode="hill", empirical=False)
        table.add_row(str(len(members)), formula, Path(names[members[0]]).name, others)
    Console(soft_wrap=True).print(table)
    if len(groups) > SHOWN:
        say(f"... and {len(groups) - SHOWN} more in the files.")
    say(f"{len(groups)} unique of {len(grouping.structures)} structures")


def _write(folder: Path, grouping: Grouping) -> None:
    from gencsp.files import storage_errors
    from gencsp.io.structures import write_extxyz

    unique, names = grouping.unique(), grouping.names
    written = write_extxyz(folder / "unique.extxyz", unique)
    with storage_errors(folder), (folder / "groups.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["group", "structure", "same_as", "fingerprint_distance"])
        for group, members in enumerate(grouping.groups().values(), start=1):
            for place in members:
                match = grouping.matches[place]
                alike = ("", "") if match is None else (names[match.index], f"{match.distance:.5f}")
                rows.writerow([group, names[place], *alike])
    say(f"wrote {len(unique)} structures to {written}")
    say(f"wrote the groups to {folder / 'groups.csv'}")
