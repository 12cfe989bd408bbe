"""Distances to the convex hull, with pymatgen's phase diagrams.

The decomposition energy is that of CHGGen (Methods, "MP phase diagram"): E_d = E_s − Σᵢ xᵢ Eᵢ, with
E_s the energy per atom of a structure and xᵢ, Eᵢ the share of atoms in, and energy per atom of,
each phase that the references decompose into at its composition. The references are fixed and the
structure is not one of them, so E_d may be negative.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pymatgen.core import Composition as PymatgenComposition
from scipy.optimize import linprog

from gencsp.composition import Composition
from gencsp.convex_hull.entries import (
    DEFAULT_MODEL,
    HullEntry,
    read_references,
    same_pressure,
    shipped_references,
)
from gencsp.errors import HullReferenceError

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

#: Elements up to which a whole phase diagram is built. The facets of a hull grow exponentially
#: with its dimension: from ten elements or so on a diagram takes minutes, then forever.
LARGEST_DIAGRAM = 6
#: Shares of atoms below this are rounding.
TRACE = 1e-9


@dataclass(frozen=True, slots=True)
class Product:
    """A phase that a composition decomposes into, and the share of all atoms in it."""

    entry: HullEntry
    fraction: float


@dataclass(frozen=True, slots=True)
class _Point:
    """The hull at one composition: energy in eV/atom and the phases there."""

    energy: float
    products: tuple[Product, ...]


class Hull:
    """The convex hull of fixed references, and beside it a live one that grows.

    ``decomposition_energy`` and ``decomposition`` look at the references alone, ``energy_above`` at
    the references and whatever was added since. Phase diagrams are built for one chemical system at
    a time, when it is first needed, and kept.

    Args:
        entries: reference phases; of several with one reduced formula the lowest counts.
        model: what made the energies, such as "chgnet-0.3.0".
        pressure: that the phases were relaxed at, GPa. Under pressure all energies here, also those
            that are given to the methods, are enthalpies, and E_d is a decomposition enthalpy.

    Raises:
        HullReferenceError: an entry was made by another model or at another pressure, or there are
            none.
    """

    def __init__(self, entries: Iterable[HullEntry], *, model: str, pressure: float = 0.0) -> None:
        self.model = model
        self.pressure = pressure
        self._references: dict[Composition, HullEntry] = {}
        for entry in entries:
            self._check(entry)
            _keep_lower(self._references, entry)
        if not self._references:
            raise HullReferenceError("a hull needs reference entries, and there are none.")
        self._live = dict(self._references)
        self._points: dict[Composition, _Point] = {}
        self._live_points: dict[Composition, _Point] = {}
        self._diagrams: dict[frozenset[str], PhaseDiagram] = {}
        self._live_diagrams: dict[frozenset[str], PhaseDiagram] = {}

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
        return len(self._references)

    @property
    def digest(self) -> str:
        """Short hash of model, pressure and references, 12 hexadecimal digits."""
        lines = sorted(
            f"{sorted(key.counts)} {entry.energy_per_atom!r}"
            for key, entry in self._references.items()
        )
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
        _require(elements, self._references, self.model)

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
        if not _keep_lower(self._live, entry):
            return False
        elements = set(entry.composition.elements)
        for system in [s for s in self._live_diagrams if elements <= s]:
            del self._live_diagrams[system]
        for key in [k for k in self._live_points if elements <= set(k.elements)]:
            del self._live_points[key]
        return True

    def without(self, formulas: Iterable[Composition]) -> Hull:
        """The references less all phases of these formulas, as the paper judges Li5Si2.

        Raises:
            HullReferenceError: nothing would be left.
        """
        gone = {formula.reduced for formula in formulas}
        kept = [entry for key, entry in self._references.items() if key not in gone]
        return Hull(kept, model=self.model, pressure=self.pressure)

    def stable(self, elements: Iterable[str]) -> tuple[HullEntry, ...]:
        """The reference phases on the hull of a chemical system and its sub-systems.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        system = Composition(tuple((symbol, 1) for symbol in elements))
        entries = self._diagram(system, live=False).stable_entries
        return tuple(sorted((e.attribute for e in entries), key=lambda e: e.composition.formula))

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

    def _point(self, composition: Composition) -> _Point:
        key = composition.reduced
        if key not in self._points:
            self._points[key] = self._found(composition, live=False)
        return self._points[key]

    def _found(self, composition: Composition, *, live: bool) -> _Point:
        if len(composition.elements) <= LARGEST_DIAGRAM:
            return _at(self._diagram(composition, live=live), composition)
        entries = self._live if live else self._references
        system = frozenset(composition.elements)
        return _by_programme(_inside(system, entries, self.model), composition)

    def _diagram(self, composition: Composition, *, live: bool) -> PhaseDiagram:
        system = frozenset(composition.elements)
        diagrams = self._live_diagrams if live else self._diagrams
        if system not in diagrams:
            entries = self._live if live else self._references
            diagrams[system] = _build(system, entries, self.model)
        return diagrams[system]


