"""The table that a search ends in: structures by decomposition energy, duplicates marked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp import records

if TYPE_CHECKING:
    from pymatgen.core import Structure

#: Structures whose energies differ by more than this are not compared, eV/atom.
SAME_ENERGY = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One line of the table.

    Attributes:
        structure_id: unique within the run.
        decomposition_energy: E_d, eV/atom.
        space_group: Hermann-Mauguin symbol.
        space_group_number: 1 to 230.
        stage: "relaxed" for a proposal relaxed, "refined" for one that went through inpainting.
        parents: ids of what it was made from.
        duplicate_of: id of a better-ranked structure that is the same crystal; else empty.
        atoms: the structure.
    """

    structure_id: str
    decomposition_energy: float
    space_group: str
    space_group_number: int
    stage: str
    parents: str
    duplicate_of: str
    atoms: Atoms


def rank(structures: Iterable[Atoms]) -> list[Ranked]:
    """Order by E_d and mark duplicates.

    Structures are the same crystal where pymatgen's ``StructureMatcher`` says so at its defaults
    and their energies lie within ``SAME_ENERGY``.

    Args:
        structures: with provenance and ``decomposition_energy`` (eV/atom) in ``info``.
    """
    ordered = sorted(
        structures,
        key=lambda atoms: (
            atoms.info[records.DECOMPOSITION_ENERGY],
            atoms.info[records.STRUCTURE_ID],
        ),
    )
    duplicates = _duplicates(ordered)
    return [line_of(atoms, original) for atoms, original in zip(ordered, duplicates, strict=True)]


def line_of(atoms: Atoms, original: str) -> Ranked:
    """One line of the table; ``duplicate_of`` in ``info`` is set or taken away.

    Args:
        atoms: with provenance, space group and ``decomposition_energy`` (eV/atom) in ``info``.
        original: id of a better structure that is the same crystal; else empty.
    """
    info = atoms.info
    info.pop(records.DUPLICATE_OF, None)
    if original:
        info[records.DUPLICATE_OF] = original
    return Ranked(
        structure_id=str(info[records.STRUCTURE_ID]),
        decomposition_energy=float(info[records.DECOMPOSITION_ENERGY]),
        space_group=str(info[records.SPACE_GROUP]),
        space_group_number=int(info[records.SPACE_GROUP_NUMBER]),
        stage=str(info[records.STAGE]),
        parents=str(info.get(records.PARENTS, "")),
        duplicate_of=original,
        atoms=atoms,
    )


def _duplicates(ordered: list[Atoms]) -> list[str]:
    """For each structure the id of the first one before it that is the same crystal, or ""."""
    # Slow to import, and workers never rank.
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.io.ase import AseAtomsAdaptor

    matcher = StructureMatcher()
    originals: list[tuple[Atoms, Structure]] = []
    found = []
    for atoms in ordered:
        bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        structure = AseAtomsAdaptor.get_structure(bare)
        energy = atoms.info[records.DECOMPOSITION_ENERGY]
        same = ""
        for original, other in originals:
            near = energy - original.info[records.DECOMPOSITION_ENERGY] <= SAME_ENERGY
            if near and matcher.fit(structure, other):
                same = str(original.info[records.STRUCTURE_ID])
                break
        if not same:
            originals.append((atoms, structure))
        found.append(same)
    return found
