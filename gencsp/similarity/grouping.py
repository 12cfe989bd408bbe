"""The distinct crystals of a pool, with what each of the others is the same as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Same
from gencsp.similarity.fingerprint import fingerprint
from gencsp.similarity.index import Match
from gencsp.similarity.neighbours import NearestVectors
from gencsp.similarity.rules import CRYSTAL, FAMILY
from gencsp.similarity.tolerances import DOUBT_ENERGY, DOUBT_FINGERPRINT, SETTLED

#: Relaxes structures tightly: for each where it ended and its energy in eV/atom, or ``None``.
Tighten = Callable[[Sequence[Atoms]], Sequence[tuple[Atoms, float] | None]]


class Grouping:
    """Groups structures as they are added: each joins the first one that is the same crystal.

    Those that are to stand for their groups come first: see :func:`lowest_first`. Once all are
    there, :meth:`settle` relaxes those that may be the same as another, and joins what is.

    Args:
        same: what counts as the same, see :mod:`gencsp.similarity.rules`; "tight" is as "close"
            until :meth:`settle`.
        same_energy: different if the energies are further apart than this, eV/atom; ``None`` for
            the rule's own, and for prototypes not to compare energies.
        scale: whether the same at another volume is the same.
        prototypes: whether the same with other species is the same; then it is families that are
            grouped, since the same prototype of other species has other distances.

    Attributes:
        names: of the structures, in the order in which they were added.
        structures: as they were added.
        energies: of the structures, eV/atom; ``None`` where unknown, or of another potential than
            the first one's.
        matches: for each the earlier one that it is the same as; ``None`` for the first of a group.

    Raises:
        RequestError: ``same_energy`` is out of range.
    """

    def __init__(
        self,
        *,
        same: Same = "close",
        same_energy: float | None = None,
        scale: bool = True,
        prototypes: bool = False,
    ) -> None:
        self.same: Same = "family" if prototypes else same
        rule = FAMILY if self.same == "family" else CRYSTAL
        if prototypes:  # energies of other species say nothing
            rule = replace(rule, energy=None)
        self._scale = scale
        self._index = rule.index(same_energy=same_energy, scale=scale, species_blind=prototypes)
        self._model: str | None = None
        self.names: list[str] = []
        self.structures: list[Atoms] = []
        self.energies: list[float | None] = []
        self.matches: list[Match | None] = []

    def __len__(self) -> int:
        """How many distinct crystals there are."""
        return sum(match is None for match in self.matches)

    def add(self, name: str, atoms: Atoms, energy: float | None = None) -> None:
        """Find the group of a structure.

        Args:
            name: of the structure.
            atoms: a crystal.
            energy: eV/atom; ``None`` for what ``info`` or its calculator says.

        Raises:
            StructureFileError: it is no crystal.
        """
        known = self._comparable(atoms) if energy is None else energy
        match = self._index.add(atoms, known)
        self.names.append(name)
        self.structures.append(atoms)
        self.energies.append(known)
        self.matches.append(match)

    def settle(self, tighten: Tighten) -> None:
        """Relax the structures that may be the same crystal as another, and compare them again.

        Does nothing unless the rule is "tight". Of a crystal that was found several times the
        first stays the first.

        Args:
            tighten: relaxes tightly; what it cannot relax stays a crystal of its own.
        """
        doubtful = self.doubtful()[:SETTLED] if self.same == "tight" else []
        if not doubtful:
            return
        index = CRYSTAL.index(scale=self._scale)
        compared: list[int] = []
        forms = tighten([self.structures[place] for place in doubtful])
        for place, form in zip(doubtful, forms, strict=True):
            if form is None:
                continue
            match = index.add(*form)
            compared.append(place)
            if match is not None:
                self.matches[place] = Match(compared[match.index], match.distance)

    def doubtful(self) -> list[int]:
        """Places of the firsts of groups that may be the same crystal as another first.

        Their fingerprints and energies are near; the matcher is not asked, since it compares no
        supercell that was not relaxed to the end with the cell it is made of.
        """
        seen: dict[Composition, tuple[NearestVectors, list[int]]] = {}
        found: set[int] = set()
        for place, match in enumerate(self.matches):
            if match is not None:
                continue
            atoms = self.structures[place]
            vectors, places = seen.setdefault(Composition.of(atoms), (NearestVectors(), []))
            vector = fingerprint(atoms)
            near = [places[number] for number in vectors.within(vector, DOUBT_FINGERPRINT)[0]]
            alike = [other for other in near if self._energies_alike(place, other)]
            found.update(alike, [place] if alike else [])
            vectors.add(vector)
            places.append(place)
        return sorted(found)

    def groups(self) -> dict[int, list[int]]:
        """Places of the structures in the order of adding, by the place of the first of each."""
        groups: dict[int, list[int]] = {}
        for place in range(len(self.matches)):
            groups.setdefault(self._first(place), []).append(place)
        return groups

    def unique(self) -> list[Atoms]:
        """Copies of the first of each group, with its name and the number of ``copies``."""
        found = []
        for first, members in self.groups().items():
            atoms = self.structures[first].copy()
            atoms.calc = self.structures[first].calc
            atoms.info |= {records.STRUCTURE_ID: self.names[first], records.COPIES: len(members)}
            found.append(atoms)
        return found

    def _first(self, place: int) -> int:
        """The first of the group of a structure: what it is the same as may have joined another."""
        while (match := self.matches[place]) is not None:
            place = match.index
        return place

    def _energies_alike(self, one: int, other: int) -> bool:
        """Whether the energies are near, as far as both are known."""
        first, second = self.energies[one], self.energies[other]
        return first is None or second is None or abs(first - second) <= DOUBT_ENERGY

    def _comparable(self, atoms: Atoms) -> float | None:
        """Its energy, if it is of the same potential as those before; eV/atom."""
        energy = energy_per_atom(atoms)
        model = str(atoms.info.get(records.ENERGY_MODEL, ""))
        if energy is None:
            return None
        if self._model is None:
            self._model = model
        return energy if model == self._model else None


def mark_duplicates(grouping: Grouping) -> None:
    """Write the groups into ``info`` of the structures, in place of what stands there.

    ``duplicate_of`` is the name of the first of the group, for all but the first, which has the
    number of ``copies`` instead, itself included.
    """
    for first, members in grouping.groups().items():
        for place in members:
            info = grouping.structures[place].info
            for key in (records.DUPLICATE_OF, records.COPIES):
                info.pop(key, None)
            if place != first:
                info[records.DUPLICATE_OF] = grouping.names[first]
        grouping.structures[first].info[records.COPIES] = len(members)


def lowest_first(pool: Sequence[tuple[str, Atoms]]) -> list[tuple[str, Atoms]]:
    """Names and structures by energy per atom; those without one last, in their order."""

    def energy(item: tuple[str, Atoms]) -> float:
        found = energy_per_atom(item[1])
        return float("inf") if found is None else found

    return sorted(pool, key=energy)


def energy_per_atom(atoms: Atoms) -> float | None:
    """eV/atom as gencsp writes it, else as the file has it; ``None`` without a number."""
    energy: Any = atoms.info.get(records.ENERGY_PER_ATOM)
    if energy is None and atoms.calc is not None:
        whole = atoms.calc.results.get("energy")
        energy = None if whole is None else whole / len(atoms)
    try:
        number = float("nan") if energy is None else float(energy)
    except (TypeError, ValueError):  # another program's key of the same name
        return None
    return number if isfinite(number) else None
