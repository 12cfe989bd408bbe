"""``gencsp cycle``: generate, relax, refine, inpaint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import (
    INTERRUPTED,
    StageBars,
    complain,
    print_failures,
    print_structures,
    progress_bars,
    require_folder,
    say,
    split_species,
    write_results,
)
from gencsp.cli.options import EngineOption, PotentialOption
from gencsp.cli.second_opinion import SecondOption, TopOption, potential_of, show_second_opinion

if TYPE_CHECKING:
    from gencsp.searches.cycle import Cycle


def cycle(
    formula: Annotated[
        str, typer.Argument(help="Formula unit, such as Li5Si2.", metavar="FORMULA")
    ],
    guests: Annotated[
        str | None,
        typer.Option(help="Species to inpaint, such as Li or Li,Na; chosen if not given."),
    ] = None,
    atoms: Annotated[int, typer.Option(help="Most atoms in a generated cell.")] = 20,
    n: Annotated[int, typer.Option("--n", "-n", help="Structures to generate.")] = 20,
    inpaintings: Annotated[int, typer.Option(help="Structures to inpaint a framework.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    workers: Annotated[int, typer.Option(help="Worker processes of one thread each.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run [default: runs/FORMULA-SEED].")
    ] = None,
    proposer: Annotated[str, typer.Option(help="Proposer that generates.")] = "mixed",
    weights: Annotated[Path | None, typer.Option(help="Score-model weights of your own.")] = None,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.1,
    steps: Annotated[int, typer.Option(help="Most minimiser steps.")] = 200,
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    keep_symmetry: Annotated[
        bool, typer.Option(help="Keep the symmetry of inpainted structures while they relax.")
    ] = False,
    engine: EngineOption = "auto",
    potential: PotentialOption = "chgnet",
    hull: Annotated[Path | None, typer.Option(help="Hull entries of your own.")] = None,
    second: SecondOption = None,
    top: TopOption = 10,
) -> None:
    """Search crystal structures of a composition: generate, relax, refine, inpaint.

    The same command goes on with a run that was stopped.
    """
    from gencsp.runs.decks import CycleDeck

    deck = CycleDeck.make(
        formula=formula,
        guests=split_species(guests),
        atoms=atoms,
        n=n,
        inpaintings=inpaintings,
        seed=seed,
        workers=workers,
        out=out,
        proposer=proposer,
        weights=weights,
        fmax=fmax,
        steps=steps,
        pressure=pressure,
        keep_symmetry=keep_symmetry,
        engine=engine,
        potential=potential,
        hull=hull,
    )
    from gencsp.runs.cycle import open_cycle

    require_folder(deck.folder)
    other = potential_of(second)
    try:
        with open_cycle(deck) as search:
            _watch(search)
            _report(search, deck.folder)
            show_second_opinion(
                search.ranking(),
                other,
                top=top,
                settings=search.settings.relax,
                folder=deck.folder,
            )
    except KeyboardInterrupt:
        complain(
            f"stopped. What was finished is in {deck.folder}: repeat the same command to go on."
        )
        raise typer.Exit(INTERRUPTED) from None


def _watch(search: Cycle) -> None:
    with progress_bars() as bars:
        stages = StageBars(bars)
        for step in search.irun():
            stages.show(step)


def _report(search: Cycle, folder: Path) -> None:
    structures = search.ranking()
    print_structures(structures)
    if search.guest_choice is not None:
        say(f"guests: {search.guest_choice.reason}")
    print_failures(search.failures())
    if structures:
        write_results(folder, "ranked", structures)
    else:
        complain("no structure came through: generate more with --n, or allow more --steps.")
    say(f"every structure, with its provenance: {folder / 'run.db'}")
