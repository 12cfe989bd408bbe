"""The ranking of structures by decomposition energy, with duplicates marked."""

from __future__ import annotations

from collections.abc import Iterable

from ase import Atoms

from gencsp import records
from gencsp.similarity import deduplicate


def rank(structures: Iterable[Atoms]) -> list[Atoms]:
    """Order by E_d, and mark duplicates by :func:`mark_duplicate`.

    A duplicate is the same crystal as a better-ranked structure of about its energy
    (:func:`gencsp.similarity.deduplicate`).

    Args:
        structures: with provenance and ``decomposition_energy``, or under pressure
            ``decomposition_enthalpy`` (eV/atom), in ``info``.
    """
    ordered = sorted(
        structures, key=lambda atoms: (_above_hull(atoms), atoms.info[records.STRUCTURE_ID])
    )
    energies = [_above_hull(atoms) for atoms in ordered]
    for first, *others in deduplicate(ordered, energies=energies):
        mark_duplicate(ordered[first], "")
        for other in others:
            mark_duplicate(ordered[other], str(ordered[first].info[records.STRUCTURE_ID]))
    return ordered


def _above_hull(atoms: Atoms) -> float:
    value = records.above_hull(atoms.info)
    assert value is not None, "structures without E_d are not ranked"
    return value


def mark_duplicate(atoms: Atoms, original: str) -> None:
    """Set ``duplicate_of`` in ``info``, or take it away.

    Args:
        atoms: changed in place.
        original: ``structure_id`` of a better structure that is the same crystal; else empty.
    """
    atoms.info.pop(records.DUPLICATE_OF, None)
    if original:
        atoms.info[records.DUPLICATE_OF] = original
