"""``gencsp refine``: symmetrise frameworks and inpaint their guests again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import (
    StageBars,
    print_structures,
    progress_bars,
    require_folder,
    split_species,
    write_results,
)
from gencsp.cli.options import EngineOption, FilesArgument, HullOption, PotentialOption


def refine(
    files: FilesArgument,
    guests: Annotated[
        str | None, typer.Option(help="Species to inpaint, such as Li; chosen if not given.")
    ] = None,
    inpaintings: Annotated[int, typer.Option(help="Structures to inpaint a framework.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.1,
    steps: Annotated[int, typer.Option(help="Most minimiser steps.")] = 200,
    keep_symmetry: Annotated[
        bool, typer.Option(help="Keep the symmetry of inpainted structures while they relax.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Worker processes of one thread.")] = 2,
    weights: Annotated[Path | None, typer.Option(help="Score-model weights of your own.")] = None,
    engine: EngineOption = "auto",
    potential: PotentialOption = "chgnet",
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("refined"),
) -> None:
    """Take guests out, symmetrise the framework, inpaint the guests, relax again."""
    from gencsp.api import refine as call
    from gencsp.deck import Count, Seed, Workers, check
    from gencsp.io.structures import read_structures
    from gencsp.minimise import RelaxSettings

    # What is wrong is told before files are read and a bar is drawn.
    RelaxSettings(fmax=fmax, steps=steps)
    check("inpaintings", inpaintings, Count)
    check("seed", seed, Seed)
    check("workers", workers, Workers)
    require_folder(out)
    structures = read_structures(files)
    with progress_bars() as bars:
        refined = call(
            structures,
            guests=split_species(guests),
            inpaintings=inpaintings,
            seed=seed,
            fmax=fmax,
            steps=steps,
            keep_symmetry=keep_symmetry,
            weights=weights,
            engine=engine,
            potential=potential,
            entries=hull,
            workers=workers,
            report=StageBars(bars).show,
        )
    print_structures(refined)
    write_results(out, "refined", refined)
