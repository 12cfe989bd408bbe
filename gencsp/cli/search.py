"""``gencsp search``: random search, basin hopping and genetic search, seeded by proposers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from gencsp.cli.console import (
    INTERRUPTED,
    complain,
    print_failures,
    print_structures,
    print_table,
    progress_bars,
    require_folder,
    say,
    split_species,
    write_results,
)
from gencsp.cli.options import EngineOption, PotentialOption
from gencsp.cli.search_cycle import search_by_cycle
from gencsp.cli.second_opinion import SecondOption, TopOption, potential_of, show_second_opinion

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from gencsp.runs.decks import SearchDeck
    from gencsp.searches.loop import Search, SearchProgress

#: Names of skipped seeds on the screen.
NAMED = 5


def search(
    context: typer.Context,
    formula: Annotated[
        str | None,
        typer.Argument(
            help="Composition, such as TiO2, or chemical system, such as Ti-O.",
            metavar="[FORMULA|SYSTEM]",
        ),
    ] = None,
    system: Annotated[str | None, typer.Option(help="Chemical system, such as Li-Si.")] = None,
    airss: Annotated[Path | None, typer.Option(help="AIRSS .cell deck.")] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "--driver",
            help="How to search: random, hop, genetic, cycle, or your own; NAME:KEY=VALUE.",
        ),
    ] = "random",
    budget: Annotated[int, typer.Option(help="Trials, each of at most one relaxation.")] = 100,
    minutes: Annotated[float | None, typer.Option(help="Most wall time of a session.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many relaxations without a new minimum.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="Stop when a crystal of FILE is found.")
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(help="Proposer or file of seeds, NAME or NAME:WEIGHT; again for more."),
    ] = None,
    no_seeds: Annotated[bool, typer.Option("--no-seeds", help="Search without seeds.")] = False,
    seed_share: Annotated[
        float, typer.Option(help="Share of seeds among structures without parents.")
    ] = 0.5,
    background: Annotated[str, typer.Option(help="Proposer of the others.")] = "random",
    sampler: Annotated[
        Literal["thorough", "quick"],
        typer.Option(help="How score models propose: quick takes half of the time."),
    ] = "quick",
    moves: Annotated[
        str | None, typer.Option(help="Moves, such as rattle:most=0.3,strain,renoise.")
    ] = None,
    atoms: Annotated[int, typer.Option(help="Most atoms in a cell.")] = 20,
    units: Annotated[str | None, typer.Option(help="Formula units in a cell, such as 2,4.")] = None,
    cell: Annotated[Path | None, typer.Option(help="Keep the cell of this structure.")] = None,
    volume: Annotated[float | None, typer.Option(help="Å³/atom to propose at.")] = None,
    volume_spread: Annotated[
        float, typer.Option(help="Fraction by which the volumes of random crystals spread.")
    ] = 0.1,
    separations: Annotated[
        str | None, typer.Option(help="Least distances in Å, such as Si-O=1.5,O-O=2.2.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    ahead: Annotated[int, typer.Option(help="Trials under way at once; walkers of hop.")] = 8,
    batch: Annotated[int, typer.Option(help="Trials in one task.")] = 1,
    workers: Annotated[int, typer.Option(help="Worker processes of one thread each.")] = 2,
    executor: Annotated[str, typer.Option(help="local, dask[:ADDRESS] or parsl[:FILE].")] = "local",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run [default: runs/FORMULA-METHOD-SEED].")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Score-model weights of your own.")] = None,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.1,
    steps: Annotated[int, typer.Option(help="Most minimiser steps.")] = 200,
    minimiser: Annotated[
        str, typer.Option(help="Minimiser by name: quasi-newton, fire, or your own.")
    ] = "quasi-newton",
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    keep_symmetry: Annotated[
        bool, typer.Option(help="Keep the symmetry of every start while it relaxes.")
    ] = False,
    rattle: Annotated[
        float,
        typer.Option(
            help="Displace by this, Å, before relaxing; with --keep-symmetry, relax in the "
            "symmetry, displace, and relax again without it."
        ),
    ] = 0.0,
    engine: EngineOption = "auto",
    potential: PotentialOption = "chgnet",
    hull: Annotated[Path | None, typer.Option(help="Hull entries of your own.")] = None,
    second: SecondOption = None,
    top: TopOption = 10,
) -> None:
    """Search crystal structures at random, by basin hopping or genetically, seeded by proposers.

    The same command goes on with a run that was stopped; so does one with a larger budget.
    """
    from gencsp.plugins import split_plugins
    from gencsp.runs.decks import SearchDeck

    if method == "cycle":
        search_by_cycle(context, budget=budget, seeds=seeds)
        return
    deck = SearchDeck.make(
        formula=formula,
        system=system,
        airss=airss,
        method=method,
        budget=budget,
        minutes=minutes,
        patience=patience,
        target=target,
        seeds=() if no_seeds else tuple(seeds or ("mixed",)),
        seed_share=seed_share,
        background=background,
        sampler=sampler,
        moves=None if moves is None else split_plugins(moves),
        atoms=atoms,
        units=split_species(units),
        cell=cell,
        volume=volume,
        volume_spread=volume_spread,
        separations=separations or "",
        seed=seed,
        ahead=ahead,
        batch=batch,
        workers=workers,
        executor=executor,
        out=out,
        weights=weights,
        fmax=fmax,
        steps=steps,
        minimiser=minimiser,
        pressure=pressure,
        keep_symmetry=keep_symmetry,
        rattle=rattle,
        engine=engine,
        potential=potential,
        hull=hull,
    )
    _run(deck, second=second, top=top)


def resume(
    folder: Annotated[Path, typer.Argument(help="Folder of a search.", metavar="DIR")],
    budget: Annotated[int | None, typer.Option(help="Another budget of trials.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Most wall time of this session.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes of one thread.")] = None,
) -> None:
    """Go on with a search that was stopped, or that is to have a larger budget."""
    from gencsp.runs.settings import saved_deck

    _run(saved_deck(folder, budget=budget, minutes=minutes, workers=workers))


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", metavar="DIR")],
) -> None:
    """Say how far a search or a cycle is; it may be running."""
    from gencsp.runs.status import run_status

    found = run_status(folder)
    say(str(found))
    if found.best_id:
        say(f"lowest: {found.best:.4f} eV/atom, {found.space_group}, {found.best_id}")
    print_failures(found.failures)


def _run(deck: SearchDeck, *, second: str | None = None, top: int = 10) -> None:
    from gencsp.runs.search import open_search
    from gencsp.runs.settings import folder

    require_folder(folder(deck))
    other = potential_of(second)
    try:
        with open_search(deck) as run:
            _name_skipped(run)
            _watch(run)
            _report(run, folder(deck))
            show_second_opinion(
                run.ranking(),
                other,
                top=top,
                settings=run.settings.relax,
                folder=folder(deck),
            )
    except KeyboardInterrupt:
        complain(
            f"stopped. What was finished is in {folder(deck)}: repeat the same command to go on."
        )
        raise typer.Exit(INTERRUPTED) from None


def _watch(run: Search) -> None:
    with progress_bars() as bars:
        line = bars.add_task("search", note="", total=None)
        for step in run.irun():
            _show(bars, line, step)


def _show(bars: Bars, line: TaskID, step: SearchProgress) -> None:
    best = "nothing yet" if step.best is None else f"best {step.best:.4f} eV/atom"
    counts = f"{step.new} crystals, {step.records} new minima, {step.per_minute:.0f} trials/min"
    note = f"{best}, {counts}"
    bars.update(line, completed=step.done, total=step.total, note=note)


def _name_skipped(run: Search) -> None:
    for pool in run.pools:
        for reason, names in pool.skipped.items():
            shown = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
            complain(f"skipped {len(names)} seeds of {pool.name}, {reason}: {shown}")
        if not pool.structures:
            complain(f"{pool.name} holds no seed for this search: the others make up for it.")


def _report(run: Search, folder: Path) -> None:
    structures = run.ranking()
    print_structures(structures)
    say(f"stopped: {run.stopped}")
    _print_sources(run)
    _print_learned(run)
    print_failures(run.ledger.failures)
    if structures:
        write_results(folder, "ranked", structures)
    else:
        complain("no structure came through: raise --budget, or allow more --steps.")
    say(f"every structure, with its provenance: {folder / 'run.db'}")


def _print_sources(run: Search) -> None:
    ledger = run.ledger
    table = _table("made by", "trials", "converged", "new", "new minima")
    for move, n in sorted(ledger.moves.items(), key=lambda item: -item[1]):
        counts = (n, ledger.converged[move], ledger.new[move], ledger.records[move])
        table.add_row(move, *map(str, counts))
    print_table(table)
    taken = ", ".join(f"{n} from {name}" for name, n in run.supply.taken.items() if n)
    say(f"structures without parents: {taken}")
    seconds = ", ".join(f"{stage} {s:.0f} s" for stage, s in run.runner.seconds.items())
    if seconds:
        say(f"time of the workers: {seconds}")


def _print_learned(run: Search) -> None:
    move_stats = run.strategy.move_stats()
    if not move_stats:
        return
    table = _table("learned: move", "tried", "new", "improved", "share now")
    for line in move_stats:
        counts = (line.tried, line.new, line.improved)
        table.add_row(line.move, *map(str, counts), f"{line.share:.0%}")
    print_table(table)


def _table(*titles: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for k, title in enumerate(titles):
        table.add_column(title, justify="right" if k else "left", no_wrap=True)
    return table
