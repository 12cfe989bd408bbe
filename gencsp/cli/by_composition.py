"""How runs on the compositions of a system end: a table, figures and files by composition."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import say, say_all, write_results
from gencsp.cli.hull_references import end_member_notes
from gencsp.cli.tables import SHOWN, add_row, print_table, table_of
from gencsp.files import csv_cell, file_name

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.composition import Composition
    from gencsp.convex_hull.by_composition import Lowest
    from gencsp.convex_hull.end_members import EndMembers
    from gencsp.convex_hull.hull import Hull
    from gencsp.convex_hull.system import SystemHull
    from gencsp.searches.system_cycle import StageCounts

#: Files of a run on a system, beside those of every run.
TABLE, LOWEST = "compositions.csv", "lowest"
FORMATION, DECOMPOSITION = "formation_energy", "decomposition_energy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a run found in a system.

    Attributes:
        ranked: its structures, lowest first, duplicates marked.
        found: the hull of the references.
        lowest: the lowest structure of each composition.
        grown: references and found structures together.
        counts: of the stages of a cycle, by composition; empty for a search.
    """

    ranked: Sequence[Atoms]
    found: SystemHull
    lowest: Sequence[Lowest]
    grown: Hull
    counts: Mapping[Composition, StageCounts]

    @classmethod
    def of(
        cls,
        ranked: Sequence[Atoms],
        hull: Hull,
        members: EndMembers,
        counts: Mapping[Composition, StageCounts] | None = None,
    ) -> Findings:
        """Those of a ranking."""
        from gencsp.convex_hull.by_composition import grown_hull, lowest_by_composition
        from gencsp.convex_hull.system import hull_of_members

        found = hull_of_members(hull, members)
        lowest = lowest_by_composition(ranked, hull, found.ends)
        return cls(
            ranked=ranked,
            found=found,
            lowest=lowest,
            grown=grown_hull(hull, (one.atoms for one in lowest)),
            counts=counts or {},
        )


def report_findings(findings: Findings, folder: Path) -> list[str]:
    """Write the structures, the table, the lowest of each composition and the figures; show them.

    Returns:
        What was written where, to be said at the end.
    """
    said = write_results(folder, "ranked", findings.ranked, also=lambda new: _write(new, findings))
    _print_lowest(findings)
    say_all(end_member_notes(findings.found.ends))
    on_hull = [one.composition.formula for one in findings.lowest if one.on_hull]
    if on_hull:
        say(f"corners of the hull of references and found structures: {', '.join(on_hull)}")
    return said


def _print_lowest(findings: Findings) -> None:
    from gencsp import records

    symbol = "H" if findings.grown.pressure else "E"
    numbers = (f"{symbol}_d (eV/atom)", f"{symbol}_f (eV/atom)", "found", "crystals")
    staged = ("generated", "refined", "symmetric") if findings.counts else ()
    left = ("space group", "id", "reference")
    table = table_of("formula", *numbers, *staged, "", *left, right=(*numbers, *staged))
    bound = sorted(one.decomposition_energy for one in findings.lowest)[:SHOWN]
    for one in findings.lowest:
        if one.decomposition_energy > bound[-1]:
            continue
        info = one.atoms.info
        group = f"{info.get(records.SPACE_GROUP, '?')} ({info.get(records.SPACE_GROUP_NUMBER)})"
        add_row(
            table,
            one.composition.formula,
            records.shown_decomposition_energy(info),
            f"{one.formation_energy:.4f}",
            one.structures,
            one.crystals,
            *_stage_cells(findings.counts.get(one.composition)),
            "on the hull" if one.on_hull else "",
            group,
            info.get(records.STRUCTURE_ID, ""),
            records.shown_reference(info),
        )
    print_table(table)
    if len(findings.lowest) > SHOWN:
        say(f"... and {len(findings.lowest) - SHOWN} compositions with higher ones in the files.")


def _stage_cells(counts: StageCounts | None) -> tuple[str, ...]:
    if counts is None:
        return ()
    converged = counts.relaxed + counts.refined
    symmetric = counts.symmetric_relaxed + counts.symmetric_refined
    return (str(counts.generated), str(counts.refined), f"{symmetric} of {converged}")


def _stage_columns(counts: StageCounts) -> dict[str, object]:
    """Numbers of structures, and the paper's success rates: of all, those with some symmetry."""
    return asdict(counts) | {
        "success_generated": _share(counts.symmetric_relaxed, counts.generated),
        "success_inpainted": _share(counts.symmetric_refined, counts.inpainted),
    }


def _share(some: int, of: int) -> object:
    return round(some / of, 4) if of else ""


def _write(new: Path, findings: Findings) -> list[str]:
    """The files beside those of every run; what to say of them."""
    from gencsp.convex_hull.plots import draw_decomposition, draw_found
    from gencsp.io.structures import write_cif, write_extxyz

    _write_table(new / TABLE, findings)
    if not findings.lowest:
        return []
    write_extxyz(new / f"{LOWEST}.extxyz", [one.atoms for one in findings.lowest])
    for one in findings.lowest:
        write_cif(new / LOWEST / f"{file_name(one.composition.formula)}.cif", one.atoms)
    figures = draw_found(findings.found, findings.lowest, findings.grown, new / FORMATION)
    figures += draw_decomposition(
        findings.found, findings.ranked, findings.grown, new / DECOMPOSITION
    )
    said = [f"wrote the table by composition to {TABLE}, and its structures to {LOWEST}.extxyz"]
    if figures:
        said.append(f"wrote the figures {', '.join(file.name for file in figures)}")
    return said


def _write_table(path: Path, findings: Findings) -> None:
    """One row for each composition of which structures were made, also where none came through."""
    members = findings.found.members
    rows = {one.composition: one.as_dict() for one in findings.lowest}
    compositions = sorted(
        {*rows, *findings.counts}, key=lambda one: members.mole_fractions(one)[::-1]
    )
    columns = ["formula", *(f"x_{name}" for name in members.names)]
    columns += [key for key in next(iter(rows.values()), {}) if key != "formula"]
    columns += list(_stage_columns(next(iter(findings.counts.values()))) if findings.counts else ())
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        table.writeheader()
        for composition in compositions:
            fractions = zip(members.names, members.mole_fractions(composition), strict=True)
            row: dict[str, object] = {"formula": composition.formula}
            row |= {f"x_{name}": round(float(x), 6) for name, x in fractions}
            row |= rows.get(composition, {})
            if composition in findings.counts:
                row |= _stage_columns(findings.counts[composition])
            table.writerow({key: csv_cell(value) for key, value in row.items()})
