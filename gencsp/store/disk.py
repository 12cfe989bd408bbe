"""A store on disk: ``run.db``, an ASE database (SQLite) that ``ase db`` and ``ase gui`` open."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import ase.db

from gencsp.errors import StoreError
from gencsp.files import storage_errors
from gencsp.store.base import IDENTITY, Finished, Manifest
from gencsp.store.digests import (
    MANIFEST_KEY,
    RunEntry,
    TaskEntry,
    add,
    begin,
    check_rows,
    checked_rows,
    damage_errors,
    is_run,
    open_for_reading,
    read_entries,
    read_run,
    reading,
    replace,
)
from gencsp.store.notes import read_notes, write_notes
from gencsp.store.rows import finished_of, mark_row, write_row

DATABASE = "run.db"
LOCK = "run.lock"


class DiskStore:
    """Keeps a run in a folder, durably; see :class:`gencsp.store.base.Store`.

    Structures are rows of ``run.db``; what ``Atoms.info`` holds is kept as the row's key-value
    pairs, so ``ase db run.db stage=refined`` works, and whole in the row's data, from which
    ``ase.io.read("run.db", ":")`` and :func:`read_row` restore it. Finished tasks
    are listed in a table of the same file, which changes in the same transaction as the rows, so
    that a process killed at any moment leaves complete tasks only. Digests of all that is read find
    damage of the file, see :mod:`gencsp.store.digests`. The writer's lock is held by the operating
    system and ends with the process.

    Args:
        folder: made if it is not there.
        manifest: the settings that identify the run; a folder with another manifest is refused.

    Raises:
        DamageError: the database does not hold what was written to it.
        StoreError: the folder holds another run or is in use, cannot be written, or is full.
    """

    def __init__(self, folder: Path | str, manifest: Manifest) -> None:
        self.folder = Path(folder)
        self.path = self.folder / DATABASE
        self.manifest = json.loads(json.dumps(dict(manifest)))
        with storage_errors(self.folder), damage_errors(self.path):
            found = self._check_same_run()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _claim(self.folder)
            try:
                if not (found or self._check_same_run()):
                    self._create()
                self._file = _identity(self.path)
                self._db = _connect(self.path)
                self._run, self._entries = self._read()
                self._uncertain = False
            except BaseException:
                self._lock.close()
                raise

    def finish(self, task: str, finished: Finished) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.finish_all({task: finished})

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        known = self._known()
        new = {task: kept for task, kept in results.items() if task not in known}
        if not new:
            return
        with self._writing() as connection:
            entries = []
            for task, finished in new.items():
                ids = [write_row(self._db, task, atoms) for atoms in finished.structures]
                entries.append(TaskEntry.of(connection, task, finished.failures, ids))
            run = add(connection, self._run, entries)
        self._run = run
        known.update((entry.task, entry) for entry in entries)
        self._uncertain = False

    def mark(self, key: str, marks: Mapping[str, str]) -> None:
        """See :class:`~gencsp.store.base.Store`.

        Raises:
            DamageError: the rows are not what was written: new digests would hide that.
        """
        known, differing = self._known(), self._differing(key, marks)
        if not differing:
            return
        with self._writing() as connection:
            changed = [e for e in known.values() if not differing.keys().isdisjoint(e.ids)]
            check_rows(connection, self.path, changed)
            for row, mark in differing.items():
                mark_row(self._db, row, key, mark)
            run, entries = replace(connection, self._run, known, set(differing))
        self._run = run
        known.update(entries)
        self._uncertain = False

    def note(self, notes: Mapping[str, bytes]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        if notes:
            self._known()
            with self._writing() as connection:
                write_notes(connection, notes)
            self._uncertain = False

    def notes(self) -> dict[str, bytes]:
        """See :class:`~gencsp.store.base.Store`."""
        with reading(self.path) as connection:
            return read_notes(connection)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: what is done inside is written as a whole, or not at all."""
        with storage_errors(self.folder), damage_errors(self.path):
            self._require_same_file()
            # Ctrl-C may come after the rows were written and before they are noted here.
            self._uncertain = True
            try:
                connection = self._open_for_writing()
                yield connection
                connection.commit()
            except BaseException:
                _let_go(self._db)
                # Of a file that is gone SQLite says many things.
                self._require_same_file()
                raise
            self._require_same_file()

    def get(self, task: str) -> Finished | None:
        """See :class:`~gencsp.store.base.Store`."""
        entry = self._known().get(task)
        return None if entry is None else self._finished({task: entry})[task]

    def load(self) -> dict[str, Finished]:
        """See :class:`~gencsp.store.base.Store`."""
        return self._finished(self._known())

    def tasks(self) -> list[str]:
        """See :class:`~gencsp.store.base.Store`."""
        return sorted(self._known())

    def close(self) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        _let_go(self._db)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_for_writing(self) -> sqlite3.Connection:
        """The connection of this store, which stays open: opening costs as much as a short task."""
        if self._db.connection is None:
            connection = sqlite3.connect(self.path, timeout=20, check_same_thread=False)
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            # A viewer may have left the database in the mode "wal", in which it may stay: leaving
            # that mode needs the database for oneself.
            if mode != "wal":
                # As safe as making and removing the journal each time, for fewer calls.
                connection.execute("PRAGMA journal_mode = TRUNCATE")
            self._db.connection = connection
        found: sqlite3.Connection = self._db.connection
        return found

    def _differing(self, key: str, marks: Mapping[str, str]) -> dict[int, str]:
        """Rows that are not marked so yet, with what they should be marked by."""
        found: dict[int, str] = {}
        with storage_errors(self.folder), reading(self.path) as connection:
            for row, text in connection.execute("SELECT id, key_value_pairs FROM systems"):
                pairs = json.loads(text)
                name = str(pairs.get(IDENTITY, ""))
                if name in marks and pairs.get(key, "") != marks[name]:
                    found[row] = marks[name]
        return found

    def _known(self) -> dict[str, TaskEntry]:
        """The entries of the finished tasks, by name; there is one writer, so nobody else adds."""
        if self._uncertain:
            self._require_same_file()
            self._run, self._entries = self._read()
            self._uncertain = False
        return self._entries

    def _read(self) -> tuple[RunEntry, dict[str, TaskEntry]]:
        with reading(self.path) as connection:
            run, _ = read_run(connection, self.path)
            return run, read_entries(connection, self.path, run)

    def _finished(self, entries: Mapping[str, TaskEntry]) -> dict[str, Finished]:
        """The results of tasks, in the order of their names, once their digests are right."""
        self._require_same_file()
        with reading(self.path) as connection:
            return finished_of(connection, checked_rows(connection, self.path, entries.values()))

    def _require_same_file(self) -> None:
        """Raise if the database is no longer where it was: what is written to it would be lost."""
        if _identity(self.path) != self._file:
            raise StoreError(
                f"{self.path} was deleted or replaced while the run was at work: repeat the same "
                f"command to go on with what is there."
            )

    def _check_same_run(self) -> bool:
        """Whether the folder holds this run; raise if it holds another one."""
        if not self.path.exists():
            return False
        found = read_manifest(self.folder)
        if found is None:
            raise StoreError(
                f"{self.path} is not a run of gencsp: choose another folder with --out."
            )
        theirs, ours = found.get("format"), self.manifest.get("format")
        if isinstance(theirs, int) and isinstance(ours, int) and theirs > ours:
            raise StoreError(
                f"{self.folder} was written by a newer gencsp (format {theirs}, this one knows "
                f"{ours}): upgrade gencsp, or choose another folder with --out."
            )
        differing = sorted(
            key
            for key in found.keys() | self.manifest.keys()
            if found.get(key) != self.manifest.get(key)
        )
        if differing:
            shown = "; ".join(
                f"{key} is {found.get(key)} there and {self.manifest.get(key)} here"
                for key in differing[:3]
            )
            raise StoreError(
                f"{self.folder} holds another run ({shown}): choose another folder with --out, "
                f"or repeat that run's settings to go on with it."
            )
        return True

    def _create(self) -> None:
        """Make the database aside and move it into place, so that it is whole or absent."""
        aside = self.folder / f"{DATABASE}.new"
        aside.unlink(missing_ok=True)
        try:
            db = _connect(aside)
            db.metadata = {"title": "A run of gencsp", MANIFEST_KEY: self.manifest}
            with closing(sqlite3.connect(aside)) as connection:
                begin(connection)
            os.replace(aside, self.path)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise


