"""What the references of a hull say of a chemical system, a tie-line, or one formula."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gencsp.composition import Composition
from gencsp.convex_hull.diagram import Product
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.ends import Ends
from gencsp.convex_hull.html import phases_html
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import HullReferenceError

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
        formation_energy: E_f in eV/atom, from the lowest reference of each element, or of each end
            member of a tie-line.
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
    """The hull of a chemical system, or along a tie-line.

    Attributes:
        ends: the end members, as the system was written.
        model: what made the energies.
        within: phases are listed up to here above the hull, eV/atom.
        phases: the stable ones along the system, then the others by E_d; polymorphs included. Of
            a tie-line those on it; what lies off it stands in their decompositions.
        facets: of a chemical system, the phases at the corners of each facet of the hull, as many
            as there are elements; empty for systems of more than
            :data:`~gencsp.convex_hull.hull.LARGEST_DIAGRAM`.
        section: between two end members, share of the atoms in the second and formation energy of
            the hull (eV/atom) where it bends; see :meth:`Ends.section`.
        count: number of all reference phases of the system and its sub-systems.
    """

    ends: Ends
    model: str
    within: float
    phases: tuple[Phase, ...]
    facets: tuple[tuple[HullEntry, ...], ...]
    section: tuple[tuple[float, float], ...]
    count: int

    @property
    def members(self) -> EndMembers:
        """The end members."""
        return self.ends.members

    @property
    def stable(self) -> tuple[Phase, ...]:
        """The phases on the hull, one for each formula."""
        stable: dict[Composition, Phase] = {}
        for phase in self.phases:
            if phase.stable:
                stable.setdefault(phase.entry.composition.reduced, phase)
        return tuple(stable.values())

    def shares(self, entry: HullEntry) -> tuple[float, ...]:
        """Share of the atoms of a phase in each end member."""
        return self.members.shares(entry.composition)

    def as_dict(self) -> dict[str, Any]:
        """All of it for a JSON file; energies in eV/atom."""
        return {
            "system": self.members.name,
            "model": self.model,
            "within": self.within,
            "references": self.count,
            "end_members_without_reference": list(self.ends.missing),
            "phases": [phase.as_dict() for phase in self.phases],
            "facets": [[corner.label for corner in facet] for facet in self.facets],
            "section": [list(point) for point in self.section],
        }

    def _repr_html_(self) -> str:
        return phases_html(
            alike(self.phases),
            f"{self.members.name}: stable phases and those up to {self.within:g} eV/atom above "
            f"the hull, {len(self.phases):,} of {self.count:,} references of {self.model}",
        )


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

    def _repr_html_(self) -> str:
        return phases_html(
            alike(self.phases), f"{self.composition.formula}: all references of {self.model}"
        )


def hull_of_members(hull: Hull, members: EndMembers, *, within: float = WITHIN) -> SystemHull:
    """The stable phases of a chemical system or tie-line, and those just above its hull.

    Decomposition energies are against all references of the elements: also along a tie-line those
    that lie off it.

    Args:
        hull: the references.
        members: of the system, in the order of its axes.
        within: how far above the hull phases are listed, eV/atom.

    Raises:
        HullReferenceError: no reference for one of the elements.
    """
    ends = Ends.of(hull, members)
    entries = [one for one in hull.inside(members.elements) if members.amounts(one.composition)]
    phases = _phases(hull, entries, ends.formation_energy)
    stable = [phase for phase in phases if phase.stable]
    others = [phase for phase in phases if ON_HULL <= phase.decomposition_energy <= within]
    stable.sort(key=lambda phase: members.shares(phase.entry.composition)[::-1])
    others.sort(key=lambda phase: phase.decomposition_energy)
    return SystemHull(
        ends=ends,
        model=hull.model,
        within=within,
        phases=(*stable, *others),
        facets=hull.facets(members.elements) if members.of_elements else (),
        section=ends.section(hull),
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
        phases=tuple(_phases(hull, entries, partial(_from_elements, hull))),
        decomposition=products,
    )


def _phases(
    hull: Hull,
    entries: Iterable[HullEntry],
    formation_energy: Callable[[Composition, float], float],
) -> list[Phase]:
    return [
        Phase(
            entry=entry,
            formation_energy=formation_energy(entry.composition, entry.energy_per_atom),
            decomposition_energy=max(
                hull.decomposition_energy(entry.composition, entry.energy_per_atom), 0.0
            ),
            decomposition=hull.decomposition(entry.composition),
        )
        for entry in entries
    ]


def _from_elements(hull: Hull, composition: Composition, energy_per_atom: float) -> float:
    """Energy less that of the lowest reference of each element, eV/atom."""
    alone = {s: hull.references(Composition(((s, 1),)))[0] for s in composition.elements}
    free = sum(n * alone[s].energy_per_atom for s, n in composition.counts)
    return energy_per_atom - free / composition.size
