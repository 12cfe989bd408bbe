"""Digests of what ``run.db`` holds, so that damage is found before it is taken for a result.

Two tables beside those of ASE hold them. ``gencsp_tasks`` has one line for each finished task:
which rows are its structures, and the digest of these rows. ``gencsp_run`` has one line for the
run: what ASE keeps about the database, the manifest in it, and the number and the joint digest of
all tasks, without which a task that is lost as a whole would not be missed. Both change in the
same transaction as the rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from ase.db.core import T2000, YEAR

from gencsp.errors import DamageError, StoreError
from gencsp.files import one_line, storage_errors

#: Name of the manifest in the metadata of the ASE database.
MANIFEST_KEY = "gencsp"

CREATE = (
    "CREATE TABLE gencsp_tasks (task TEXT PRIMARY KEY, failures TEXT NOT NULL, "
    "first INTEGER NOT NULL, count INTEGER NOT NULL, digest TEXT NOT NULL)",
    "CREATE TABLE gencsp_run (about TEXT NOT NULL, digest TEXT NOT NULL, "
    "tasks INTEGER NOT NULL, total TEXT NOT NULL)",
)

_ROWS = "SELECT * FROM systems WHERE id BETWEEN ? AND ? ORDER BY id"
_EMPTY = "0" * 64


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """The line of ``gencsp_tasks`` of one finished task.

    Attributes:
        task: its name.
        failures: how many structures left nothing, by reason, as JSON.
        first: id of the row of its first structure.
        count: number of its structures; their ids follow each other.
        digest: SHA-256 of the above and of the rows, 64 hexadecimal digits.
    """

    task: str
    failures: str
    first: int
    count: int
    digest: str

    @classmethod
    def of(
        cls, connection: sqlite3.Connection, task: str, failures: Mapping[str, int], ids: list[int]
    ) -> Self:
        """The entry of a task whose rows have been written."""
        first, text = ids[0] if ids else 0, json.dumps(dict(failures))
        rows = connection.execute(_ROWS, (first, first + len(ids) - 1)).fetchall()
        return cls(task, text, first, len(ids), _digest((task, text, first, len(ids)), rows))

    @property
    def ids(self) -> range:
        """Ids of its rows."""
        return range(self.first, self.first + self.count)

    def is_whole(self, rows: Iterable[tuple[Any, ...]]) -> bool:
        """Whether these are its rows, as they were written."""
        return self.digest == _digest((self.task, self.failures, self.first, self.count), rows)


@dataclass(frozen=True, slots=True)
class RunEntry:
    """The line of ``gencsp_run``.

    Attributes:
        about: a copy of the table ``information``, as JSON: the version of ASE's format, and the
            metadata, in which the manifest is.
        digest: SHA-256 of it, 64 hexadecimal digits.
        tasks: number of finished tasks.
        total: the digests of all tasks, combined by exclusive or, so that their order is free.
    """

    about: str
    digest: str
    tasks: int = 0
    total: str = _EMPTY

    def joined(self, entries: Iterable[TaskEntry]) -> Self:
        """The entry once these tasks are finished too."""
        tasks, total = self.tasks, int(self.total, 16)
        for entry in entries:
            tasks, total = tasks + 1, total ^ int(entry.digest, 16)
        return type(self)(self.about, self.digest, tasks, f"{total:064x}")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to read from; what SQLite says of damage becomes ``DamageError``.

    Raises:
        StoreError: the database cannot be read, or is damaged.
    """
    with storage_errors(path.parent), damage_errors(path), closing(open_for_reading(path)) as db:
        yield db


@contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged database into :class:`gencsp.errors.DamageError`."""
    try:
        yield
    except sqlite3.Error as error:
        if _is_damage(error):
            raise damage(path, str(error)) from error
        raise


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection to a database that must be there."""
    # "rw" rather than "ro": SQLite must be able to roll back what a killed writer left.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=20)


