"""Pools of structures of any size as a stream of sources, each read only when it is needed.

:func:`gencsp.io.structures.read_structures` reads everything and stops at the first bad file. Here
the sources are yielded one by one with their names, and a source that cannot be read raises only
when it is loaded.
"""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Protocol, TextIO

import ase.db
import ase.io
from ase import Atoms
from ase.io.formats import filetype

from gencsp.errors import StoreError, StructureFileError
from gencsp.io.structures import READING_ERRORS, check_crystal, read_structures
from gencsp.store.base import writable
from gencsp.store.digests import check_database
from gencsp.store.disk import DATABASE, read_row


@dataclass(frozen=True, slots=True)
class InMemory:
    """A structure that is there already."""

    name: str
    atoms: Atoms

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        check_crystal(self.atoms, self.name)
        return [writable(self.atoms)]


@dataclass(frozen=True, slots=True)
class InFile:
    """A file of its own."""

    name: str
    path: Path

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        return [writable(atoms) for atoms in read_structures([self.path])]


@dataclass(frozen=True, slots=True)
class InText:
    """Text in a format that ASE knows by the name of its file, or by ``format``."""

    name: str
    text: str
    format: str = ""

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        if not self.text.strip():
            raise StructureFileError(f"{self.name} is empty.")
        try:
            kind = self.format or filetype(PurePath(self.name).name, read=False)
            structures = ase.io.read(io.StringIO(self.text), index=":", format=kind)
        except READING_ERRORS as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise StructureFileError(f"{self.name} cannot be read ({reason}).") from error
        if not structures:
            raise StructureFileError(f"{self.name} holds no structures.")
        for atoms in structures:
            check_crystal(atoms, self.name)
        return [writable(atoms) for atoms in structures]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A source that is known to be unreadable before it is loaded."""

    name: str
    reason: str

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        raise StructureFileError(self.reason)


def sources(paths: Iterable[Path | str]) -> Iterator[PoolMember]:
    """The pieces of pools, in order.

    Pools are files of any format that ASE knows, databases, zip archives of such files, and
    folders of all these. Only extxyz files, databases and archives are opened here, a piece at a
    time.

    Raises:
        StructureFileError: there is no such file or folder.
    """
    listed = [Path(path) for path in paths]
    for path in listed:
        if not path.exists():
            raise StructureFileError(f"there is no file {path}.")
    for path in listed:
        yield from _pieces(path)


def _pieces(path: Path) -> Iterator[PoolMember]:
    if path.is_dir():
        inside = [path / DATABASE] if (path / DATABASE).exists() else sorted(path.iterdir())
        for entry in inside:
            if entry.is_file() and not entry.name.startswith("."):
                yield from _pieces(entry)
        return
    name = path.name
    try:
        if path.suffix == ".zip":
            yield from _members(path)
        elif name.endswith((".extxyz", ".extxyz.gz", ".xyz", ".xyz.gz")):
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
                yield from _frames(file, str(path))
        elif path.suffix == ".db":
            yield from _rows(path)
        else:
            yield InFile(str(path), path)
    except (OSError, EOFError, UnicodeDecodeError, sqlite3.Error, zipfile.BadZipFile) as error:
        yield Unreadable(str(path), f"{path} cannot be read ({error}).")


def _members(path: Path) -> Iterator[PoolMember]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = f"{path}/{member.filename}"
            hidden = PurePath(member.filename).name.startswith((".", "__MACOSX"))
            if member.is_dir() or hidden or member.filename.startswith("__MACOSX"):
                continue
            try:
                text = archive.read(member).decode("utf-8")
            except (OSError, UnicodeDecodeError, RuntimeError, zipfile.BadZipFile) as error:
                yield Unreadable(name, f"{name} cannot be read ({error}).")
                continue
            if name.endswith((".extxyz", ".xyz")):
                yield from _frames(io.StringIO(text), name)
            else:
                yield InText(name, text)


def _frames(file: TextIO, name: str) -> Iterator[PoolMember]:
    """One piece for each frame; what follows a line that is no count of atoms is lost."""
    number = 0
    while line := file.readline():
        if not line.strip():
            continue
        own = f"{name}:{number}"
        if not (line.strip().isdecimal() and len(line.strip()) < 9):
            yield Unreadable(own, f"{own} does not begin with a number of atoms.")
            return
        frame = [line, *islice(file, int(line) + 1)]
        yield InText(own, "".join(frame), "extxyz")
        number += 1


def _rows(path: Path) -> Iterator[PoolMember]:
    try:
        check_database(path)
    except StoreError as error:
        yield Unreadable(str(path), str(error))
        return
    for row in ase.db.connect(path, type="db").select(sort="id"):
        own = f"{path}:{row.id}"
        try:
            atoms = read_row(row)
        except READING_ERRORS as error:
            yield Unreadable(own, f"{own} cannot be read ({error}).")
            continue
        yield InMemory(own, atoms)


__all__ = ["InFile", "InMemory", "InText", "PoolMember", "Unreadable", "sources"]


class PoolMember(Protocol):
    """A piece of a pool, mostly one structure."""

    @property
    def name(self) -> str:
        """Where it comes from, such as a file."""
        ...

    def load(self) -> Sequence[Atoms]:
        """Read the structures.

        Raises:
            StructureFileError: they cannot be read, or are not crystals.
        """
        ...
