"""What ``gencsp hull`` says of the references themselves: of a system, or of a formula."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import say, say_all, write_results
from gencsp.cli.tables import SHOWN, add_row, print_table, table_of
from gencsp.files import csv_cell, file_name, replace_outputs

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.convex_hull.ends import Ends
    from gencsp.convex_hull.hull import Hull
    from gencsp.convex_hull.system import FormulaHull, Phase, SystemHull

#: Columns of the CSV file; energies, or under pressure enthalpies, in eV/atom.
COLUMNS = (
    "formula",
    "space_group",
    "space_group_number",
    "formation_energy",
    "decomposition_energy",
    "stable",
    "decomposition",
    "source",
    "source_id",
)


def show_system(system: str, hull: Hull, within: float, out: Path) -> None:
    """List the phases of a chemical system or tie-line, draw its hull, and write both.

    Raises:
        CompositionError, RequestError, HullReferenceError: as
            :func:`gencsp.runs.pools.hull_of_system`.
    """
    from gencsp.api import hull_of_system
    from gencsp.convex_hull.plots import draw_hull

    found = hull_of_system(system, within=within, hull=hull)
    name = found.members.name
    with replace_outputs(out, f"hull of {name}") as new:
        _write_csv(new / f"{name}.csv", found.phases)
        _write_json(new / f"{name}.json", found)
        figures = draw_hull(found, new / name)
    _print_phases(found.phases, pressed=bool(hull.pressure))
    say_all(end_member_notes(found.ends))
    say(
        f"{len(found.stable)} stable phases; {len(found.phases)} references on the hull or up to "
        f"{1000 * within:g} meV/atom above it, of {found.count} of {name}, {_made(hull)}"
    )
    say(f"wrote the table to {out / f'{name}.csv'} and {name}.json")
    if figures:
        say(f"wrote the hull to {', '.join(str(out / file.name) for file in figures)}")
    else:
        what = "elements" if found.members.of_elements else "end members"
        number = len(found.members.formulas)
        say(f"no figure: the hull of {number} {what} cannot be drawn in a plane.")


def end_member_notes(ends: Ends) -> Iterator[str]:
    """What formation energies are taken from, where the end members are compounds."""
    if not ends.members.of_elements:
        yield (
            f"E_f is from {' and '.join(ends.members.names)}; E_d is against all phases of "
            f"{'-'.join(ends.members.elements)}, also those between other compounds."
        )
    for name in ends.missing:
        yield f"no reference has the formula {name}: E_f is from what it decomposes into."


def show_formula(formula: str, hull: Hull, out: Path) -> None:
    """List the references of a formula, and write those crystals that are known.

    Raises:
        CompositionError, HullReferenceError: as :func:`gencsp.runs.pools.hull_of_formula`.
    """
    from gencsp.api import hull_of_formula
    from gencsp.convex_hull.crystals import reference_crystal
    from gencsp.records import STRUCTURE_ID

    found = hull_of_formula(formula, hull=hull)
    crystals = [reference_crystal(phase.entry) for phase in found.phases]
    known = [
        _described(atoms, phase)
        for atoms, phase in zip(crystals, found.phases, strict=True)
        if atoms is not None
    ]
    name = file_name(found.composition.formula)

    def tables(new: Path) -> list[str]:
        _write_csv(new / f"{name}-phases.csv", found.phases)
        _write_json(new / f"{name}-phases.json", found)
        return [f"wrote the table to {out / f'{name}-phases.csv'} and {name}-phases.json"]

    said = write_results(out, name, known, also=tables)
    written = {str(atoms.info[STRUCTURE_ID]) for atoms in known}
    _print_phases(found.phases, written, pressed=bool(hull.pressure))
    say(_verdict(found, _made(hull)))
    say_all(said)


def _made(hull: Hull) -> str:
    """What made the energies, or at which pressure the enthalpies."""
    return f"{hull.model} at {hull.pressure:g} GPa" if hull.pressure else hull.model


def _verdict(found: FormulaHull, made: str) -> str:
    lowest = found.lowest
    if lowest.stable:
        return f"lowest: {lowest.entry.label}, stable ({made})"
    products = " + ".join(map(str, found.decomposition))
    return (
        f"lowest: {lowest.entry.label}, {1000 * lowest.decomposition_energy:.1f} meV/atom above "
        f"the hull ({made}): it decomposes into {products}"
    )


def _described(atoms: Atoms, phase: Phase) -> Atoms:
    """A crystal with its names; it is rounded, and the table has its energy."""
    from gencsp import records

    records.name_space_group(atoms)
    atoms.info[records.REFERENCE_PHASE] = phase.entry.label
    return atoms


def _print_phases(
    phases: Sequence[Phase], written: Collection[str] | None = None, *, pressed: bool = False
) -> None:
    """The table, one line for what is mostly one crystal from several sources.

    Args:
        phases: all of them.
        written: ids of those whose crystals are written; ``None`` for no such column.
        pressed: they are phases under pressure, and enthalpies are compared.
    """
    from gencsp.convex_hull.system import alike

    symbol = "H" if pressed else "E"
    right = (f"{symbol}_f (eV/atom)", f"{symbol}_d (eV/atom)", "alike")
    titles = ("formula", "space group", *right[:2], "", "source", "id", right[2])
    table = table_of(*titles, *(() if written is None else ("structure",)), right=right)
    groups = alike(phases)
    for first, *others in groups[:SHOWN]:
        entry = first.entry
        cells = [
            entry.composition.reduced.formula,
            f"{entry.symbol} ({entry.space_group})" if entry.space_group else "",
            f"{first.formation_energy:.4f}",
            f"{first.decomposition_energy:.4f}",
            "stable" if first.stable else "",
            entry.source,
            entry.entry_id,
            f"+{len(others)}" if others else "",
        ]
        if written is not None:
            known = any(phase.entry.entry_id in written for phase in (first, *others))
            missing = f"structure not shipped ({entry.origin or 'source unknown'})"
            cells.append("written" if known else missing)
        add_row(table, *cells)
    print_table(table)
    if len(groups) > SHOWN:
        say(f"... and {len(groups) - SHOWN} more in the files.")


def _write_csv(path: Path, phases: Sequence[Phase]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for phase in phases:
            row = phase.as_dict() | {"decomposition": " + ".join(map(str, phase.decomposition))}
            table.writerow({key: csv_cell(row[key]) for key in COLUMNS})


def _write_json(path: Path, found: SystemHull | FormulaHull) -> None:
    path.write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
