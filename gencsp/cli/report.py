"""``gencsp report``: a run, a pool or a record of a benchmark as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import complain, require_file, say
from gencsp.cli.progress import progress_bars
from gencsp.runs.fields import DEFAULT_WAVELENGTH

if TYPE_CHECKING:
    from gencsp.report.model import Report

#: Name of the page in the folder of a run.
PAGE = "report.html"

ReportOption = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Write report.html, a page to look at, at the end."),
]


def report(
    places: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of a run, or structure files and folders, or a record of a benchmark.",
            metavar="RUN|POOLS|RECORD",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The page: report.html in the folder of the run, or else here.",
            metavar="PAGE",
            show_default=False,
        ),
    ] = None,
    hull: Annotated[
        Path | None,
        typer.Option("--hull", help="Hull references, where they are not those that gencsp has."),
    ] = None,
    xrd: Annotated[
        Path | None,
        typer.Option(
            "--xrd",
            help="Measured powder pattern (xy, xye, cif) that structures are compared with; that "
            "of the run if not given.",
            show_default=False,
        ),
    ] = None,
    wavelength: Annotated[
        str, typer.Option("--wavelength", help="Of that pattern: Å, or CuKa, MoKa, ...")
    ] = DEFAULT_WAVELENGTH,
) -> None:
    """Write one HTML page to look at: hull, plots, table, crystals in 3D; works from the disk."""
    from gencsp.report.collect import collect, run_folder
    from gencsp.report.page import write_page
    from gencsp.runs.patterns import named_pattern

    folder = run_folder(places)
    page = out or ((folder or Path()) / PAGE)
    require_file(page)
    pattern = named_pattern(xrd, wavelength)
    with progress_bars() as bars:
        task = bars.add_task("patterns", total=None, note="") if pattern else None

        def compared(done: int, total: int) -> None:
            if task is not None:
                bars.update(task, completed=done, total=total)

        found = collect(places, hull=hull, pattern=pattern, on_compared=compared)
    for message in found.messages:
        complain(message)
    if out is None and folder is not None:
        _write_into(folder, found)
    else:
        say(f"report: {write_page(found, page)}")


def report_of_run(folder: Path, *, hull: object = None) -> None:
    """Write the page of a run that has just ended; its path is the last line.

    All results are in files by then, so that a page that cannot be made is told and ends nothing.

    Args:
        folder: of the run.
        hull: its references; anything else than a :class:`gencsp.convex_hull.Hull` is passed over.
    """
    from gencsp.convex_hull.hull import Hull
    from gencsp.errors import GencspError
    from gencsp.report.collect import report_of_run as collected

    own = hull if isinstance(hull, Hull) else None
    try:
        _write_into(folder, collected(folder, hull=own, finished=True))
    except GencspError as error:
        complain(f"the results are written, but their page is not: {error}")
        complain(f"try again with: gencsp report {folder}")


def _write_into(folder: Path, found: Report) -> None:
    """Write the page of a run into its folder, as every command writes its results."""
    from gencsp.files import replace_outputs
    from gencsp.report.page import write_page

    with replace_outputs(folder, "report") as new:
        write_page(found, new / PAGE)
    say(f"report: {folder / PAGE}")
