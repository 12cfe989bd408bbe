"""Any structures as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ase import Atoms

from gencsp import records
from gencsp.io.structures import atoms_of
from gencsp.minimise.result import Relaxed
from gencsp.records import StructureList


def table(structures: Iterable[Atoms | Relaxed] | Atoms | Relaxed) -> StructureList:
    """Structures as a list that a notebook shows as a table: at the end of a cell, nothing more.

    Args:
        structures: such as those of :func:`gencsp.propose`, or results of :func:`gencsp.relax`,
            whose energies and outcomes are then in ``info``, in copies of the structures.

    Raises:
        WrongTypeError: something else.
    """
    given = [structures] if isinstance(structures, Atoms | Relaxed) else structures
    if isinstance(given, Iterable) and not isinstance(given, str):
        given = _recorded(given)
    return StructureList(atoms_of(given))


def _recorded(structures: Iterable[Atoms | Relaxed]) -> Iterator[Atoms]:
    for one in structures:
        if isinstance(one, Relaxed):
            yield records.record(replace(one, atoms=one.atoms.copy()))
        else:
            yield one
