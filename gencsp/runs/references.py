"""The hull of a run at its pressure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import same_pressure
from gencsp.convex_hull.under_pressure import ReferenceReport, default_cache, references_at
from gencsp.errors import RequestError
from gencsp.proposers.crystals.compression import volume_under
from gencsp.runs.objects import NO_HULL, Carried, HullGiven, open_hull

if TYPE_CHECKING:
    from gencsp.convex_hull.hull import Hull
    from gencsp.plugins import Choice
    from gencsp.potentials.base import Engine


def systems_of(structures: Iterable[Atoms]) -> set[tuple[str, ...]]:
    """The chemical systems of structures, of those whose elements gencsp knows."""
    found = {tuple(sorted(set(atoms.get_chemical_symbols()))) for atoms in structures}
    return {system for system in found if system and set(system) <= set(ELEMENTS)}


def hull_at(
    pressure: float,
    given: HullGiven,
    systems: Iterable[Iterable[str]],
    potential: str | Choice | Carried | dict[str, object],
    load: Callable[[], Engine],
    *,
    workers: int = 1,
    report: ReferenceReport | None = None,
) -> Hull:
    """The hull that a deck names or holds, at the pressure of the run.

    Without one, and under pressure, the crystals that ship with gencsp are relaxed at the pressure
    on first use, see :func:`~gencsp.convex_hull.under_pressure.references_at`. They are kept for
    potentials with a name: the digest of a calculator in memory, or of a file with a function that
    makes one, need not say which weights it has.

    Args:
        pressure: GPa.
        given: entries or a hull, as the deck has them.
        systems: elements of each chemical system that the hull is asked about.
        potential: that relaxes, as the deck has it.
        load: loads it; called only where references are made.
        workers: CPU threads.
        report: called as references are relaxed.

    Raises:
        StructureFileError, HullReferenceError: as :func:`~gencsp.runs.objects.open_hull`; also
            entries at another pressure.
        RequestError: the deck says that there is no hull.
        PotentialError, EngineError, WeightsError: as ``load``.
    """
    from gencsp.convex_hull.hull import Hull
    from gencsp.potentials.registry import potential_choice

    if given is not None or same_pressure(pressure, 0.0):
        hull = open_hull(given)
        hull.require_pressure(pressure)
        return hull
    named = not isinstance(potential, Carried) and potential_choice(potential)[1] == "plug-in"
    found = references_at(
        pressure,
        systems,
        load(),
        cache=default_cache() if named else None,
        workers=workers,
        report=report,
    )
    return Hull(found.entries, model=found.model, pressure=found.pressure)


def optional_hull_at(
    pressure: float,
    given: HullGiven,
    systems: Iterable[Iterable[str]],
    potential: str | Choice | Carried | dict[str, object],
    load: Callable[[], Engine],
    *,
    workers: int = 1,
    report: ReferenceReport | None = None,
) -> Hull | None:
    """As :func:`hull_at`; ``None`` where the deck says that there is no hull."""
    if given == NO_HULL:
        return None
    return hull_at(pressure, given, systems, potential, load, workers=workers, report=report)


def likely_volume(hull: Hull, composition: Composition) -> float:
    """Volume per atom of a composition at the pressure of a hull, Å³/atom.

    The smaller one of the equation of state's (:func:`.compression.volume_under`) and the mean
    volume of what the references decompose into: phases that become stable under pressure are
    denser than those that are only compressed. Both, and this choice, are measured in
    ``benchmarks/results/pressure.json``.

    Raises:
        HullReferenceError: no reference for one of the elements.
    """
    predicted = volume_under(composition, hull.pressure)
    products = hull.decomposition(composition)
    known = [(p.fraction, p.entry.volume_per_atom) for p in products]
    if any(volume is None for _, volume in known):
        return predicted
    return min(predicted, sum(share * (volume or 0.0) for share, volume in known))


def common_pressure(structures: Iterable[Atoms]) -> float:
    """The pressure that all structures were relaxed at, GPa.

    Raises:
        RequestError: there are several.
    """
    found = sorted(records.pressures(structures))
    if len(found) > 1:
        raise RequestError(
            f"the structures were relaxed at pressures from {found[0]:g} to {found[-1]:g} GPa: "
            f"choose that of the hull with --pressure."
        )
    return found[0] if found else 0.0
