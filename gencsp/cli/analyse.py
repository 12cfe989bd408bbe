"""``gencsp analyse``: local order of a pool, and what relaxation did to it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import end, require_folder, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import PoolsArgument
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import SHOWN, add_row, print_table, table_of
from gencsp.files import csv_cell, replace_outputs
from gencsp.runs.pool_decks import AnalyseDeck

if TYPE_CHECKING:
    from gencsp.measure.coordination import Coordination
    from gencsp.measure.relaxation import Success
    from gencsp.runs.analysing import Analysis

#: The files that are written, but for their endings.
RADIAL, DIFFERENCES, COORDINATION = "radial_distribution", "differences", "coordination"
RELAXATION, SUCCESS = "relaxation", "success"
#: Most coordination numbers of a line on the screen, those of the most atoms.
NUMBERS = 4


@deck_options(AnalyseDeck)
def analyse(*, pools: PoolsArgument, deck: AnalyseDeck) -> None:
    """Local order of a pool beside known crystals, and what relaxation changed."""
    from gencsp.runs.analysing import analysis_of
    from gencsp.runs.relaxing import engine_of

    require_folder(deck.out)
    engine = None if deck.potential is None else engine_of(deck, {})
    read = read_pool(pools)
    known = read_pool(deck.known) if deck.known else None
    found = analysis_of(read.structures, known.structures if known else [], deck, engine)
    files = _write(deck.out, found)
    read.complain()
    if known:
        known.complain()
    _print(found)
    for note in found.notes:
        say(note)
    say(f"wrote {', '.join(files)} to {deck.out}")
    end(len(read.unreadable) + (len(known.unreadable) if known else 0))


def _write(folder: Path, found: Analysis) -> list[str]:
    """Write the tables and figures; returns their names."""
    from gencsp.measure import plots

    with replace_outputs(folder, "analysis") as new:
        _write_local_order(new, found)
        plots.draw_distributions(found.distances, found.distributions, new / RADIAL)
        if found.coordination:
            plots.draw_coordination(found.coordination, new / COORDINATION)
        if found.changes:
            _write_changes(new, found)
            plots.draw_changes(found.changes, new / RELAXATION)
        if found.success:
            _write_success(new, found)
            plots.draw_success(found.success, new / SUCCESS)
        return sorted(file.name for file in new.iterdir())


def _write_local_order(new: Path, found: Analysis) -> None:
    _table(
        new / f"{RADIAL}.csv",
        ("group", "pair", "r_angstrom", "g"),
        (
            (group, pair, f"{r:.5g}", f"{g:.6g}")
            for group, functions in found.distributions.items()
            for pair, values in functions.items()
            for r, g in zip(found.distances, values, strict=True)
        ),
    )
    if found.differences:
        _table(
            new / f"{DIFFERENCES}.csv",
            ("group", "pair", "rms_of_g", "overlap"),
            (
                (group, pair, f"{one.rms:.5f}", f"{one.overlap:.5f}")
                for group, pairs in found.differences.items()
                for pair, one in pairs.items()
            ),
        )
    if found.coordination:
        _table(
            new / f"{COORDINATION}.csv",
            ("group", "centre", "neighbour", "cutoff_angstrom", "neighbours", "atoms", "share"),
            (
                (
                    group,
                    o.centre,
                    o.neighbour,
                    "" if o.cutoff is None else f"{o.cutoff:.4f}",
                    number,
                    n,
                    f"{n / o.atoms:.5f}",
                )
                for group, some in found.coordination.items()
                for o in some
                for number, n in o.counts.items()
            ),
        )


def _write_changes(new: Path, found: Analysis) -> None:
    _table(
        new / f"{RELAXATION}.csv",
        (
            "structure",
            "before",
            "formula",
            "atoms",
            "stage",
            "energy_change_ev_per_atom",
            "rms_displacement_angstrom",
            "largest_displacement_angstrom",
        ),
        (
            (
                o.name,
                o.before,
                o.formula,
                o.atoms,
                o.stage,
                *map(_number, (o.energy, o.rms, o.largest)),
            )
            for o in found.changes
        ),
    )


def _write_success(new: Path, found: Analysis) -> None:
    _table(
        new / f"{SUCCESS}.csv",
        ("stage", "atoms", "structures", "symmetric", "share", "low", "high"),
        (
            (
                str(one.stage),
                one.atoms,
                one.structures,
                one.symmetric,
                *(f"{value:.5f}" for value in (one.share, *one.interval)),
            )
            for one in found.success
        ),
    )


def _table(path: Path, titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(titles)
        writer.writerows([csv_cell(cell) for cell in row] for row in rows)


def _number(value: float) -> object:
    """A cell for a number; empty where it is none."""
    return f"{value:.6f}" if isfinite(value) else ""


def _print(found: Analysis) -> None:
    say(", ".join(f"{n} {group}" for group, n in found.structures.items()))
    _print_coordination(found.coordination)
    _print_differences(found)
    _print_changes(found)
    _print_success(found.success)


def _print_coordination(coordination: Mapping[str, Sequence[Coordination]]) -> None:
    if not coordination:
        return
    right = ("atoms", "mean")
    table = table_of("group", "centre", "neighbour", *right, "neighbours", right=right)
    for group, some in coordination.items():
        for one in some:
            most = sorted(one.shares.items(), key=lambda item: -item[1])[:NUMBERS]
            shares = ", ".join(f"{number}: {100 * share:.0f} %" for number, share in most)
            add_row(table, group, one.centre, one.neighbour, one.atoms, f"{one.mean:.2f}", shares)
    print_table(table)


def _print_changes(found: Analysis) -> None:
    from statistics import median

    from gencsp.measure.relaxation import median_displacement

    if not found.changes:
        return
    energies = [one.energy for one in found.changes if isfinite(one.energy)]
    if energies:
        say(f"ΔE on relaxation: median {median(energies):.3f} eV/atom of {len(energies)}")
    moved = median_displacement(found.changes)
    if isfinite(moved.value):
        said = f"largest displacement on relaxation: median {moved.value:.2f} Å of {moved.n}"
    else:
        said = f"most of {moved.n} relaxed structures no longer match what they began from"
    if moved.missing:
        said += f"; {moved.missing} match no longer, and count as the furthest"
    say(said)


def _print_differences(found: Analysis) -> None:
    if not found.differences:
        return
    right = ("RMS difference", "overlap")
    table = table_of("g(r) of", "pair", *right, right=right)
    for group, pairs in found.differences.items():
        for pair, one in pairs.items():
            add_row(table, group, pair, f"{one.rms:.3f}", f"{one.overlap:.3f}")
    print_table(table)


def _print_success(rates: Sequence[Success]) -> None:
    if not rates:
        return
    right = ("atoms", "structures", "symmetric", "share")
    table = table_of("stage", *right, right=right)
    for one in rates[:SHOWN]:
        counts = (one.atoms, one.structures, one.symmetric)
        add_row(table, str(one.stage), *map(str, counts), f"{100 * one.share:.0f} %")
    print_table(table)
    if len(rates) > SHOWN:
        say(f"... and {len(rates) - SHOWN} more in {SUCCESS}.csv.")
