"""The ranking of structures by energy, with duplicates marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ase import Atoms

from gencsp import records
from gencsp.deck import Same
from gencsp.similarity.grouping import Grouping, Tighten, mark_duplicates


def rank(
    structures: Iterable[Atoms], *, same: Same = "tight", tighten: Tighten | None = None
) -> list[Atoms]:
    """Order by E_d, or enthalpy without it, and mark duplicates by :func:`mark_ranked`.

    Args:
        structures: with provenance and what :func:`gencsp.records.ranking_energy` reads in
            ``info``; all of them with a decomposition energy (under pressure enthalpy), or none.
        same: what counts as the same crystal.
        tighten: see :func:`mark_ranked`.
    """
    ordered = sorted(
        structures,
        key=lambda atoms: (
            _energy(atoms),
            atoms.info[records.STRUCTURE_ID],
        ),
    )
    mark_ranked(ordered, [_energy(atoms) for atoms in ordered], same=same, tighten=tighten)
    return ordered


def _energy(atoms: Atoms) -> float:
    energy = records.ranking_energy(atoms.info)
    assert energy is not None, "what has none is not ranked"
    return energy


def mark_ranked(
    ordered: Sequence[Atoms],
    energies: Sequence[float],
    *,
    same: Same,
    tighten: Tighten | None = None,
) -> None:
    """Mark duplicates: ``duplicate_of`` in ``info`` is the best structure of the same crystal.

    The best has the number of ``copies`` instead, itself included. Marks of before are taken away.

    Args:
        ordered: best first, with a ``structure_id``; their ``info`` is changed.
        energies: eV/atom, one for each.
        same: what counts as the same crystal, see :mod:`gencsp.similarity.rules`.
        tighten: relaxes tightly what may be the same crystal; without it "tight" is as "close".
    """
    grouping = Grouping(same=same)
    for atoms, energy in zip(ordered, energies, strict=True):
        grouping.add(str(atoms.info[records.STRUCTURE_ID]), atoms, energy)
    if tighten is not None:
        grouping.settle(tighten)
    mark_duplicates(grouping)


def duplicates_in(ranked: Iterable[Atoms]) -> dict[str, str]:
    """For the id of each structure that of the one it duplicates; empty where there is none."""
    return {
        str(atoms.info[records.STRUCTURE_ID]): str(atoms.info.get(records.DUPLICATE_OF, ""))
        for atoms in ranked
    }
