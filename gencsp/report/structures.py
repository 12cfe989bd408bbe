"""Structures of a run or a pool as a report shows them, from what stands in their ``info``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.files import one_line
from gencsp.powder.similarity import VOIGT, strain_of
from gencsp.report.model import ReportStructure
from gencsp.store.base import Finished

TRIAL = "trial"


def structures_of_run(tasks: Mapping[str, Finished]) -> list[ReportStructure]:
    """All structures that the tasks of a run left, the lowest first, with their trials."""
    found = [
        (atoms, _trial(task)) for task, finished in tasks.items() for atoms in finished.structures
    ]
    if not any(number is not None for _, number in found):
        places = _places_of_ancestors([atoms for atoms, _ in found])
        found = [(atoms, places[k]) for k, (atoms, _) in enumerate(found)]
    return _ranked(found)


def structures_of_pool(pool: Sequence[Atoms]) -> list[ReportStructure]:
    """The structures of a pool, the lowest first; their places in it stand for trials."""
    return _ranked([(atoms, place) for place, atoms in enumerate(pool)])


def _ranked(found: Iterable[tuple[Atoms, int | None]]) -> list[ReportStructure]:
    ranked = sorted(found, key=lambda one: records.results_first(one[0]))
    return [structure(atoms, trial) for atoms, trial in ranked]


def structure(atoms: Atoms, trial: int | None = None) -> ReportStructure:
    """One structure with what its ``info`` says.

    Args:
        atoms: the structure.
        trial: its number, see :attr:`.ReportStructure.trial`.
    """
    info = atoms.info
    composition = Composition.of(atoms)
    group = str(info.get(records.SPACE_GROUP, ""))
    number = info.get(records.SPACE_GROUP_NUMBER)
    identity = str(info.get(records.STRUCTURE_ID, ""))
    parents = str(info.get(records.PARENTS, "")).split(";")
    proposer = str(info.get(records.PROPOSER, ""))
    copies = records.number(info, records.COPIES)
    return ReportStructure(
        structure_id=identity,
        atoms=atoms,
        formula=Composition.in_cell(atoms).formula,
        reduced=composition.reduced.formula,
        energy=_energy(info),
        above=records.above_hull(info),
        shown=records.shown_decomposition_energy(info),
        volume=float(atoms.cell.volume) / len(atoms)
        if len(atoms) and atoms.cell.rank == 3
        else None,
        space_group=f"{group} ({number})" if group and number else group,
        origin=str(info.get(records.MOVE) or proposer or info.get(records.ORIGIN, "")),
        proposer=proposer,
        model=str(info.get(records.MODEL, "")),
        stage=str(info.get(records.STAGE, "")),
        # A pool keeps ids through a relaxation: there a structure is its own parent by name.
        parents=tuple(parent for parent in parents if parent not in ("", identity)),
        trial=trial,
        failure=_failure(info),
        duplicate_of=str(info.get(records.DUPLICATE_OF, "")),
        copies=None if copies is None else int(copies),
        decomposition=str(info.get(records.DECOMPOSITION, "")),
        reference=records.shown_reference(info),
        fell_at=str(info.get(records.FILTER_FELL_AT, "")),
        similarity=records.number(info, records.XRD_SIMILARITY),
        strain=_strain(info),
    )


def _energy(info: Mapping[str, Any]) -> float | None:
    enthalpy = records.number(info, records.ENTHALPY_PER_ATOM)
    if enthalpy is not None or records.number(info, records.PRESSURE):
        return enthalpy
    return records.number(info, records.ENERGY_PER_ATOM)


def _strain(info: Mapping[str, Any]) -> tuple[float, ...] | None:
    found = strain_of(str(info.get(records.XRD_STRAIN, "")))
    return None if found is None else tuple(float(found[i, j]) for i, j in VOIGT)


def _failure(info: Mapping[str, Any]) -> str:
    outcome = str(info[records.OUTCOME]) if records.failed(info) else ""
    reason = str(info.get(records.REASON, ""))
    return one_line(": ".join(filter(None, (outcome, reason))))


def _trial(task: str) -> int | None:
    """The number of a trial in the name of its task; ``None`` of another task."""
    kind, _, number = task.partition("-")
    return int(number) if kind == TRIAL and number.isdigit() else None


def _places_of_ancestors(structures: Sequence[Atoms]) -> list[int | None]:
    """For each structure the place of its earliest ancestor among all that have no parents."""
    parents = {
        str(atoms.info.get(records.STRUCTURE_ID, "")): str(atoms.info.get(records.PARENTS, ""))
        for atoms in structures
    }
    first = sorted(name for name, parent in parents.items() if parent not in parents)
    place = {name: number for number, name in enumerate(first)}

    def ancestor(name: str) -> str:
        seen = {name}
        while (parent := parents.get(name, "")) in parents and parent not in seen:
            name = parent
            seen.add(name)
        return name

    names = (str(atoms.info.get(records.STRUCTURE_ID, "")) for atoms in structures)
    return [place.get(ancestor(name)) for name in names]
