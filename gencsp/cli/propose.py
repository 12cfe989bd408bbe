"""``gencsp propose``: structures of a composition, or de novo; not relaxed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gencsp.cli.console import (
    kept_on_interrupt,
    print_structures,
    progress_bars,
    require_folder,
    write_results,
)

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.diffusion.joint.conditions import Property
    from gencsp.proposers.base import ProposerContext


def propose(
    formula: Annotated[
        str | None,
        typer.Argument(help="Formula unit, such as Li5Si2.", metavar="FORMULA"),
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Structures to propose.")] = 20,
    atoms: Annotated[int, typer.Option(help="Most atoms in a cell.")] = 20,
    proposer: Annotated[
        str, typer.Option(help="Proposer, by name, or the TOML deck of an external generator.")
    ] = "mixed",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    host: Annotated[
        Path | None, typer.Option(help="Structure file to complete to the composition.")
    ] = None,
    de_novo: Annotated[
        bool, typer.Option("--de-novo", help="Let the pigen model choose the compositions, too.")
    ] = False,
    elements: Annotated[
        str | None, typer.Option(help="Elements that may occur de novo, such as Li,Nb,N.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Aim of pigen, such as compactness=0.7 or m_led=9; can be repeated."),
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(help="Pull towards targets: 0 none, 1 as trained, more beyond it (1 + g)."),
    ] = 2.0,
    weights: Annotated[Path | None, typer.Option(help="Model weights of your own.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("proposals"),
) -> None:
    """Propose crystal structures of a composition, or compositions and structures de novo."""
    from gencsp.proposers.base import ProposerContext
    from gencsp.records import name_space_group

    require_folder(out)
    context = ProposerContext(weights=weights)
    aims: dict[str, Any] = {"targets": _targets(target or []), "guidance": guidance}
    if de_novo:
        _refuse_with_de_novo(formula, host)
        made = _de_novo(n, elements, atoms, proposer, seed, aims, context)
    else:
        made = _of_formula(formula, n, atoms, proposer, seed, host, elements, aims, context)
    with kept_on_interrupt("proposals") as structures, progress_bars() as bars:
        task = bars.add_task("propose", total=n, note=formula or "de novo")
        for structure in made:
            name_space_group(structure)
            structures.append(structure)
            bars.advance(task)
    print_structures(structures)
    write_results(out, "proposals", structures)


def _targets(texts: list[str]) -> dict[Property, float]:
    """``name=value`` texts as targets; names are checked where they are used."""
    from gencsp.errors import RequestError

    found: dict[Property, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[cast("Property", name.strip())] = float(value)
        except ValueError as error:
            raise RequestError(
                f"--target {text} is not understood: write it as compactness=0.7."
            ) from error
    return found


def _refuse_with_de_novo(formula: str | None, host: Path | None) -> None:
    from gencsp.errors import RequestError

    if formula is not None or host is not None:
        raise RequestError("--de-novo chooses compositions itself: leave formula and host out.")


def _de_novo(
    n: int,
    elements: str | None,
    atoms: int,
    proposer: str,
    seed: int,
    aims: dict[str, Any],
    context: ProposerContext,
) -> Iterator[Atoms]:
    from gencsp.errors import RequestError
    from gencsp.plugins import Choice
    from gencsp.proposers.pigen import PigenOptions, propose_de_novo

    choice = Choice.read(proposer)
    if choice.name not in ("pigen", "mixed"):
        raise RequestError(f"'{choice.name}' makes no structures de novo: use pigen.")
    own = choice.options if choice.name == "pigen" else {}
    symbols = None if elements is None else [e.strip() for e in elements.split(",") if e.strip()]
    return propose_de_novo(
        n=n,
        elements=symbols,
        most_atoms=atoms,
        seed=seed,
        options=PigenOptions.from_options({**aims, **own}),
        context=context,
    )


def _of_formula(
    formula: str | None,
    n: int,
    atoms: int,
    proposer: str,
    seed: int,
    host: Path | None,
    elements: str | None,
    aims: dict[str, Any],
    context: ProposerContext,
) -> Iterator[Atoms]:
    from gencsp.errors import RequestError
    from gencsp.io.structures import read_structures
    from gencsp.plugins import Choice
    from gencsp.proposers import propose as call

    aimed = Choice.read(proposer).name == "pigen"

    if formula is None:
        raise RequestError("name a formula such as Li5Si2, or add --de-novo.")
    if elements is not None:
        raise RequestError("--elements goes with --de-novo: the formula names its elements.")
    if aims["targets"] and not aimed:
        raise RequestError(
            f"the proposer '{proposer}' has no targets: use pigen, or leave --target out."
        )
    hosts = [] if host is None else read_structures([host])
    if len(hosts) > 1:
        raise RequestError(f"{host} holds {len(hosts)} structures: give a file with one host.")
    return call(
        formula,
        n=n,
        max_atoms=atoms,
        proposer="score" if hosts and proposer == "mixed" else proposer,
        seed=seed,
        host=hosts[0] if hosts else None,
        options={**aims, **Choice.read(proposer).options} if aimed else None,
        context=context,
    )
