"""Pools from the command line: what can be read, under names, and what cannot, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import complain

if TYPE_CHECKING:
    from ase import Atoms

#: Unreadable files named on the screen.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Pool:
    """Structures that could be read, and the reasons why others could not.

    Attributes:
        structures: each with an id in ``info``: its own, or else the file that it comes from, with
            its place where the file holds several.
        unreadable: one sentence for each source.
    """

    structures: list[Atoms]
    unreadable: list[str]

    def complain(self) -> None:
        """Say what was left out."""
        for reason in self.unreadable[:NAMED]:
            complain(f"left out: {reason}")
        if len(self.unreadable) > NAMED:
            complain(f"left out: {len(self.unreadable) - NAMED} more that cannot be read.")


def read_pool(files: Sequence[Path]) -> Pool:
    """Read structures one source at a time, so that a bad one does not end the others.

    Raises:
        StructureFileError: there is no such file or folder, or nothing in them can be read.
    """
    from gencsp import records
    from gencsp.errors import StructureFileError
    from gencsp.io.pools import sources

    found: list[tuple[str, Atoms]] = []
    unreadable: list[str] = []
    for path in files:
        if not path.exists():
            raise StructureFileError(f"there is no file {path}.")
    for path in files:
        pieces = 0
        for source in sources([path]):
            pieces += 1
            try:
                loaded = source.load()
            except StructureFileError as error:
                unreadable.append(str(error))
                continue
            several = len(loaded) > 1
            found += [
                (f"{source.name}:{number}" if several else source.name, atoms)
                for number, atoms in enumerate(loaded)
            ]
        if not pieces:
            empty = "is a folder without files" if path.is_dir() else "is empty"
            unreadable.append(f"{path} {empty}.")
    short = Counter(Path(place).name for place, _ in found)
    for place, atoms in found:
        name = Path(place).name
        own = atoms.info.get(records.STRUCTURE_ID, name if short[name] == 1 else place)
        atoms.info[records.STRUCTURE_ID] = str(own)
    structures = [atoms for _, atoms in found]
    if not structures:
        if len(unreadable) == 1:
            raise StructureFileError(unreadable[0])
        raise StructureFileError(
            "there is no structure that can be read in what was given"
            + (f"; the first of {len(unreadable)} reasons: {unreadable[0]}" if unreadable else ".")
        )
    return Pool(structures, unreadable)
