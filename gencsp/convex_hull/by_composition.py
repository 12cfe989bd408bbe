"""What a run on several compositions found, composition by composition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.ends import Ends
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import ON_HULL
from gencsp.convex_hull.table import HullEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowest:
    """The lowest structure that was found of a composition.

    Attributes:
        composition: reduced.
        atoms: the structure.
        shares: of its atoms, in each end member.
        formation_energy: from the end members, eV/atom; under pressure an enthalpy, as are the
            others.
        decomposition_energy: against the references alone, eV/atom.
        on_hull: whether it is a corner of the hull of the references and all that was found.
        structures: how many were found of the composition.
        crystals: how many different ones.
    """

    composition: Composition
    atoms: Atoms
    shares: tuple[float, ...]
    formation_energy: float
    decomposition_energy: float
    on_hull: bool
    structures: int
    crystals: int

    def as_dict(self) -> dict[str, Any]:
        """As a row of a table; energies in eV/atom."""
        info = self.atoms.info
        return {
            "formula": self.composition.formula,
            "on_hull": self.on_hull,
            "decomposition_energy": round(self.decomposition_energy, 6),
            "formation_energy": round(self.formation_energy, 6),
            "space_group": str(info.get(records.SPACE_GROUP, "")),
            "space_group_number": info.get(records.SPACE_GROUP_NUMBER),
            "structure_id": str(info.get(records.STRUCTURE_ID, "")),
            "reference_phase": str(info.get(records.REFERENCE_PHASE, "")),
            "structures": self.structures,
            "crystals": self.crystals,
        }


def grown_hull(hull: Hull, structures: Iterable[Atoms]) -> Hull:
    """The references, and in its live part the lowest structure of each composition.

    Args:
        hull: the references, which stay as they are.
        structures: with their enthalpies, by the model and at the pressure of the hull.
    """
    grown = hull.without(())
    for atoms in structures:
        grown.add(
            HullEntry(
                composition=Composition.of(atoms),
                energy_per_atom=_enthalpy(atoms),
                model=hull.model,
                pressure=hull.pressure,
                entry_id=str(atoms.info.get(records.STRUCTURE_ID, "")),
            )
        )
    return grown


def lowest_by_composition(ranked: Sequence[Atoms], hull: Hull, ends: Ends) -> list[Lowest]:
    """The lowest structure of each composition, along the system.

    Args:
        ranked: the structures of a run, lowest first, with their energies and duplicates marked.
        hull: the references.
        ends: the end members.

    Raises:
        CompositionError: a structure is no mixture of the end members.
    """
    groups: dict[Composition, list[Atoms]] = {}
    for atoms in ranked:
        groups.setdefault(_as_in(ends.members.elements, atoms), []).append(atoms)
    grown = grown_hull(hull, (group[0] for group in groups.values()))
    found = []
    for composition, group in groups.items():
        energy = _enthalpy(group[0])
        found.append(
            Lowest(
                composition=composition,
                atoms=group[0],
                shares=ends.members.shares(composition),
                formation_energy=ends.formation_energy(composition, energy),
                decomposition_energy=hull.decomposition_energy(composition, energy),
                on_hull=grown.energy_above(composition, energy) < ON_HULL,
                structures=len(group),
                crystals=sum(not atoms.info.get(records.DUPLICATE_OF) for atoms in group),
            )
        )
    return sorted(found, key=lambda one: one.shares[::-1])


def _as_in(elements: Sequence[str], atoms: Atoms) -> Composition:
    """The reduced formula of a structure, its elements in the order of the system."""
    counts = dict(Composition.of(atoms).counts)
    others = [symbol for symbol in counts if symbol not in elements]
    return Composition(tuple((s, counts[s]) for s in (*elements, *others) if s in counts))


def _enthalpy(atoms: Atoms) -> float:
    return float(atoms.info[records.ENTHALPY_PER_ATOM])
