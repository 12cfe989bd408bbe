"""``gencsp relax``: atoms and cells of structures from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import (
    complain,
    counted,
    kept_on_interrupt,
    print_failures,
    print_structures,
    progress_bars,
    require_folder,
    write_results,
)
from gencsp.cli.options import EngineOption, FilesArgument, HullOption, PotentialOption

if TYPE_CHECKING:
    from ase import Atoms


def relax(
    files: FilesArgument,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.1,
    steps: Annotated[int, typer.Option(help="Most minimiser steps.")] = 200,
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    fixed_cell: Annotated[bool, typer.Option(help="Relax atoms only.")] = False,
    keep_symmetry: Annotated[bool, typer.Option(help="Keep the space group.")] = False,
    workers: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    engine: EngineOption = "auto",
    potential: PotentialOption = "chgnet",
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("relaxed"),
) -> None:
    """Relax structures with CHGNet or another potential; failures are kept, with the reason."""
    from gencsp import records
    from gencsp.deck import Workers, check
    from gencsp.io.structures import name_of, read_structures
    from gencsp.minimise import RelaxSettings
    from gencsp.potentials import get_potential
    from gencsp.provenance import Stage

    settings = RelaxSettings(
        fmax=fmax,
        steps=steps,
        pressure=pressure,
        fixed_cell=fixed_cell,
        keep_symmetry=keep_symmetry,
    )
    check("workers", workers, Workers)
    require_folder(out)
    model = get_potential(potential, engine=engine)
    pool = read_structures(files)
    with kept_on_interrupt("structures") as relaxed, progress_bars() as bars:
        task = bars.add_task("relax", total=len(pool), note="")
        for result in model.relax(pool, settings, workers=workers):
            atoms = records.record(result)
            identity = name_of(pool[result.index], result.index)
            atoms.info |= {records.STRUCTURE_ID: identity, records.STAGE: str(Stage.RELAXED)}
            relaxed.append(atoms)
            bars.advance(task)
            speed = bars.tasks[task].speed
            bars.update(task, note=f"{speed:.2f} structures/s" if speed else "")
    _judge(relaxed, hull, model.model)
    relaxed.sort(key=_order)
    print_structures(relaxed)
    outcomes = [atoms.info[records.OUTCOME] for atoms in relaxed]
    print_failures(counted(outcome for outcome in outcomes if outcome != "converged"))
    write_results(out, "relaxed", relaxed)


def _judge(relaxed: list[Atoms], entries: Path | None, model: str) -> None:
    """Add decomposition energies where the hull has references; say so once where it has not."""
    from gencsp import records
    from gencsp.convex_hull.hull import Hull
    from gencsp.errors import HullReferenceError

    try:
        reference = Hull.load(entries)
        reference.require_model(model)
        for atoms in relaxed:
            records.write_decomposition_energy(atoms, reference)
    except HullReferenceError as error:
        complain(f"no decomposition energies: {error}")


def _order(atoms: Atoms) -> tuple[bool, float, str]:
    from gencsp import records

    energy = records.ranking_energy(atoms.info)
    return (energy is None, energy or 0.0, str(atoms.info[records.STRUCTURE_ID]))