def _keep_lower(entries: dict[Composition, HullEntry], entry: HullEntry) -> bool:
    key = entry.composition.reduced
    if key in entries and entries[key].energy_per_atom <= entry.energy_per_atom:
        return False
    entries[key] = entry
    return True


def _require(elements: Iterable[str], entries: dict[Composition, HullEntry], model: str) -> None:
    missing = sorted(s for s in set(elements) if Composition(((s, 1),)) not in entries)
    if missing:
        raise HullReferenceError(
            f"the hull references of {model} hold no {' and no '.join(missing)}: add the element "
            f"to the entries file, or use the references that ship with gencsp."
        )


def _inside(
    system: frozenset[str], entries: dict[Composition, HullEntry], model: str
) -> list[HullEntry]:
    """The phases of a chemical system and its sub-systems."""
    _require(system, entries, model)
    return [e for key, e in entries.items() if system.issuperset(key.elements)]


def _build(
    system: frozenset[str], entries: dict[Composition, HullEntry], model: str
) -> PhaseDiagram:
    # Half of the time that importing this module would take goes into this one.
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

    inside = _inside(system, entries, model)
    return PhaseDiagram(
        [
            PDEntry(
                PymatgenComposition(dict(e.composition.counts)),
                e.energy_per_atom * e.composition.size,
                attribute=e,
            )
            for e in inside
        ]
    )


def _at(diagram: PhaseDiagram, composition: Composition) -> _Point:
    shares = diagram.get_decomposition(PymatgenComposition(dict(composition.counts)))
    products = sorted(
        (Product(entry.attribute, float(share)) for entry, share in shares.items()),
        key=lambda product: -product.fraction,
    )
    energy = sum(product.fraction * product.entry.energy_per_atom for product in products)
    return _Point(energy, tuple(products))


def _by_programme(entries: list[HullEntry], composition: Composition) -> _Point:
    """The hull at one composition, by linear programming.

    Of all mixtures of phases that add up to the composition, the one of lowest energy, as each
    phase's share of the atoms.
    """
    elements = composition.elements
    size = composition.size
    wanted = np.array([dict(composition.counts)[symbol] / size for symbol in elements])
    shares = np.array(
        [
            [dict(e.composition.counts).get(s, 0) / e.composition.size for e in entries]
            for s in elements
        ]
    )
    energies = np.array([e.energy_per_atom for e in entries])
    solved = linprog(energies, A_eq=shares, b_eq=wanted, bounds=(0, None), method="highs")
    # The elements are among the phases, so there always is a solution.
    products = sorted(
        (Product(e, float(x)) for e, x in zip(entries, solved.x, strict=True) if x > TRACE),
        key=lambda product: -product.fraction,
    )
    return _Point(float(solved.fun), tuple(products))
