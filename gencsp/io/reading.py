"""Whole pools at once: every structure that can be read, under a name, and what cannot, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.errors import PartlyOccupiedError, StructureFileError
from gencsp.io.pools import Failure, InText, PoolMember, sources

#: Makes ordered cells of a source whose sites are partly occupied.
Order = Callable[[InText], list[Atoms]]


def read_pool(
    paths: Iterable[Path | str], *, order: Order | None = None
) -> tuple[list[Atoms], list[Failure]]:
    """Every structure of files, archives, databases and folders, and what could not be read.

    A bad source does not end the others.

    Args:
        paths: of the pools.
        order: makes ordered cells of crystals that are not; ``None`` refuses these.

    Returns:
        Structures, each with a ``structure_id`` in ``info``: its own, or else the file that it
        comes from, with its place where the file holds several; and what could not be read.

    Raises:
        StructureFileError: there is no such file or folder, or nothing in it can be read.
    """
    found: list[tuple[str, Atoms]] = []
    failures: list[Failure] = []
    for source in sources(paths):
        try:
            loaded = _load(source, order)
        except StructureFileError as error:
            failures.append(Failure(source.name, str(error)))
            continue
        several = len(loaded) > 1
        found += [
            (f"{source.name}:{number}" if several else source.name, atoms)
            for number, atoms in enumerate(loaded)
        ]
    if not found:
        if len(failures) == 1:
            raise StructureFileError(failures[0].reason)
        first = f": {failures[0].reason}" if failures else "."
        raise StructureFileError(f"none of {len(failures)} sources can be read{first}")
    _name(found)
    return [atoms for _, atoms in found], failures


def _load(source: PoolMember, order: Order | None) -> Sequence[Atoms]:
    try:
        return source.load()
    except PartlyOccupiedError:
        if order is None or not isinstance(source, InText):
            raise
        return order(source)


def _name(found: list[tuple[str, Atoms]]) -> None:
    """Give an id to what has none: the file's name alone where no other file has it."""
    short = Counter(Path(place).name for place, _ in found)
    for place, atoms in found:
        name = Path(place).name
        own = atoms.info.get(records.STRUCTURE_ID, name if short[name] == 1 else place)
        atoms.info[records.STRUCTURE_ID] = str(own)


__all__ = ["read_pool"]
