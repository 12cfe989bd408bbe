"""``gencsp second-opinion`` and ``--second-opinion``: the best, ranked by another potential."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import end, require_folder, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import FilesArgument
from gencsp.cli.progress import progress_bars
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import add_row, print_table, table_of
from gencsp.files import csv_cell, replace_outputs
from gencsp.runs.pool_decks import SecondOpinionDeck

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


@deck_options(SecondOpinionDeck, argument="")
def second_opinion_of_pool(*, files: FilesArgument, deck: SecondOpinionDeck) -> None:
    """Relax the best structures of a pool with another potential, and rank them again."""
    from gencsp import records
    from gencsp.errors import RequestError
    from gencsp.minimise import RelaxSettings
    from gencsp.runs.relaxing import engine_of

    require_folder(deck.out)
    potential = engine_of(deck, {})
    pool = read_pool(files)
    judged = sorted(
        (
            atoms
            for atoms in pool.structures
            if records.number(atoms.info, records.ENERGY_PER_ATOM) is not None
            and not records.failed(atoms.info)
        ),
        key=records.results_first,
    )
    models = sorted({str(atoms.info.get(records.ENERGY_MODEL, "")) for atoms in judged})
    if not judged:
        raise RequestError("none of the structures has an energy: relax them first.")
    if len(models) > 1:
        raise RequestError(
            f"the energies of the pool are of different models ({', '.join(models)}): give the "
            f"structures of one."
        )
    settings = RelaxSettings(fmax=deck.fmax, steps=deck.steps, pressure=deck.pressure)
    show_second_opinion(judged, potential, top=deck.top, settings=settings, folder=deck.out)
    pool.complain()
    end(len(pool.unreadable))


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
    relaxed = [opinion.write() for opinion in opinions]
    with replace_outputs(folder, "second_opinion") as new:
        _write(new / "second_opinion.csv", opinions)
        write_extxyz(new / "second_opinion.extxyz", relaxed)
    _print(opinions, potential.model)
    say(f"wrote the second opinion to {folder / 'second_opinion.csv'}")


def _print(opinions: Sequence[Opinion], model: str) -> None:
    say(f"second opinion by {model}, eV/atom above the lowest of each composition:")
    right = ("", "was", "second", "first")
    table = table_of(*right, "order", "formula", "id", "disagree", right=right)
    for one in opinions:
        ranks = (str(one.second_rank or "-"), str(one.first_rank))
        energies = (f"{one.second:.4f}", f"{one.first:.4f}")
        flips = "flips" if one.flips else ""
        add_row(table, *ranks, *energies, flips, one.formula, one.structure_id, one.disagreement)
    print_table(table)
    disagreeing = sum(bool(one.disagreement) for one in opinions)
    flipping = sum(bool(one.flips) for one in opinions)
    say(f"the two disagree about {disagreeing} of {len(opinions)}; the order of {flipping} flips")


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
                "flips",
            ]
        )
        for o in opinions:
            rows.writerow(
                [
                    csv_cell(o.structure_id), o.formula, o.second_rank, o.first_rank,
                    f"{o.second:.6f}", f"{o.first:.6f}", int(o.same), csv_cell(o.disagreement),
                    csv_cell(";".join(o.flips)),
                ]
            )  # fmt: skip
