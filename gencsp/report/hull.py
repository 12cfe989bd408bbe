"""The hull of a report: the references of a run, and where its structures stand on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.by_composition import grown_hull
from gencsp.convex_hull.end_members import EndMembers, is_system
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import Phase, SystemHull, hull_of_members
from gencsp.errors import GencspError
from gencsp.report.model import ReportStructure
from gencsp.runs.objects import NO_HULL
from gencsp.runs.settings import saved_deck

#: Systems of these numbers of end members are drawn.
DRAWN = (2, 3, 4)
#: Phases above the hull that are drawn at most.
MOST_UNSTABLE = 300


def hull_of_run(manifest: Mapping[str, Any], folder: Path, given: Path | None) -> Hull | None:
    """The references that a run was judged by; ``None`` where it had none or they are not known.

    Args:
        manifest: of the run.
        folder: of the run.
        given: a file of references that the user names.

    Raises:
        StructureFileError, HullReferenceError: the file that is named cannot be used.
    """
    if given is not None:
        return Hull.load(given)
    digest = manifest.get("hull")
    if digest in (None, NO_HULL):
        return None
    for path in dict.fromkeys((_hull_of_deck(folder), None)):
        try:
            hull = Hull.load(path)
        except GencspError:  # the file has moved, or was changed
            continue
        if hull.digest == digest:
            return hull
    return None


def _hull_of_deck(folder: Path) -> Path | None:
    try:
        kept = saved_deck(folder).hull
    except GencspError:  # none is kept by a cycle, and one may hold objects of a script
        return None
    return kept if isinstance(kept, Path) else None


def hull_of_pool(structures: Sequence[ReportStructure], given: Path | None) -> Hull | None:
    """The references for a pool: those named, or ours where the energies are of their model.

    Raises:
        StructureFileError, HullReferenceError: the file that is named cannot be used.
    """
    models = {
        str(one.atoms.info.get(records.ENERGY_MODEL, ""))
        for one in structures
        if one.above is not None
    }
    if given is None and (len(models) != 1 or records.pressures(_atoms(structures)) != {0.0}):
        return None
    hull = Hull.load(given)
    return hull if models <= {hull.model} else None


def hull_of_report(
    structures: Sequence[ReportStructure], hull: Hull, system: str = ""
) -> tuple[dict[str, Any] | None, list[ReportStructure]]:
    """The hull as the page draws it, and the structures with their places on it.

    Args:
        structures: of the report.
        hull: the references.
        system: of the run, such as Li-Si or ZnS-P2S5; empty takes the elements of the structures.

    Returns:
        Names of the end members, the reference phases with their shares, formation and
        decomposition energies (eV/atom), the edges of the hull's facets as pairs of shares, and of
        two end members the hull's line before and after the run; ``None`` in place of it for
        systems that are not drawn.

    Raises:
        HullReferenceError: no reference for one of the elements.
    """
    members = _members(structures, system)
    if members is None or len(members.formulas) not in DRAWN:
        return None, list(structures)
    found = hull_of_members(hull, members)
    placed = [_placed(one, found) for one in structures]
    drawn = {
        "members": list(members.names),
        "model": found.model,
        "phases": [_phase(one, found) for one in _drawn(found.phases)],
        "edges": _edges(found),
        "line": [list(point) for point in found.section],
        "grown": _grown_line(placed, hull, found),
    }
    return drawn, placed


def _members(structures: Sequence[ReportStructure], system: str) -> EndMembers | None:
    if system and is_system(system):
        return EndMembers.parse(system)
    elements = {symbol: None for one in structures for symbol in one.atoms.symbols}
    if len(elements) not in DRAWN:
        return None
    return EndMembers.of(Composition.parse(symbol) for symbol in sorted(elements))


def _drawn(phases: Sequence[Phase]) -> list[Phase]:
    stable = [phase for phase in phases if phase.stable]
    return stable + [phase for phase in phases if not phase.stable][:MOST_UNSTABLE]


def _placed(one: ReportStructure, found: SystemHull) -> ReportStructure:
    composition = Composition.of(one.atoms)
    if one.energy is None or found.members.amounts(composition) is None:
        return one
    return replace(
        one,
        shares=tuple(found.members.shares(composition)),
        formation_energy=found.ends.formation_energy(composition, one.energy),
    )


def _phase(phase: Phase, found: SystemHull) -> dict[str, Any]:
    return {
        "label": phase.entry.label,
        "formula": phase.entry.composition.reduced.formula,
        "shares": [round(share, 6) for share in found.shares(phase.entry)],
        "formation": round(phase.formation_energy, 5),
        "above": round(phase.decomposition_energy, 5),
        "stable": phase.stable,
    }


def _edges(found: SystemHull) -> list[list[list[float]]]:
    """Edges of the facets of a hull of elements, each once."""
    edges: dict[tuple[tuple[float, ...], ...], None] = {}
    for facet in found.facets:
        for pair in combinations(facet, 2):
            ends = sorted(tuple(round(x, 6) for x in found.shares(entry)) for entry in pair)
            edges.setdefault(tuple(ends))
    return [[list(end) for end in edge] for edge in edges]


def _grown_line(
    placed: Sequence[ReportStructure], hull: Hull, found: SystemHull
) -> list[list[float]]:
    """Between two end members, the hull of references and found structures."""
    if len(found.members.formulas) != 2:
        return []
    judged = [one.atoms for one in placed if one.formation_energy is not None and not one.failure]
    with_enthalpy = [atoms for atoms in judged if records.ENTHALPY_PER_ATOM in atoms.info]
    grown = grown_hull(hull, with_enthalpy)
    return [list(point) for point in found.ends.section(grown, live=True)]


def _atoms(structures: Sequence[ReportStructure]) -> list[Atoms]:
    return [one.atoms for one in structures]
