"""Pools from the command line: what can be read, under names, and what cannot, with the reason."""

from __future__ import annotations

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
    from gencsp.io.reading import read_pool as read

    structures, failures = read(files)
    return Pool(structures, [failure.reason for failure in failures])


def read_host(file: Path) -> Atoms:
    """The one structure of a file.

    Raises:
        StructureFileError: there is no such file, or it cannot be read.
        RequestError: it holds several structures.
    """
    from gencsp.errors import RequestError
    from gencsp.io.structures import read_structures

    structures = read_structures([file])
    if len(structures) > 1:
        raise RequestError(f"{file} holds {len(structures)} structures: give a file of one host.")
    return structures[0]
