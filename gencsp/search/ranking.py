"""The table that a search ends in: structures by decomposition energy, duplicates marked."""

from __future__ import annotations

from collections.abc import Iterable

from ase import Atoms

from gencsp.similarity import deduplicate


def rank(structures: Iterable[Atoms]) -> list[Atoms]:
    """Order by E_d, and mark duplicates by :func:`mark_duplicate`.

    A duplicate is the same crystal as a better-ranked structure of about its energy
    (:func:`gencsp.similarity.deduplicate`).

    Args:
        structures: with provenance and ``decomposition_energy`` (eV/atom) in ``info``.
    """
    ordered = sorted(
        structures,
        key=lambda atoms: (atoms.info["decomposition_energy"], atoms.info["structure_id"]),
    )
    energies = [float(atoms.info["decomposition_energy"]) for atoms in ordered]
    for first, *others in deduplicate(ordered, energies=energies):
        mark_duplicate(ordered[first], "")
        for other in others:
            mark_duplicate(ordered[other], str(ordered[first].info["structure_id"]))
    return ordered


def mark_duplicate(atoms: Atoms, original: str) -> None:
    """Set ``duplicate_of`` in ``info``, or take it away.

    Args:
        atoms: changed in place.
        original: ``structure_id`` of a better structure that is the same crystal; else empty.
    """
    atoms.info.pop("duplicate_of", None)
    if original:
        atoms.info["duplicate_of"] = original
