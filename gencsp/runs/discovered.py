"""What ``gencsp discover`` comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.filters import Summary
from gencsp.runs.discover_decks import DiscoverDeck
from gencsp.similarity.tolerances import NEW_MINIMUM


@dataclass(frozen=True, slots=True)
class Survivors:
    """Relaxed survivors of one composition.

    Attributes:
        composition: reduced.
        structures: the lowest first.
    """

    composition: Composition
    structures: tuple[Atoms, ...]

    @property
    def lowest(self) -> float:
        """E_d of the lowest, eV/atom."""
        return above_hull(self.structures[0])


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a run came to.

    Attributes:
        deck: the settings.
        funnel: what was done, and how many structures were left behind it.
        summary: of the filters, alone and in sequence.
        searched: the compositions that were searched, the most promising survivor first.
        crystals: ranked: those near the hull first, of them new frameworks, then new crystals of
            known frameworks, then known crystals; each by E_d. ``info`` says what each is.
        failures: what failed before the searches, by reason.
    """

    deck: DiscoverDeck
    funnel: tuple[tuple[str, int], ...]
    summary: Summary
    searched: tuple[Survivors, ...]
    crystals: tuple[Atoms, ...]
    failures: dict[str, int]

    def best_of(self, searched: Survivors) -> Atoms | None:
        """The lowest crystal of a search; ``None`` where nothing converged."""
        key = searched.composition.formula_key
        mine = [
            atoms
            for atoms in self.crystals
            if atoms.info.get(records.TRIALS) and Composition.of(atoms).formula_key == key
        ]
        return min(mine, key=above_hull, default=None)

    @property
    def global_optima(self) -> int:
        """Compositions whose search found nothing below its survivors (PIGEN's G, one search)."""
        found = ((one.lowest, self.best_of(one)) for one in self.searched)
        return sum(best is None or above_hull(best) > start - NEW_MINIMUM for start, best in found)

    @property
    def empty(self) -> str:
        """Why nothing could be searched, with what took how many; empty where something was."""
        if self.searched:
            return ""
        left = [f"{name} {n}" for name, n in self.funnel]
        before, worst, lost = self.funnel[0][1], "", -1
        for name, n in self.funnel[1:]:
            if before - n > lost:
                worst, lost = name, before - n
            before = n
        return (
            f"no structure is left to search: {lost} fell at '{worst}' (left: {', '.join(left)}); "
            f"generate more with -n, name other --filters, or raise --within."
        )


def by_composition(structures: Iterable[Atoms]) -> tuple[Survivors, ...]:
    """Structures by reduced formula; the lowest, and the formulas with the lowest, come first."""
    groups: dict[str, list[Atoms]] = {}
    for atoms in structures:
        groups.setdefault(Composition.of(atoms).formula_key, []).append(atoms)
    found = [
        Survivors(Composition.of(group[0]).reduced, tuple(sorted(group, key=above_hull)))
        for group in groups.values()
    ]
    return tuple(sorted(found, key=lambda one: (one.lowest, one.composition.formula)))


def above_hull(atoms: Atoms) -> float:
    """E_d in eV/atom; infinite where it is not known."""
    above = records.above_hull(atoms.info)
    return float("inf") if above is None else above