def read_manifest(folder: Path | str) -> dict[str, Any] | None:
    """The manifest of the run in a folder, or ``None`` where there is no run.

    Raises:
        DamageError: it is not the one that was written.
        StoreError: the folder cannot be read.
    """
    path = Path(folder) / DATABASE
    if not path.exists():
        return None
    with storage_errors(path.parent), damage_errors(path):
        try:
            with closing(open_for_reading(path)) as connection:
                return read_run(connection, path)[1] if is_run(connection) else None
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                return None
            raise


def _claim(folder: Path) -> sqlite3.Connection:
    """Lock the folder for one writer until the connection closes or the process ends.

    SQLite's own lock on a file of its own: portable, and never left behind by a killed process.
    """
    connection = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" not in str(error):
            raise
        raise StoreError(
            f"another gencsp process is using {folder}: wait for it, or choose another folder "
            f"with --out."
        ) from error
    return connection


def is_in_use(folder: Path) -> bool:
    """Whether a process, this one included, holds the lock of the run in a folder."""
    if not (folder / LOCK).exists():
        return False
    try:
        _claim(folder).close()
    except StoreError:
        return True
    except sqlite3.Error:  # a folder that can only be read, to which nobody writes
        return False
    return False


def _connect(path: Path) -> Any:
    # ASE's own lock file would outlive a killed process.
    return ase.db.connect(path, type="db", use_lock_file=False)


def _let_go(db: Any) -> None:
    """Close the connection, which takes back what was not committed."""
    if db.connection is not None:
        with suppress(sqlite3.Error):
            db.connection.close()
        db.connection = None


def _identity(path: Path) -> tuple[int, int] | None:
    """What names a file whatever its path is; ``None`` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
