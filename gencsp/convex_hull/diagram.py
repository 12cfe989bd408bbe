"""The hull of one chemical system, with pymatgen's phase diagram or by linear programming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Composition as PymatgenComposition
from scipy.optimize import linprog

from gencsp.composition import Composition
from gencsp.convex_hull.table import HullEntry

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

#: Shares of atoms below this are rounding.
TRACE = 1e-9


@dataclass(frozen=True, slots=True)
class Product:
    """A phase that a composition decomposes into, and the share of all atoms in it."""

    entry: HullEntry
    fraction: float

    def __str__(self) -> str:
        return f"{self.fraction:.3f} {self.entry.name}"

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "share": round(self.fraction, 6),
            "formula": self.entry.composition.reduced.formula,
            "space_group": self.entry.symbol,
            "source_id": self.entry.entry_id,
        }


@dataclass(frozen=True, slots=True)
class Point:
    """The hull at one composition: energy in eV/atom and the phases there."""

    energy: float
    products: tuple[Product, ...]


def load_diagrams() -> None:
    """Load what diagrams are made with, half a second's work, while there is nothing else to do."""
    import_module("pymatgen.analysis.phase_diagram")


class Diagram:
    """The hull of a chemical system.

    Args:
        entries: the lowest phase of each formula, the elements among them.
    """

    def __init__(self, entries: Sequence[HullEntry]) -> None:
        # Half of the time that importing this module would take goes into this one.
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

        self._diagram: PhaseDiagram = PhaseDiagram(
            [
                PDEntry(
                    PymatgenComposition(dict(e.composition.counts)),
                    e.energy_per_atom * e.composition.size,
                    attribute=e,
                )
                for e in entries
            ]
        )

    def at(self, composition: Composition) -> Point:
        """The hull at a composition."""
        there = PymatgenComposition(dict(composition.counts))
        shares = self._diagram.get_decomposition(there)
        return _point([(entry.attribute, float(share)) for entry, share in shares.items()])

    def stable(self) -> list[HullEntry]:
        """The phases on the hull."""
        return [entry.attribute for entry in self._diagram.stable_entries]

    def section(self, first: Composition, second: Composition) -> list[tuple[float, float]]:
        """The hull along a tie-line: at its ends, and wherever other phases become the lowest.

        Between these points it is straight.

        Returns:
            Share of the atoms in the second end and energy in eV/atom, from the first end on.
        """
        ends = [PymatgenComposition(dict(one.counts)) for one in (first, second)]
        symbols = sorted({element for end in ends for element in end}, key=str)
        start, end = (np.array([one.get_atomic_fraction(s) for s in symbols]) for one in ends)
        found = []
        for there in self._diagram.get_critical_compositions(*ends):
            here = np.array([there.get_atomic_fraction(s) for s in symbols])
            share = float((here - start) @ (end - start) / ((end - start) @ (end - start)))
            found.append((share, float(self._diagram.get_hull_energy_per_atom(there))))
        return sorted(found)

    def facets(self) -> list[tuple[HullEntry, ...]]:
        """The phases at the corners of each facet of the hull."""
        corners = self._diagram.qhull_entries
        return [tuple(corners[k].attribute for k in facet) for facet in self._diagram.facets]


def by_programme(entries: Sequence[HullEntry], composition: Composition) -> Point:
    """The hull at one composition, by linear programming.

    Of all mixtures of phases that add up to the composition, the one of lowest energy, as each
    phase's share of the atoms.

    Args:
        entries: the phases of the chemical system, the elements among them.
        composition: any multiple of a formula of that system.
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
    found = zip(entries, solved.x.tolist(), strict=True)
    return _point([(entry, share) for entry, share in found if share > TRACE])


def _point(shares: Sequence[tuple[HullEntry, float]]) -> Point:
    products = sorted((Product(e, x) for e, x in shares), key=lambda one: -one.fraction)
    energy = sum(one.fraction * one.entry.energy_per_atom for one in products)
    return Point(energy, tuple(products))
