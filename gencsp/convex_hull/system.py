"""What the references of a hull say of a chemical system, or of one formula."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gencsp.composition import Composition
from gencsp.convex_hull.diagram import Product
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import CompositionError, HullReferenceError, RequestError

#: A phase nearer to the hull than this, eV/atom, is on it: far below what relaxations differ by.
ON_HULL = 1e-6
#: Phases of one formula and space group within this, eV/atom, are mostly one crystal from several
#: sources.
ALIKE = 1e-3
#: Phases of a system that are listed lie at most this far above the hull, eV/atom.
WITHIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A reference phase with its energies.

    Attributes:
        entry: the phase.
        formation_energy: E_f in eV/atom, from the lowest reference of each element.
        decomposition_energy: E_d in eV/atom, against all references, the phase among them: 0 for a
            stable one, positive for all others.
        decomposition: the phases on the hull at its composition: the phase itself where it is
            stable.
    """

    entry: HullEntry
    formation_energy: float
    decomposition_energy: float
    decomposition: tuple[Product, ...]

    @property
    def stable(self) -> bool:
        """Whether it is on the hull."""
        return self.decomposition_energy < ON_HULL

    def as_dict(self) -> dict[str, Any]:
        """As a row of a table; energies in eV/atom, shares of atoms."""
        entry = self.entry
        return {
            "formula": entry.composition.reduced.formula,
            "space_group": entry.symbol,
            "space_group_number": entry.space_group or None,
            "formation_energy": round(self.formation_energy, 6),
            "decomposition_energy": round(self.decomposition_energy, 6),
            "stable": self.stable,
            "decomposition": [one.as_dict() for one in self.decomposition],
            "source": entry.source,
            "source_id": entry.entry_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemHull:
    """The hull of a chemical system.

    Attributes:
        elements: as the system was written.
        model: what made the energies.
        within: phases are listed up to here above the hull, eV/atom.
        phases: the stable ones along the system, then the others by E_d; polymorphs included.
        facets: the phases at the corners of each facet of the hull, as many as there are elements;
            empty for systems of more than :data:`~gencsp.convex_hull.hull.LARGEST_DIAGRAM`.
        count: number of all reference phases of the system and its sub-systems.
    """

    elements: tuple[str, ...]
    model: str
    within: float
    phases: tuple[Phase, ...]
    facets: tuple[tuple[HullEntry, ...], ...]
    count: int

    @property
    def stable(self) -> tuple[Phase, ...]:
        """The phases on the hull, one for each formula."""
        stable: dict[Composition, Phase] = {}
        for phase in self.phases:
            if phase.stable:
                stable.setdefault(phase.entry.composition.reduced, phase)
        return tuple(stable.values())

    def shares(self, entry: HullEntry) -> tuple[float, ...]:
        """Share of atoms of each element of the system in a phase."""
        return _shares(entry, self.elements)

    def as_dict(self) -> dict[str, Any]:
        """All of it for a JSON file; energies in eV/atom."""
        return {
            "system": "-".join(self.elements),
            "model": self.model,
            "within": self.within,
            "references": self.count,
            "phases": [phase.as_dict() for phase in self.phases],
            "facets": [[corner.label for corner in facet] for facet in self.facets],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FormulaHull:
    """The references of one formula.

    Attributes:
        composition: reduced.
        model: what made the energies.
        phases: all polymorphs, lowest first.
        decomposition: the phases that are lowest at the composition: the lowest polymorph itself
            where it is stable.
    """

    composition: Composition
    model: str
    phases: tuple[Phase, ...]
    decomposition: tuple[Product, ...]

    @property
    def lowest(self) -> Phase:
        """The lowest polymorph."""
        return self.phases[0]

    def as_dict(self) -> dict[str, Any]:
        """All of it for a JSON file; energies in eV/atom."""
        return {
            "formula": self.composition.formula,
            "model": self.model,
            "decomposition": [one.as_dict() for one in self.decomposition],
            "phases": [phase.as_dict() for phase in self.phases],
        }


def elements_of(system: str) -> tuple[str, ...]:
    """The elements of a chemical system such as ``Li-P-S``, in that order.

    Raises:
        CompositionError: an element that gencsp does not know, or one that is written twice.
        RequestError: fewer than two elements.
    """
    elements = tuple(symbol.strip() for symbol in system.split("-"))
    composition = Composition.from_counts(dict.fromkeys(elements, 1), system)
    if len(composition.counts) < len(elements):
        raise CompositionError(f"'{system}' names an element twice: write each once.")
    if len(elements) < 2:
        raise RequestError(
            f"'{system}' is one element, and a hull lies between two or more: write a system such "
            f"as Li-Si, or ask for the phases of the element with --show {system}."
        )
    return elements


def hull_of_elements(hull: Hull, elements: Iterable[str], *, within: float = WITHIN) -> SystemHull:
    """The stable phases of a chemical system, and those just above its hull.

    Args:
        hull: the references.
        elements: of the system, in the order of its axes.
        within: how far above the hull phases are listed, eV/atom.

    Raises:
        HullReferenceError: no reference for one of the elements.
    """
    system = tuple(elements)
    phases = _phases(hull, hull.inside(system))
    stable = [phase for phase in phases if phase.stable]
    others = [phase for phase in phases if ON_HULL <= phase.decomposition_energy <= within]
    stable.sort(key=lambda phase: _shares(phase.entry, system)[::-1])
    others.sort(key=lambda phase: phase.decomposition_energy)
    return SystemHull(
        elements=system,
        model=hull.model,
        within=within,
        phases=(*stable, *others),
        facets=hull.facets(system),
        count=len(phases),
    )


def alike(phases: Iterable[Phase]) -> list[list[Phase]]:
    """Phases in groups that are mostly one crystal each, for tables that are read.

    Those of a group have one formula and space group, and energies within ``ALIKE`` of the first.
    Groups stand in the order of their first members.
    """
    groups: list[list[Phase]] = []
    last: dict[tuple[Composition, int], list[Phase]] = {}
    for phase in phases:
        key = (phase.entry.composition.reduced, phase.entry.space_group)
        group = last.get(key) if phase.entry.space_group else None
        if group is None or abs(_apart(phase, group[0])) > ALIKE:
            last[key] = group = []
            groups.append(group)
        group.append(phase)
    return groups


def _apart(one: Phase, other: Phase) -> float:
    return one.entry.energy_per_atom - other.entry.energy_per_atom


def hull_of_composition(hull: Hull, composition: Composition) -> FormulaHull:
    """The references of a formula, lowest first, and what it decomposes into.

    Raises:
        HullReferenceError: no reference for one of the elements, or none of the formula.
    """
    entries = hull.references(composition)
    products = hull.decomposition(composition)
    if not entries:
        raise HullReferenceError(
            f"the hull references of {hull.model} hold no phase of "
            f"{composition.reduced.formula}: there they decompose into "
            f"{' + '.join(map(str, products))}. 'gencsp hull {'-'.join(composition.elements)}' "
            f"lists the phases of the system."
        )
    return FormulaHull(
        composition=composition.reduced,
        model=hull.model,
        phases=tuple(_phases(hull, entries)),
        decomposition=products,
    )


def _shares(entry: HullEntry, elements: Iterable[str]) -> tuple[float, ...]:
    counts = dict(entry.composition.counts)
    return tuple(counts.get(symbol, 0) / entry.composition.size for symbol in elements)


def _phases(hull: Hull, entries: Iterable[HullEntry]) -> list[Phase]:
    elements: dict[str, float] = {}
    found = []
    for entry in entries:
        counts, size = entry.composition.counts, entry.composition.size
        for symbol, _ in counts:
            if symbol not in elements:
                alone = hull.references(Composition(((symbol, 1),)))
                elements[symbol] = alone[0].energy_per_atom
        free = sum(n * elements[symbol] for symbol, n in counts) / size
        above = hull.decomposition_energy(entry.composition, entry.energy_per_atom)
        found.append(
            Phase(
                entry=entry,
                formation_energy=entry.energy_per_atom - free,
                decomposition_energy=max(above, 0.0),
                decomposition=hull.decomposition(entry.composition),
            )
        )
    return found
