"""Pools of structures of any size as a stream of sources, each parsed only when it is needed.

Whatever is wrong with one file, member of an archive, frame or row is a fault of that source alone:
its ``load`` says what, and the others are read. :func:`gencsp.io.reading.read_pool` reads all at
once and keeps the reasons; :func:`gencsp.io.structures.read_structures` is strict and stops at the
first fault.
"""

from __future__ import annotations

import mmap
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePath
from typing import NamedTuple, Protocol

import ase.db
import ase.io
from ase import Atoms

from gencsp.errors import StoreError, StructureFileError
from gencsp.files import require_files
from gencsp.io.content import (
    MAX_BYTES,
    check_size,
    decode,
    open_binary,
    parsing,
    plain_name,
    read_bytes,
    read_member,
    text_lines,
)
from gencsp.io.crystals import check_crystal
from gencsp.io.formats import (
    EXTXYZ,
    check_arrays,
    count_of_atoms,
    parse_text,
    settle,
    split_text,
    text_format,
)
from gencsp.store.base import writable
from gencsp.store.digests import check_database
from gencsp.store.disk import DATABASE
from gencsp.store.rows import read_row

#: What systems and programs leave in folders beside structures.
_NO_STRUCTURES = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
#: Tables and figures, as commands write them beside their structures.
_TABLES = frozenset((".csv", ".pdf", ".png", ".svg"))


class Failure(NamedTuple):
    """A source that gave no structure.

    Attributes:
        name: where it is: a file, a member of an archive, a frame, a row.
        reason: one sentence, which names it too.
    """

    name: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class InMemory:
    """A structure that is there already."""

    name: str
    atoms: Atoms

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        with parsing(self.name):
            check_crystal(self.atoms, self.name)
            return [writable(self.atoms)]


