"""The distinct crystals of a pool, with what each of the others is the same as."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.similarity.index import Match, StructureIndex
from gencsp.similarity.matching import Tolerances, structure_matcher


class Grouping:
    """Groups structures as they are added: each joins the first one that is the same crystal.

    Those that are to stand for their groups come first: see :func:`lowest_first`.

    Args:
        same_energy: different if the energies are further apart than this, eV/atom; ``None`` to
            compare no energies.
        scale: whether the same at another volume is the same.
        prototypes: whether the same with other species is the same.

    Attributes:
        names: of the structures, in the order in which they were added.
        structures: as they were added.
        matches: for each the earlier one that it is the same as; ``None`` for the first of a group.

    Raises:
        RequestError: ``same_energy`` is out of range.
    """

    def __init__(
        self, *, same_energy: float | None = None, scale: bool = True, prototypes: bool = False
    ) -> None:
        self._index = StructureIndex(
            matcher=structure_matcher(Tolerances(scale=scale)),
            same_energy=same_energy,
            species_blind=prototypes,
        )
        self.names: list[str] = []
        self.structures: list[Atoms] = []
        self.matches: list[Match | None] = []

    def __len__(self) -> int:
        """How many distinct crystals there are."""
        return len(self._index)

    def add(self, name: str, atoms: Atoms) -> None:
        """Find the group of a structure.

        Raises:
            StructureFileError: it is no crystal.
        """
        match = self._index.add(atoms, energy_per_atom(atoms))
        self.names.append(name)
        self.structures.append(atoms)
        self.matches.append(match)

    def groups(self) -> dict[int, list[int]]:
        """Places of the structures in the order of adding, by the place of the first of each."""
        groups: dict[int, list[int]] = {}
        for place, match in enumerate(self.matches):
            groups.setdefault(place if match is None else match.index, []).append(place)
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
