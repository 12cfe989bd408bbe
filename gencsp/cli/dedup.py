"""``gencsp dedup``: the distinct crystals of a pool."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import end, kept_on_interrupt, require_folder, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import PoolsArgument
from gencsp.cli.progress import progress_bars
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import SHOWN, add_row, print_table, table_of
from gencsp.files import csv_cell, replace_outputs
from gencsp.runs.pool_decks import DedupDeck

if TYPE_CHECKING:
    from gencsp.similarity.grouping import Grouping


@deck_options(DedupDeck)
def dedup(*, pools: PoolsArgument, deck: DedupDeck) -> None:
    """Group the structures that are the same crystal; keep one of each, the lowest in energy."""
    from gencsp.io.structures import name_of
    from gencsp.runs.pools import grouping_of
    from gencsp.similarity.grouping import lowest_first

    require_folder(deck.out)
    grouping, settle = grouping_of(deck, {})
    read = read_pool(pools)
    read.complain()
    pool = lowest_first([(name_of(atoms, n), atoms) for n, atoms in enumerate(read.structures)])
    with kept_on_interrupt("structures") as compared, progress_bars() as bars:
        task = bars.add_task("compare", total=len(pool), note="")
        for name, atoms in pool:
            grouping.add(name, atoms)
            compared.append(atoms)
            bars.update(task, advance=1, note=f"{len(grouping)} unique")
        settle()
        bars.update(task, note=f"{len(grouping)} unique")
    _write(deck.out, grouping)
    _print(grouping)
    say(f"wrote {len(grouping)} structures to {deck.out / 'unique.extxyz'}")
    say(f"wrote the groups to {deck.out / 'groups.csv'}")
    end(len(read.unreadable))


def _print(grouping: Grouping) -> None:
    from gencsp.composition import Composition

    table = table_of("copies", "formula", "structure", "the same as", right=("copies",))
    groups, names = grouping.groups(), grouping.names
    largest = sorted(groups.values(), key=len, reverse=True)
    for members in largest[:SHOWN]:
        others = ", ".join(Path(names[k]).name for k in members[1:4])
        others += ", ..." if len(members) > 4 else ""
        first = grouping.structures[members[0]]
        formula = Composition.in_cell(first).formula
        add_row(table, len(members), formula, Path(names[members[0]]).name, others)
    print_table(table)
    if len(groups) > SHOWN:
        say(f"... and {len(groups) - SHOWN} more in the files.")
    say(f"{len(groups)} unique of {len(grouping.structures)} structures")


def _write(folder: Path, grouping: Grouping) -> None:
    from gencsp.io.structures import write_extxyz

    names = grouping.names
    with replace_outputs(folder, "unique") as new:
        write_extxyz(new / "unique.extxyz", grouping.unique())
        with (new / "groups.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["group", "structure", "same_as", "fingerprint_distance"])
            for group, members in enumerate(grouping.groups().values(), start=1):
                for place in members:
                    match = grouping.matches[place]
                    same = "" if match is None else csv_cell(names[match.index])
                    distance = "" if match is None else f"{match.distance:.5f}"
                    rows.writerow([group, csv_cell(names[place]), same, distance])
