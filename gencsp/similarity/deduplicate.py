"""Groups of the same crystal in a pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ase import Atoms

from gencsp.errors import RequestError
from gencsp.similarity.index import StructureIndex
from gencsp.similarity.tolerances import FAMILY_ENERGY


def deduplicate(
    structures: Iterable[Atoms],
    *,
    index: StructureIndex | None = None,
    energies: Sequence[float] | None = None,
) -> list[list[int]]:
    """Group a pool: each structure joins the nearest earlier one that is the same crystal.

    Sameness is not transitive; as in pymatgen's ``StructureMatcher.group_structures`` a group is
    what is the same as its first member.

    Args:
        structures: the pool; those that should represent their groups come first.
        index: an empty index with settings of its own; ``None`` for the defaults, and with
            energies ``same_energy=FAMILY_ENERGY``, which groups families.
        energies: eV/atom, one for each structure; compared if the index has ``same_energy``.

    Returns:
        Places in the pool, group by group, the first member first, in the order of the pool.

    Raises:
        RequestError: the index is not empty, or the numbers of structures and energies differ.
        StructureFileError: a structure is no crystal.
    """
    if index is None:
        index = StructureIndex(same_energy=None if energies is None else FAMILY_ENERGY)
    if len(index):
        raise RequestError("the index holds structures already: give an empty one.")
    groups: dict[int, list[int]] = {}
    place = -1
    for place, atoms in enumerate(structures):
        if energies is not None and place >= len(energies):
            break
        match = index.add(atoms, None if energies is None else energies[place])
        groups.setdefault(place if match is None else match.index, []).append(place)
    if energies is not None and place + 1 != len(energies):
        raise RequestError(f"there are {len(energies)} energies for another number of structures.")
    return list(groups.values())
