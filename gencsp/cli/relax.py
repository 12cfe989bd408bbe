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
    write_results,
)
from gencsp.cli.options import EngineOption, FilesArgument, HullOption

if TYPE_CHECKING:
    from ase import Atoms


def relax(
    files: FilesArgument,
    fmax: Annotated[float, typer.Option(help="Relaxed at this largest force, eV/Å.")] = 0.1,
    steps: Annotated[int, typer.Option(min=0, help="Most minimiser steps.")] = 200,
    pressure: Annotated[float, typer.Option(help="Pressure, GPa.")] = 0.0,
    fixed_cell: Annotated[bool, typer.Option(help="Relax atoms only.")] = False,
    keep_symmetry: Annotated[bool, typer.Option(help="Keep the space group.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    engine: EngineOption = "auto",
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("relaxed"),
) -> None:
    """Relax structures with CHGNet; those that fail are kept apart, with the reason."""
    from gencsp.errors import RequestError
    from gencsp.io import name_of, read_structures
    from gencsp.provenance import Stage
    from gencsp.relax import relax as call
    from gencsp.search.tasks import SymmetryTolerance, record

    if fmax <= 0:
        raise RequestError(f"fmax is {fmax}: it must be above zero, in eV/Å.")
    pool = read_structures(files)
    with kept_on_interrupt("structures") as relaxed, progress_bars() as bars:
        task = bars.add_task("relax", total=len(pool), note="")
        results = call(
            pool,
            fmax=fmax,
            steps=steps,
            pressure=pressure,
            fixed_cell=fixed_cell,
            keep_symmetry=keep_symmetry,
            workers=workers,
            engine=engine,
        )
        for result in results:
            atoms = record(result, SymmetryTolerance())
            identity = name_of(pool[result.index], result.index)
            atoms.info |= {"structure_id": identity, "stage": str(Stage.RELAXED)}
            relaxed.append(atoms)
            bars.advance(task)
            speed = bars.tasks[task].speed
            bars.update(task, note=f"{speed:.2f} structures/s" if speed else "")
    _judge(relaxed, hull)
    relaxed.sort(key=_order)
    print_structures(relaxed)
    print_failures(counted(a.info["outcome"] for a in relaxed if a.info["outcome"] != "converged"))
    write_results(out, "relaxed", relaxed)


def _judge(relaxed: list[Atoms], entries: Path | None) -> None:
    """Add decomposition energies where the hull has references; say so once where it has not."""
    from gencsp.composition import Composition
    from gencsp.convex_hull import Hull
    from gencsp.errors import HullReferenceError

    try:
        reference = Hull.load(entries)
        for atoms in relaxed:
            if "energy_per_atom" in atoms.info:
                atoms.info["decomposition_energy"] = reference.decomposition_energy(
                    Composition.of(atoms), atoms.info["energy_per_atom"]
                )
    except HullReferenceError as error:
        complain(f"no decomposition energies: {error}")


def _order(atoms: Atoms) -> tuple[bool, float, str]:
    energy = atoms.info.get("decomposition_energy", atoms.info.get("energy_per_atom"))
    return (energy is None, energy or 0.0, str(atoms.info["structure_id"]))