def begin(connection: sqlite3.Connection) -> None:
    """Make the tables of a new database, whose metadata hold the manifest.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    for statement in CREATE:
        connection.execute(statement)
    about = _about(connection)
    line = (about, _digest(about, ()), _EMPTY)
    connection.execute("INSERT INTO gencsp_run VALUES (?, ?, 0, ?)", line)
    connection.commit()


def add(connection: sqlite3.Connection, run: RunEntry, entries: list[TaskEntry]) -> RunEntry:
    """Write the lines of finished tasks; the entry of the run changes in the same transaction."""
    connection.executemany(
        "INSERT INTO gencsp_tasks VALUES (?, ?, ?, ?, ?)",
        [(e.task, e.failures, e.first, e.count, e.digest) for e in entries],
    )
    joined = run.joined(entries)
    connection.execute("UPDATE gencsp_run SET tasks = ?, total = ?", (joined.tasks, joined.total))
    return joined


def replace(
    connection: sqlite3.Connection, run: RunEntry, entries: Mapping[str, TaskEntry], rows: set[int]
) -> tuple[RunEntry, dict[str, TaskEntry]]:
    """Write the digests of tasks again of which rows have changed, in the same transaction.

    Args:
        connection: that changed the rows, and has not committed yet.
        run: the entry of the run.
        entries: those of all finished tasks.
        rows: ids of the rows that changed.

    Returns:
        The new entry of the run, and the new ones of those tasks.
    """
    changed: dict[str, TaskEntry] = {}
    total = int(run.total, 16)
    for task, old in entries.items():
        if rows.isdisjoint(old.ids):
            continue
        new = TaskEntry.of(connection, task, json.loads(old.failures), list(old.ids))
        connection.execute("UPDATE gencsp_tasks SET digest = ? WHERE task = ?", (new.digest, task))
        total ^= int(old.digest, 16) ^ int(new.digest, 16)
        changed[task] = new
    after = RunEntry(run.about, run.digest, run.tasks, f"{total:064x}")
    connection.execute("UPDATE gencsp_run SET total = ?", (after.total,))
    return after, changed


def is_run(connection: sqlite3.Connection) -> bool:
    """Whether gencsp wrote a database."""
    return any(_has_table(connection, table) for table in ("gencsp_run", "gencsp_tasks"))


def _has_table(connection: sqlite3.Connection, table: str) -> bool:
    found = "SELECT COUNT(*) FROM sqlite_master WHERE name = ?"
    return bool(connection.execute(found, (table,)).fetchone()[0])


def read_run(connection: sqlite3.Connection, path: Path) -> tuple[RunEntry, dict[str, Any]]:
    """The entry and the manifest of a run.

    Raises:
        DamageError: they are not what was written.
        StoreError: an older gencsp wrote it.
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    if not _has_table(connection, "gencsp_run"):
        raise StoreError(
            f"{path} was written by an older gencsp, or is damaged: begin a new run with --out."
        )
    lines = connection.execute("SELECT * FROM gencsp_run").fetchall()
    if len(lines) != 1 or len(lines[0]) != 4:
        raise damage(path, "its manifest is lost")
    run = RunEntry(*lines[0])
    if len(whole_copies(connection, run)) < 2:
        raise damage(path, "its manifest was changed")
    if not _is_hexadecimal(run.total) or not isinstance(run.tasks, int):
        raise damage(path, "the number of its tasks is lost")
    return run, manifest_of(run.about)


def whole_copies(connection: sqlite3.Connection, run: RunEntry) -> list[str]:
    """Which of the two copies of what is kept about the database are as they were written.

    Raises:
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    copies = (run.about, _about(connection))
    return [about for about in copies if _digest(about, ()) == run.digest]


def manifest_of(about: str) -> dict[str, Any]:
    """The manifest in what is kept about the database."""
    metadata = dict(json.loads(about))["metadata"]
    manifest: dict[str, Any] = json.loads(metadata)[MANIFEST_KEY]
    return manifest


def read_entries(connection: sqlite3.Connection, path: Path, run: RunEntry) -> dict[str, TaskEntry]:
    """The entries of all tasks, in the order of their names; their rows are not read.

    Raises:
        DamageError: tasks or rows are missing, or there are too many.
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    found = connection.execute("SELECT * FROM gencsp_tasks ORDER BY task").fetchall()
    entries = [TaskEntry(*line) for line in found if is_sound(line)]
    fresh = RunEntry(run.about, run.digest).joined(entries)
    if len(entries) < len(found) or (fresh.tasks, fresh.total) != (run.tasks, run.total):
        raise damage(path, "its list of finished tasks was changed")
    rows = connection.execute("SELECT COUNT(*) FROM systems").fetchone()[0]
    if rows != sum(entry.count for entry in entries):
        raise damage(path, "it has lost structures, or holds some of no task")
    return {entry.task: entry for entry in entries}


def is_sound(line: tuple[Any, ...]) -> bool:
    """Whether a line of ``gencsp_tasks`` has values of the right kinds."""
    kinds = (str, str, int, int, str)
    return (
        len(line) == len(kinds)
        and all(isinstance(value, kind) for value, kind in zip(line, kinds, strict=True))
        and line[3] >= 0
        and _is_hexadecimal(line[4])
    )


