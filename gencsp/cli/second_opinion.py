"""``--second-opinion``: the best structures of a search, ranked again by another potential."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import add_row, print_table, progress_bars, say, table_of
from gencsp.files import csv_cell, replace_outputs

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.minimise.settings import RelaxSettings
    from gencsp.potentials.base import Engine
    from gencsp.potentials.second_opinion import Opinion

SecondOption = Annotated[
    str | None,
    typer.Option(
        "--second-opinion", help="Another potential, such as sevennet, to rank the best again."
    ),
]
TopOption = Annotated[int, typer.Option(min=1, help="How many structures it ranks.")]


def potential_of(name: str | None) -> Engine | None:
    """The other potential, loaded before a search begins so that what is missing is told at once.

    Raises:
        PotentialError: there is none, or its package is missing.
    """
    from gencsp.potentials import get_potential

    return None if name is None else get_potential(name)


def show_second_opinion(
    structures: Sequence[Atoms],
    potential: Engine | None,
    *,
    top: int,
    settings: RelaxSettings,
    folder: Path,
) -> None:
    """Rank again, print the table, and write ``second_opinion.csv`` and the structures."""
    if potential is None or not structures:
        return
    from gencsp import records
    from gencsp.io.structures import write_extxyz
    from gencsp.potentials.second_opinion import second_opinion

    with progress_bars() as bars:
        task = bars.add_task("second", total=min(top, len(structures)), note=potential.model)
        opinions = second_opinion(
            structures,
            potential,
            top=top,
            settings=settings,
            report=lambda done: bars.update(task, completed=done),
        )
    for opinion in opinions:
        opinion.atoms.info[records.STRUCTURE_ID] = opinion.structure_id
    with replace_outputs(folder, "second_opinion") as new:
        _write(new / "second_opinion.csv", opinions)
        write_extxyz(new / "second_opinion.extxyz", [o.atoms for o in opinions])
    _print(opinions, potential.model)
    say(f"wrote the second opinion to {folder / 'second_opinion.csv'}")


def _print(opinions: Sequence[Opinion], model: str) -> None:
    say(f"second opinion by {model}, eV/atom above the lowest of each composition:")
    right = ("", "was", "second", "first")
    table = table_of(*right, "formula", "id", "disagree", right=right)
    for one in opinions:
        ranks = (str(one.second_rank or "-"), str(one.first_rank))
        energies = (f"{one.second:.4f}", f"{one.first:.4f}")
        add_row(table, *ranks, *energies, one.formula, one.structure_id, one.disagreement)
    print_table(table)
    disagreeing = sum(bool(one.disagreement) for one in opinions)
    say(f"the two disagree about {disagreeing} of {len(opinions)}")


def _write(path: Path, opinions: Sequence[Opinion]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            [
                "id",
                "formula",
                "second_rank",
                "first_rank",
                "second",
                "first",
                "same",
                "disagreement",
            ]
        )
        for o in opinions:
            rows.writerow(
                [
                    csv_cell(o.structure_id), o.formula, o.second_rank, o.first_rank,
                    f"{o.second:.6f}", f"{o.first:.6f}", int(o.same), csv_cell(o.disagreement),
                ]
            )  # fmt: skip
