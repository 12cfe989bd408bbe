"""``gencsp hull``: decomposition energies of structures from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import print_structures, progress_bars, require_folder, write_results
from gencsp.cli.options import EngineOption, FilesArgument, HullOption, PotentialOption


def hull(
    files: FilesArgument,
    workers: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    engine: EngineOption = "auto",
    potential: PotentialOption = "chgnet",
    entries: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("hull"),
) -> None:
    """Decomposition energies of structures as they are, from CHGNet or another potential."""
    from gencsp import records
    from gencsp.api import hull as call
    from gencsp.deck import Workers, check
    from gencsp.io.structures import name_of, read_structures

    check("workers", workers, Workers)
    require_folder(out)
    structures = read_structures(files)
    for number, atoms in enumerate(structures):
        atoms.info[records.STRUCTURE_ID] = name_of(atoms, number)
    with progress_bars() as bars:
        task = bars.add_task("evaluate", total=None, note=f"{len(structures)} structures")
        judged = call(
            structures, entries=entries, engine=engine, potential=potential, workers=workers
        )
        bars.update(task, total=1, completed=1)
    judged.sort(key=lambda a: a.info.get(records.DECOMPOSITION_ENERGY, float("inf")))
    print_structures(judged)
    write_results(out, "hull", judged)
