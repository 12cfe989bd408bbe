"""``gencsp fetch``: hull entries and crystals from databases on the web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gencsp.cli.console import complain, require_folder, say
from gencsp.cli.tables import print_structures

if TYPE_CHECKING:
    from ase import Atoms

fetch = typer.Typer(
    help="Hull entries and crystals from databases on the web; answers are kept on disk.",
    no_args_is_help=True,
)

OutOption = Annotated[Path, typer.Option(help="Folder for the results.")]
RefreshOption = Annotated[bool, typer.Option("--refresh", help="Ask again for what is kept.")]
SystemArgument = Annotated[
    str, typer.Argument(help="Chemical system, such as Li-Si.", metavar="SYSTEM")
]
FormulaOption = Annotated[str | None, typer.Option(help="Crystals of this formula only.")]


@fetch.command("mp")
def materials_project(
    system: SystemArgument,
    formula: FormulaOption = None,
    above_hull: Annotated[
        float, typer.Option(help="Crystals at most so far above the hull, eV/atom.")
    ] = 0.1,
    thermo_type: Annotated[
        Literal["GGA_GGA+U", "GGA_GGA+U_R2SCAN", "R2SCAN"],
        typer.Option(help="Whose energies make the hull."),
    ] = "GGA_GGA+U",
    refresh: RefreshOption = False,
    endpoint: Annotated[str | None, typer.Option(help="Another address of the database.")] = None,
    out: OutOption = Path("mp"),
) -> None:
    """The Materials Project, with your own key in MP_API_KEY.

    Writes entries.csv (a hull of the project's own energies) and structures.extxyz.
    """
    from gencsp.convex_hull.entries import write_entries
    from gencsp.deck import NonNegative, check
    from gencsp.sources import materials_project as mp
    from gencsp.sources.web import Web, default_cache

    require_folder(out)
    check("above_hull", above_hull, NonNegative)
    web = Web(cache=default_cache(), refresh=refresh)
    elements = system.split("-")
    address = (endpoint or mp.ENDPOINT).rstrip("/")
    entries = mp.fetch_entries(elements, web=web, thermo_type=thermo_type, endpoint=address)
    found = list(
        mp.fetch_structures(
            elements, web=web, formula=formula, above_hull=above_hull, endpoint=address
        )
    )
    say(f"wrote {len(entries)} entries to {write_entries(out / 'entries.csv', entries)}")
    _write_crystals(out, found)


@fetch.command("optimade")
def optimade(
    url: Annotated[str, typer.Argument(help="Base address of the database.", metavar="URL")],
    system: Annotated[
        str | None, typer.Argument(help="Chemical system, such as Li-Si.", metavar="[SYSTEM]")
    ] = None,
    formula: FormulaOption = None,
    query: Annotated[
        str | None, typer.Option("--filter", help="Instead: a filter in OPTIMADE's language.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Crystals at most.")] = 1000,
    energy: Annotated[
        str, typer.Option(help="The database's field with the energy in eV/atom, for a hull.")
    ] = "",
    level: Annotated[str, typer.Option(help="Level of theory of these energies.")] = "",
    refresh: RefreshOption = False,
    out: OutOption = Path("optimade"),
) -> None:
    """Any database that speaks OPTIMADE.

    Writes structures.extxyz and, with --energy and --level, entries.csv.
    """
    from gencsp import records
    from gencsp.convex_hull.entries import write_entries
    from gencsp.errors import RequestError
    from gencsp.sources.optimade import Optimade, entry_of, formula_filter, system_filter
    from gencsp.sources.web import Web, default_cache

    require_folder(out)
    if sum(given is not None for given in (system, formula, query)) != 1:
        raise RequestError("give one of a chemical system, --formula and --filter.")
    if bool(energy) != bool(level):
        raise RequestError("--energy and --level go together: a hull has one level of theory.")
    if query is None:
        query = formula_filter(formula) if formula else system_filter((system or "").split("-"))
    database = Optimade(url, web=Web(cache=default_cache(), refresh=refresh))
    found = list(database.structures(query, most=most, energy=energy, level=level))
    for reason, n in sorted(database.skipped.items()):
        complain(f"left out {n} crystals: {reason}")
    _write_crystals(out, found)
    if energy:
        entries = [entry_of(a) for a in found if records.ENERGY_PER_ATOM in a.info]
        if not entries:
            complain(f"no crystal has the energy {energy}: there are no hull entries.")
            return
        say(f"wrote {len(entries)} entries to {write_entries(out / 'entries.csv', entries)}")


def _write_crystals(out: Path, found: list[Atoms]) -> None:
    from gencsp.io.structures import write_extxyz
    from gencsp.records import name_space_group

    for atoms in found:
        name_space_group(atoms)
    print_structures(found)
    if found:
        pool = write_extxyz(out / "structures.extxyz", found)
        say(f"wrote {len(found)} crystals to {pool}")
    else:
        complain("no crystal was found.")
