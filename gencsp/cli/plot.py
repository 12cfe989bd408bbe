"""``gencsp plot``: figures of a run or a pool for papers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gencsp.cli.console import require_folder, say_all

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.report.model import Report

Kind = Literal["hull", "trace", "volume", "origins", "powder"]


def plot(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="hull; trace: energy against trial; volume: energy against volume; origins: moves "
            "and proposers; powder: a powder pattern."
        ),
    ],
    places: Annotated[
        list[Path],
        typer.Argument(help="Folder of a run, or structure files.", metavar="RUN|POOLS"),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Figure without ending; KIND if not given.", metavar="NAME"),
    ] = None,
    formats: Annotated[
        str, typer.Option("--formats", help="Endings, such as pdf,svg,png.")
    ] = "pdf,svg,png",
    hull: Annotated[
        Path | None,
        typer.Option("--hull", help="Hull references, where they are not those that gencsp has."),
    ] = None,
    structure: Annotated[
        str | None,
        typer.Option("--id", help="Structure of a powder pattern; the lowest if not given."),
    ] = None,
    xrd: Annotated[
        Path | None, typer.Option("--xrd", help="Measured powder pattern to draw it beside.")
    ] = None,
    wavelength: Annotated[
        str, typer.Option("--wavelength", help="Of powder patterns, Å, or CuKa, MoKa, ...")
    ] = "CuKa",
) -> None:
    """Draw a figure of a run or a pool for a paper: PDF, SVG and PNG, one column wide."""
    from matplotlib.figure import Figure

    from gencsp.io.figures import save_figure
    from gencsp.powder.measured import MeasuredPattern
    from gencsp.report.collect import collect
    from gencsp.report.plots import PLOTS, plot_powder

    endings = _endings(formats)
    target = out or Path(kind)
    require_folder(target.parent)
    if kind == "powder":
        measured = None if xrd is None else MeasuredPattern.read(xrd, wavelength=wavelength)
        axes = plot_powder(
            _structure(collect(places, hull=hull), structure), measured, wavelength=wavelength
        )
    else:
        axes = PLOTS[kind](collect(places, hull=hull))
    figure = axes.get_figure()
    assert isinstance(figure, Figure), "these axes are on no sub-figure"
    say_all(f"wrote {file}" for file in save_figure(figure, target, endings))


def _endings(formats: str) -> tuple[str, ...]:
    from gencsp.errors import RequestError
    from gencsp.io.figures import FORMATS

    endings = tuple(part.strip().lstrip(".") for part in formats.split(",") if part.strip())
    wrong = [ending for ending in endings if ending not in FORMATS]
    if wrong or not endings:
        raise RequestError(
            f"'{formats}' are no endings of figures: give some of {', '.join(FORMATS)}."
        )
    return endings


def _structure(report: Report, wanted: str | None) -> Atoms:
    from gencsp.errors import RequestError

    if not report.structures:
        raise RequestError(f"{report.place} holds no structure to compute a pattern of.")
    if wanted is None:
        return report.structures[0].atoms
    for one in report.structures:
        if one.structure_id == wanted:
            return one.atoms
    raise RequestError(
        f"{report.place} holds no structure '{wanted}': the table of the run names them."
    )
