"""``gencsp references``: a hull for any potential."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import complain, counted, print_failures, progress_bars, require_file, say
from gencsp.cli.options import EngineOption, PotentialOption


def references(
    system: Annotated[
        str, typer.Argument(help="Chemical system, such as Li-Si.", metavar="SYSTEM")
    ],
    potential: PotentialOption = "chgnet",
    files: Annotated[
        list[Path] | None, typer.Option("--also", help="More crystals; again for more files.")
    ] = None,
    shipped: Annotated[bool, typer.Option(help="Take the crystals that ship with gencsp.")] = True,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.05,
    steps: Annotated[int, typer.Option(help="Most minimiser steps.")] = 500,
    workers: Annotated[int, typer.Option(help="CPU threads, where it has them.")] = 2,
    engine: EngineOption = "auto",
    out: Annotated[Path, typer.Option(help="CSV file for the entries.")] = Path("references.csv"),
) -> None:
    """Relax reference crystals of a chemical system with a potential, for --hull.

    Energies of different models never share a hull: a search with another potential needs
    references made with it.
    """
    from gencsp.convex_hull.crystals import make_references, shipped_crystals
    from gencsp.convex_hull.entries import HullEntry, write_entries
    from gencsp.deck import Workers, check
    from gencsp.errors import HullReferenceError
    from gencsp.io.structures import read_structures
    from gencsp.minimise import RelaxSettings
    from gencsp.potentials import get_potential

    settings = RelaxSettings(fmax=fmax, steps=steps)
    check("workers", workers, Workers)
    require_file(out)
    model = get_potential(potential, engine=engine)
    elements = system.split("-")
    crystals = list(shipped_crystals(elements)) if shipped else []
    crystals += read_structures(files or [])
    entries: list[HullEntry] = []
    failures: list[str] = []
    with progress_bars() as bars:
        task = bars.add_task("relax", total=len(crystals), note=model.model)
        for made in make_references(crystals, model, settings=settings, workers=workers):
            if isinstance(made, HullEntry):
                entries.append(made)
            else:
                failures.append(str(made.outcome))
            bars.advance(task)
    print_failures(counted(failures))
    there = {e.composition.elements[0] for e in entries if len(e.composition.elements) == 1}
    missing = [symbol for symbol in elements if symbol not in there]
    if missing:
        raise HullReferenceError(
            f"no crystal of {' and none of '.join(missing)} came through, and a hull needs the "
            f"elements: add some with --also."
        )
    header = {"weights": model.digest, "relaxation": f"fmax {fmax:g} eV/A, {steps} steps"}
    say(f"wrote {len(entries)} entries to {write_entries(out, entries, header=header)}")
    if len(entries) < len(crystals):
        complain(f"{len(crystals) - len(entries)} crystals did not converge and are left out.")