@dataclass(frozen=True, slots=True)
class InText:
    """Text in a format that is known by the name of its file, or by ``format``."""

    name: str
    text: str
    format: str = ""

    def load(self) -> Sequence[Atoms]:
        """See :class:`~gencsp.io.pools.PoolMember`."""
        with parsing(self.name):
            structures = parse_text(self.text, self.format or text_format(self.name), self.name)
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
    folders of all these, of which hidden files, tables (.csv) and figures are passed over. Of a
    folder that holds a run its ``run.db`` is read. Text is handed on as it is, and parsed by
    ``load``.

    Raises:
        StructureFileError: there is no such file or folder.
    """
    listed = [Path(path) for path in paths]
    require_files(listed)
    for path in listed:
        yield from _pieces(path)


def _pieces(path: Path) -> Iterator[PoolMember]:
    try:
        if path.is_dir():
            yield from _folder(path)
        else:
            yield from _file(path)
    except StructureFileError as error:
        yield Unreadable(str(path), str(error))


def _folder(path: Path) -> Iterator[PoolMember]:
    with parsing(str(path)):
        inside = [path / DATABASE] if (path / DATABASE).exists() else sorted(path.iterdir())
        files = [entry for entry in inside if entry.is_file() and not _hidden(entry)]
        files = [entry for entry in files if entry.suffix.lower() not in _TABLES]
    if not files:
        raise StructureFileError(f"{path} is a folder without files.")
    for entry in files:
        yield from _pieces(entry)


def _file(path: Path) -> Iterator[PoolMember]:
    name, kind = str(path), text_format(path.name)
    ending = PurePath(plain_name(path.name)).suffix
    with parsing(name):
        empty = path.stat().st_size == 0
    if empty:
        raise StructureFileError(f"{name} is empty.")
    if ending == ".zip":
        yield from _members(path)
    elif ending in (".db", ".json") and not path.name.lower().endswith((".gz", ".bz2", ".xz")):
        yield from _rows(path, ending.removeprefix("."))
    elif kind == EXTXYZ:
        with parsing(name):
            file = open_binary(path)
        with file:
            yield from _frames(text_lines(file, name), name)
    elif kind or ending != PurePath(path.name.lower()).suffix:
        yield from _texts(read_bytes(path), kind, name)
    else:
        yield from _others(path)


def _texts(content: bytes, kind: str, name: str) -> Iterator[PoolMember]:
    text = decode(content)
    if kind == EXTXYZ:
        yield from _frames(StringIO(text), name)
        return
    for own, part in split_text(text, kind, name):
        yield InText(own, part, kind)


def _others(path: Path) -> Iterator[PoolMember]:
    """Structures of a format that ASE tells by its content, one by one where ASE does so."""
    name, size = str(path), path.stat().st_size
    if path.suffix == ".traj":
        # A damaged trajectory asks for any number of bytes: a mapped file has no more to give than
        # there are, where an open one would first take the memory.
        with parsing(name), path.open("rb") as file:
            source = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with source:
            yield from _of_ase(source, name, "traj")
        return
    if size > MAX_BYTES:
        raise StructureFileError(f"{name} is larger than {MAX_BYTES // 1_000_000} MB.")
    yield from _of_ase(path, name, None)


def _of_ase(source: object, name: str, kind: str | None) -> Iterator[PoolMember]:
    with parsing(name):
        frames = ase.io.iread(source, index=":", format=kind)
    number = 0
    while True:
        with parsing(name):
            atoms = next(frames, None)
            if atoms is not None:
                check_size(len(atoms), name)
                settle(atoms)
        if atoms is None:
            break
        yield InMemory(f"{name}:{number}", atoms)
        number += 1
    if number == 0:
        raise StructureFileError(f"{name} holds no structures.")


def _members(path: Path) -> Iterator[PoolMember]:
    with parsing(str(path)):
        archive = zipfile.ZipFile(path)
    with archive:
        for member in archive.infolist():
            inside = PurePath(member.filename)
            if member.is_dir() or any(_hidden(PurePath(part)) for part in inside.parts):
                continue
            name = f"{path}/{member.filename}"
            try:
                yield from _texts(read_member(archive, member, name), text_format(name), name)
            except StructureFileError as error:
                yield Unreadable(name, str(error))


def _frames(lines: Iterable[str], name: str) -> Iterator[PoolMember]:
    """One piece for each frame; a damaged one ends where a line is a number of atoms again."""
    rest = iter(lines)
    number, waiting = 0, ""
    while line := waiting or next(rest, ""):
        waiting = ""
        if not line.strip():
            continue
        own = f"{name}:{number}"
        number += 1
        try:
            count = count_of_atoms(line, own)
        except StructureFileError as error:
            yield Unreadable(own, str(error))
            waiting = next((line for line in rest if _is_count(line)), "")
            continue
        frame = [line, next(rest, "")]
        for row in rest:
            # A frame that lacks a line must not take the next one's first.
            if len(frame) == count + 2 or _is_count(row):
                waiting = row
                break
            frame.append(row)
        yield InText(own, "".join(frame), EXTXYZ)


def _is_count(line: str) -> bool:
    return line.strip().isdecimal()


def _rows(path: Path, kind: str) -> Iterator[PoolMember]:
    """Rows of an ASE database, in SQLite or JSON."""
    name = str(path)
    with parsing(name):
        if kind == "json":
            check_arrays(decode(read_bytes(path)), name)
        else:
            _check_digests(path)
        database = ase.db.connect(path, type=kind, use_lock_file=False)
        rows = iter(database.select(sort="id")) if kind == "json" else None
        numbers = _numbers(path) if rows is None else []
    found = False
    for row in _read_rows(database, numbers, name) if rows is None else _each(rows, name):
        found = True
        yield row
    if not found:
        raise StructureFileError(f"{name} holds no structures.")


def _check_digests(path: Path) -> None:
    """Refuse the database of a run that does not hold what was written to it."""
    try:
        check_database(path)
    except StoreError as error:
        raise StructureFileError(str(error)) from error


def _numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        return [number for (number,) in database.execute("SELECT id FROM systems ORDER BY id")]


def _read_rows(database: object, numbers: Sequence[int], name: str) -> Iterator[PoolMember]:
    """Each row by itself, so that a damaged one costs no other."""
    for number in numbers:
        own = f"{name}:{number}"
        try:
            with parsing(own):
                atoms = read_row(database.get(id=number))  # type: ignore[attr-defined]
                settle(atoms)
        except StructureFileError as error:
            yield Unreadable(own, str(error))
            continue
        yield InMemory(own, atoms)


def _each(rows: Iterator[object], name: str) -> Iterator[PoolMember]:
    while True:
        with parsing(name):
            row = next(rows, None)
            if row is None:
                return
            own = f"{name}:{row.id}"  # type: ignore[attr-defined]
        try:
            with parsing(own):
                atoms = read_row(row)
                settle(atoms)
        except StructureFileError as error:
            yield Unreadable(own, str(error))
            continue
        yield InMemory(own, atoms)


def _hidden(path: PurePath) -> bool:
    return path.name.startswith(".") or path.name.lower() in _NO_STRUCTURES


__all__ = [
    "Failure",
    "InMemory",
    "InText",
    "PoolMember",
    "Unreadable",
    "sources",
]
