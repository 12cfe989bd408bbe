"""Distances to the convex hull, with pymatgen's phase diagrams.

The decomposition energy is that of CHGGen (Methods, "MP phase diagram"): E_d = E_s − Σᵢ xᵢ Eᵢ, with
E_s the energy per atom of a structure and xᵢ, Eᵢ the share of atoms in, and energy per atom of,
each phase that the references decompose into at its composition. The references are fixed and the
structure is not one of them, so E_d may be negative. At a composition without any reference a
negative E_d mostly says that a phase is missing, so :meth:`Hull.basis` says what it stands on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

from ase import Atoms

from gencsp.composition import Composition
from gencsp.convex_hull.crystals import reference_crystal
from gencsp.convex_hull.diagram import Diagram, Point, Product, by_programme
from gencsp.convex_hull.entries import (
    DEFAULT_MODEL,
    read_references,
    same_pressure,
    shipped_references,
)
from gencsp.convex_hull.phases import Phases
from gencsp.convex_hull.table import EntryTable, HullEntry
from gencsp.errors import HullReferenceError
from gencsp.records import Basis
from gencsp.similarity import same_crystal
from gencsp.similarity.tolerances import FAMILY_ENERGY
from gencsp.symmetry.refinement import space_group

#: Elements up to which a whole phase diagram is built. The facets of a hull grow exponentially
#: with its dimension: from ten elements or so on a diagram takes minutes, then forever.
LARGEST_DIAGRAM = 6
NO_ENTRIES = "a hull needs reference entries, and there are none."


class Hull:
    """The convex hull of fixed references, and beside it a live one that grows.

    ``decomposition_energy`` and ``decomposition`` look at the references alone, ``energy_above`` at
    the references and whatever was added since. Phase diagrams are built for one chemical system at
    a time, when it is first needed, and kept.

    Args:
        entries: reference phases; of several with one reduced formula (polymorphs) the lowest is
            on the hull or next to it.
        model: what made the energies, such as "chgnet-0.3.0".
        pressure: that the phases were relaxed at, GPa. Under pressure all energies here, also those
            that are given to the methods, are enthalpies, and E_d is a decomposition enthalpy.
        phases: the reference phases where they are sorted already, in place of ``entries``.

    Raises:
        HullReferenceError: an entry was made by another model or at another pressure, or there are
            none.
    """

    def __init__(
        self,
        entries: Iterable[HullEntry],
        *,
        model: str,
        pressure: float = 0.0,
        phases: Phases | None = None,
    ) -> None:
        self.model = model
        self.pressure = pressure
        self._phases = Phases(self._checked(entries)) if phases is None else phases
        self._added: dict[Composition, HullEntry] = {}
        self._points: dict[Composition, Point] = {}
        self._live_points: dict[Composition, Point] = {}
        self._diagrams: dict[frozenset[str], Diagram] = {}
        self._live_diagrams: dict[frozenset[str], Diagram] = {}

    @classmethod
    def load(cls, path: Path | None = None, *, model: str | None = None) -> Self:
        """The shipped references, or those in a user's entries file.

        Args:
            path: JSON or CSV as :func:`gencsp.convex_hull.entries.read_references` reads it;
                ``None`` for the table that ships with gencsp.
            model: the model of the energies, where the file does not say.

        Raises:
            StructureFileError: the file cannot be read.
            HullReferenceError: no references for the model, or a file that names none.
        """
        if path is None:
            references = shipped_references(model or DEFAULT_MODEL)
        else:
            references = read_references(path, model=model)
        return cls(references.entries, model=references.model, pressure=references.pressure)

    def __len__(self) -> int:
        """Number of reference formulas."""
        return len(self._phases.lowest())

    @property
    def digest(self) -> str:
        """Short hash of model, pressure and references, 12 hexadecimal digits.

        Of a formula the lowest phase counts, on which decomposition energies depend.
        """
        lowest = self._phases.lowest().items()
        lines = sorted(f"{list(counts)} {float(energy)!r}" for counts, energy in lowest)
        if self.pressure:
            lines.append(f"{self.pressure!r} GPa")
        return hashlib.sha256("\n".join([self.model, *lines]).encode()).hexdigest()[:12]

    def require_model(self, model: str) -> None:
        """Raise ``HullReferenceError`` unless ``model`` made the references."""
        if model != self.model:
            raise HullReferenceError(
                f"the hull references were made with {self.model} and the energies with {model}: "
                f"give an entries file made with {model}."
            )

    def require_pressure(self, pressure: float) -> None:
        """Raise ``HullReferenceError`` unless the references are at this pressure, GPa."""
        if not same_pressure(pressure, self.pressure):
            raise HullReferenceError(
                f"the hull references are at {self.pressure:g} GPa and the structures at "
                f"{pressure:g} GPa: leave them out for references made at {pressure:g} GPa, or "
                f"make a file of them with 'gencsp references SYSTEM --pressure {pressure:g}'."
            )

    def require_elements(self, elements: Iterable[str]) -> None:
        """Raise ``HullReferenceError`` unless there are references for all of these elements.

        It builds no phase diagram, so it is quick.
        """
        missing = sorted(s for s in set(elements) if not self.references(Composition(((s, 1),))))
        if missing:
            raise self._lacks(missing)

    def decomposition_energy(
        self, composition: Composition, energy_per_atom: float, *, model: str | None = None
    ) -> float:
        """E_d in eV/atom, negative below the reference hull.

        Args:
            composition: of the structure.
            energy_per_atom: its energy, eV/atom.
            model: what made that energy, to be checked; ``None`` for no check.

        Raises:
            HullReferenceError: no reference for one of the elements, or energies of two models.
        """
        if model is not None:
            self.require_model(model)
        return energy_per_atom - self._point(composition).energy

    def decomposition(self, composition: Composition) -> tuple[Product, ...]:
        """What the references decompose into at a composition, largest share first.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        return self._point(composition).products

    def references(self, composition: Composition) -> tuple[HullEntry, ...]:
        """The reference phases of a formula (its polymorphs), lowest first; none where none is."""
        return self._phases.of_formula(composition)

    def inside(self, elements: Iterable[str]) -> tuple[HullEntry, ...]:
        """All reference phases of a chemical system and its sub-systems, polymorphs included.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        system = tuple(elements)
        self.require_elements(system)
        return tuple(chain.from_iterable(self._phases.inside(system)))

    def phase_of(self, atoms: Atoms, energy_per_atom: float) -> HullEntry | None:
        """The reference phase that a structure is; ``None`` where it is none that is known.

        It is one whose energy is within ``FAMILY_ENERGY`` of the structure's, and whose crystal is
        known (:func:`gencsp.convex_hull.crystals.reference_crystal`) and the same
        (:func:`gencsp.similarity.same_crystal`). Of several the one of the structure's space group
        counts, and then the one of the nearest energy. The crystals are those at zero pressure,
        scaled to the volume of the structure: under pressure a phase whose cell or positions change
        much besides is not recognised.

        Args:
            atoms: a crystal; what is none is no reference phase.
            energy_per_atom: its energy by the hull's own model, eV/atom; under pressure enthalpy.
        """
        if atoms.cell.rank < 3 or not atoms.pbc.all():
            return None
        near = [
            (abs(entry.energy_per_atom - energy_per_atom), entry)
            for entry in self.references(Composition.of(atoms))
        ]
        near = [one for one in near if one[0] <= FAMILY_ENERGY]
        group = space_group(atoms).number if len(near) > 1 else 0
        for _, entry in sorted(near, key=lambda one: (one[1].space_group != group, one[0])):
            crystal = reference_crystal(entry)
            if crystal is not None and same_crystal(atoms, crystal):
                return entry
        return None

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
        """What the decomposition energy of a structure stands on.

        Args:
            atoms: a crystal.
            energy_per_atom: its energy by the hull's own model, eV/atom; under pressure enthalpy.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        composition = Composition.of(atoms)
        phase = self.phase_of(atoms, energy_per_atom)
        return Basis(
            decomposition=" + ".join(map(str, self.decomposition(composition))),
            has_reference=bool(self.references(composition)),
            phase="" if phase is None else phase.label,
        )

    def energy_above(self, composition: Composition, energy_per_atom: float) -> float:
        """Energy above the live hull, eV/atom.

        Zero for an added phase that lies on the hull; never negative for an added phase.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        key = composition.reduced
        if key not in self._live_points:
            self._live_points[key] = self._found(composition, live=True)
        return energy_per_atom - self._live_points[key].energy

    def add(self, entry: HullEntry) -> bool:
        """Add a phase to the live hull; returns whether it is now the lowest of its formula.

        Raises:
            HullReferenceError: it was made by another model.
        """
        self._check(entry)
        key = entry.composition.reduced
        known = [*self.references(key)[:1], *filter(None, [self._added.get(key)])]
        if any(one.energy_per_atom <= entry.energy_per_atom for one in known):
            return False
        self._added[key] = entry
        elements = set(entry.composition.elements)
        for system in [s for s in self._live_diagrams if elements <= s]:
            del self._live_diagrams[system]
        for point in [k for k in self._live_points if elements <= set(k.elements)]:
            del self._live_points[point]
        return True

    def without(self, formulas: Iterable[Composition]) -> Hull:
        """The references less all phases of these formulas, as the paper judges Li5Si2.

        Raises:
            HullReferenceError: nothing would be left.
        """
        phases = self._phases.without(formulas)
        less = type(self)((), model=self.model, pressure=self.pressure, phases=phases)
        if next(iter(less._phases), None) is None:
            raise HullReferenceError(NO_ENTRIES)
        return less

    def stable(self, elements: Iterable[str]) -> tuple[HullEntry, ...]:
        """The reference phases on the hull of a chemical system and its sub-systems.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        stable = self._diagram(elements, live=False).stable()
        return tuple(sorted(stable, key=lambda entry: entry.composition.formula))

    def facets(self, elements: Iterable[str]) -> tuple[tuple[HullEntry, ...], ...]:
        """The phases at the corners of each facet of the hull of a chemical system.

        None for more than ``LARGEST_DIAGRAM`` elements, of which no whole hull is built.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        system = frozenset(elements)
        small = len(system) <= LARGEST_DIAGRAM
        return tuple(self._diagram(system, live=False).facets()) if small else ()

    def section(
        self, first: Composition, second: Composition, *, live: bool = False
    ) -> tuple[tuple[float, float], ...]:
        """The hull along a tie-line, off which its phases may lie: see :meth:`.Diagram.section`.

        None for more than ``LARGEST_DIAGRAM`` elements, of which no whole hull is built.

        Args:
            first: the end where the share is 0.
            second: the end where it is 1.
            live: with the phases that were added.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        system = frozenset((*first.elements, *second.elements))
        if len(system) > LARGEST_DIAGRAM:
            return ()
        return tuple(self._diagram(system, live=live).section(first, second))

    def _check(self, entry: HullEntry) -> None:
        if entry.model != self.model:
            raise HullReferenceError(
                f"{entry.composition} was made with {entry.model}, the hull with {self.model}: "
                f"energies of different models must not be mixed."
            )
        if not same_pressure(entry.pressure, self.pressure):
            raise HullReferenceError(
                f"{entry.composition} is at {entry.pressure:g} GPa, the hull at "
                f"{self.pressure:g} GPa: enthalpies at different pressures must not be mixed."
            )

    def _checked(self, entries: Iterable[HullEntry]) -> Sequence[HullEntry]:
        if isinstance(entries, EntryTable):
            if len(entries):
                self._check(entries[0])  # it holds those of one model and pressure
        else:
            entries = list(entries)
            for entry in entries:
                self._check(entry)
        if not entries:
            raise HullReferenceError(NO_ENTRIES)
        return entries

    def _point(self, composition: Composition) -> Point:
        key = composition.reduced
        if key not in self._points:
            self._points[key] = self._found(composition, live=False)
        return self._points[key]

    def _found(self, composition: Composition, *, live: bool) -> Point:
        if len(composition.elements) <= LARGEST_DIAGRAM:
            return self._diagram(composition.elements, live=live).at(composition)
        return by_programme(self._lowest(composition.elements, live=live), composition)

    def _diagram(self, elements: Iterable[str], *, live: bool) -> Diagram:
        system = frozenset(elements)
        diagrams = self._live_diagrams if live else self._diagrams
        if system not in diagrams:
            diagrams[system] = Diagram(self._lowest(system, live=live))
        return diagrams[system]

    def _lowest(self, elements: Iterable[str], *, live: bool) -> list[HullEntry]:
        """The lowest phase of each formula of a chemical system and its sub-systems."""
        system = frozenset(elements)
        lowest = {own[0].composition.reduced: own[0] for own in self._phases.inside(system)}
        if live:
            lowest |= {k: e for k, e in self._added.items() if system.issuperset(k.elements)}
        missing = sorted(s for s in system if Composition(((s, 1),)) not in lowest)
        if missing:
            raise self._lacks(missing)
        return list(lowest.values())

    def _lacks(self, elements: Sequence[str]) -> HullReferenceError:
        return HullReferenceError(
            f"the hull references of {self.model} hold no {' and no '.join(elements)}: add the "
            f"element to the entries file, or use the references that ship with gencsp."
        )