def check_rows(connection: sqlite3.Connection, path: Path, entries: Iterable[TaskEntry]) -> None:
    """Compare the structures of tasks with their digests.

    Raises:
        DamageError: they are not what was written.
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    for _ in checked_rows(connection, path, entries):
        pass


def checked_rows(
    connection: sqlite3.Connection, path: Path, entries: Iterable[TaskEntry]
) -> Iterator[tuple[TaskEntry, list[tuple[Any, ...]]]]:
    """Tasks, each with the rows of its structures, once these have been compared with its digest.

    Raises:
        DamageError: they are not what was written.
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    ordered = sorted(entries, key=lambda entry: entry.first)
    if not ordered:
        return
    # One query for all of them: one for each would take a third of the time of reading.
    found = connection.execute(_ROWS, (ordered[0].first, max(e.ids.stop for e in ordered)))
    row = found.fetchone()
    for entry in ordered:
        rows = []
        while row is not None and row[0] < entry.ids.stop:
            if row[0] in entry.ids:
                rows.append(row)
            row = found.fetchone()
        if not entry.is_whole(rows):
            raise damage(path, f"the structures of task {ascii(entry.task)[1:-1]} were changed")
        yield entry, rows


def rows_of(connection: sqlite3.Connection, entry: TaskEntry) -> list[tuple[Any, ...]]:
    """The rows of the structures of a task."""
    return connection.execute(_ROWS, (entry.ids.start, entry.ids.stop - 1)).fetchall()


def read_summary(path: Path) -> tuple[list[TaskEntry], list[dict[str, Any]]]:
    """The finished tasks of a run, and the key-value pairs of all their structures.

    Raises:
        DamageError: the database does not hold what was written to it.
        StoreError: it cannot be read.
    """
    with reading(path) as connection:
        entries = _checked_entries(connection, path)
        pairs = connection.execute("SELECT key_value_pairs FROM systems ORDER BY id").fetchall()
    return entries, [json.loads(text) for (text,) in pairs]


def read_times(path: Path) -> dict[int, float]:
    """When each structure of a run was stored, in seconds since 1970, by the id of its row.

    Raises:
        DamageError: the table is damaged.
        StoreError: the database cannot be read.
    """
    with reading(path) as connection:
        rows = connection.execute("SELECT id, ctime FROM systems").fetchall()
    # ASE counts years from the beginning of 2000.
    return {int(row): float(years) * YEAR + T2000 for row, years in rows}


def check_database(path: Path) -> None:
    """Read a database whole, if gencsp wrote it, and compare it with its digests.

    Raises:
        DamageError: it does not hold what was written to it.
        StoreError: it cannot be read.
    """
    with reading(path) as connection:
        try:
            ours = is_run(connection)
        except sqlite3.DatabaseError as error:
            raise DamageError(
                f"{path} is no database, or one that is damaged throughout "
                f"({one_line(error)}): take a copy of it, or make it again."
            ) from error
        if ours:
            _checked_entries(connection, path)


def entries_at_once(connection: sqlite3.Connection, path: Path) -> list[TaskEntry]:
    """The entries of all tasks, of one state of a run that may go on meanwhile.

    What the connection reads afterwards is of that state, too.

    Raises:
        DamageError: they are not what was written.
        StoreError: an older gencsp wrote the run.
        sqlite3.Error: the database cannot be read, or is damaged.
    """
    connection.execute("BEGIN")
    run, _ = read_run(connection, path)
    return list(read_entries(connection, path, run).values())


def _checked_entries(connection: sqlite3.Connection, path: Path) -> list[TaskEntry]:
    entries = entries_at_once(connection, path)
    check_rows(connection, path, entries)
    return entries


def damage(path: Path, what: str) -> DamageError:
    """The error to raise where a database is damaged."""
    return DamageError(
        f"{path} is damaged ({one_line(what)}): 'gencsp check {path}' says which tasks are whole, "
        f"and with --recover NEW saves them."
    )


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # a text that is no UTF-8 is noticed by Python and not by SQLite
        return "decode" in str(error)
    # SQLITE_ERROR is that a table or a column is lost: the statements themselves are sound.
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


def _about(connection: sqlite3.Connection) -> str:
    """The table in which ASE keeps the version of its format and the metadata, as JSON."""
    rows = connection.execute("SELECT * FROM information ORDER BY rowid").fetchall()
    # Of a table that was changed anything can come, bytes too.
    return json.dumps(rows, default=ascii)


def _digest(head: object, rows: Iterable[object]) -> str:
    """Of values as SQLite gives them: Python writes each of them in one way only."""
    total = sha256(ascii(head).encode())
    for row in rows:
        total.update(ascii(row).encode())
    return total.hexdigest()


def _is_hexadecimal(text: object) -> bool:
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")
