"""``gencsp propose``: structures of a composition, not relaxed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import (
    complain,
    kept_on_interrupt,
    print_structures,
    progress_bars,
    write_results,
)


def propose(
    formula: Annotated[
        str, typer.Argument(help="Formula unit, such as Li5Si2.", metavar="FORMULA")
    ],
    n: Annotated[int, typer.Option("--n", "-n", help="Structures to propose.")] = 20,
    atoms: Annotated[int, typer.Option(help="Most atoms in a cell.")] = 20,
    proposer: Annotated[
        str, typer.Option(help="Proposer, by name, or the TOML deck of an external generator.")
    ] = "mixed",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    host: Annotated[
        Path | None, typer.Option(help="Structure file to complete to the composition.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Score-model weights of your own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("proposals"),
) -> None:
    """Propose crystal structures of a composition."""
    from gencsp.composition import Composition
    from gencsp.errors import RequestError
    from gencsp.io import read_structures
    from gencsp.proposers import propose as call
    from gencsp.proposers.options import ProposerOptions
    from gencsp.search.tasks import SymmetryTolerance, name_space_group

    composition = Composition.parse(formula)
    hosts = [] if host is None else read_structures([host])
    if len(hosts) > 1:
        raise RequestError(f"{host} holds {len(hosts)} structures: give a file with one host.")
    made = call(
        formula,
        n=n,
        max_atoms=atoms,
        proposer="score" if hosts and proposer == "mixed" else proposer,
        seed=seed,
        host=hosts[0] if hosts else None,
        options=ProposerOptions(weights=weights),
    )
    with kept_on_interrupt("proposals") as structures, progress_bars() as bars:
        task = bars.add_task("propose", total=n, note=str(composition))
        for structure in made:
            name_space_group(structure, SymmetryTolerance())
            structures.append(structure)
            bars.advance(task)
    print_structures(structures)
    if len(structures) < n:
        complain(f"{len(structures)} of {n} structures came through.")
    write_results(out, "proposals", structures)
