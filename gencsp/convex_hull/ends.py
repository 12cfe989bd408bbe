"""Formation energies from the end members of a system."""

from __future__ import annotations

from dataclasses import dataclass

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.hull import Hull


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The end members of a system with their energies, from which formation energies are taken.

    Attributes:
        members: the end members.
        energies: of the lowest reference of each, eV/atom; of one without any that of the phases
            that it decomposes into.
        missing: formulas of those without any.
    """

    members: EndMembers
    energies: tuple[float, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, hull: Hull, members: EndMembers) -> Ends:
        """Those of a hull.

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        energies, missing = [], []
        for one in members.formulas:
            known = hull.references(one)
            if not known:
                missing.append(one.formula)
            # 0 - E_d of an energy of zero is the hull.
            below = -hull.decomposition_energy(one, 0.0)
            energies.append(known[0].energy_per_atom if known else below)
        return cls(members=members, energies=tuple(energies), missing=tuple(missing))

    def formation_energy(self, composition: Composition, energy_per_atom: float) -> float:
        """Energy less that of the end members it is a mixture of, eV/atom.

        Raises:
            CompositionError: it is no mixture of them.
        """
        shares = self.members.shares(composition)
        return energy_per_atom - sum(x * e for x, e in zip(shares, self.energies, strict=True))

    def section(self, hull: Hull, *, live: bool = False) -> tuple[tuple[float, float], ...]:
        """The hull between two end members, as :meth:`.Hull.section`, as formation energies.

        Empty for more end members, or more elements than a hull is built of.
        """
        if len(self.energies) != 2:
            return ()
        first, second = self.energies
        points = hull.section(*self.members.formulas, live=live)
        return tuple((x, energy - (1 - x) * first - x * second) for x, energy in points)


def formation_energy(hull: Hull, composition: Composition, energy_per_atom: float) -> float:
    """Energy less that of the lowest reference of each element, eV/atom.

    Args:
        hull: of the potential that the energy is of.
        composition: of the structure.
        energy_per_atom: its energy, eV/atom.

    Raises:
        HullReferenceError: no reference for one of the elements.
    """
    hull.require_elements(composition.elements)
    of_elements = sum(
        count * hull.references(Composition.parse(symbol))[0].energy_per_atom
        for symbol, count in composition.counts
    )
    return energy_per_atom - of_elements / composition.size
