"""Pools from the command line: what can be read, under names, and what cannot, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import complain, say

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.disorder.crystal import DisorderedCrystal
    from gencsp.runs.ordering import Ordering

#: Unreadable files named on the screen.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Pool:
    """Structures that could be read, and the reasons why others could not.

    Attributes:
        structures: each with an id in ``info``: its own, or else the file that it comes from, with
            its place where the file holds several.
        unreadable: one sentence for each source.
        ordered: what ordered cells were made of disordered crystals, a sentence for each.
    """

    structures: list[Atoms]
    unreadable: list[str]
    ordered: list[str] = field(default_factory=list)

    def complain(self) -> None:
        """Say what was left out, and what was ordered."""
        for sentence in self.ordered:
            say(sentence)
        for reason in self.unreadable[:NAMED]:
            complain(f"left out: {reason}")
        if len(self.unreadable) > NAMED:
            complain(f"left out: {len(self.unreadable) - NAMED} more that cannot be read.")


def read_pool(files: Sequence[Path], ordering: Ordering | None = None) -> Pool:
    """Read structures one source at a time, so that a bad one does not end the others.

    Args:
        files: structure files and folders.
        ordering: how ordered cells are made of disordered crystals; ``None`` refuses these.

    Raises:
        StructureFileError: there is no such file or folder, or nothing in them can be read.
    """
    from gencsp.io.reading import read_pool as read

    said: list[str] = []
    order = None
    if ordering is not None:
        from gencsp.runs.ordering import order_source

        order = partial(order_source, ordering=ordering, report=said.append)
    structures, failures = read(files, order=order)
    return Pool(structures, [failure.reason for failure in failures], said)


def read_host(file: Path, ordering: Ordering) -> tuple[Atoms, DisorderedCrystal | None]:
    """The one structure of a file; of a disordered crystal one ordered cell, and the crystal.

    Raises:
        StructureFileError: there is no such file, or it cannot be read.
        RequestError: it holds several structures.
    """
    from gencsp.errors import PartlyOccupiedError, RequestError
    from gencsp.io.structures import read_structures
    from gencsp.runs.ordering import ordered_cells, read_disordered_file

    try:
        structures = read_structures([file])
    except PartlyOccupiedError:
        crystal = read_disordered_file(file)
        cells, sentence = ordered_cells(crystal, ordering)
        say(sentence)
        return cells[0], crystal
    if len(structures) > 1:
        raise RequestError(f"{file} holds {len(structures)} structures: give a file of one host.")
    return structures[0], None
