"""A store on disk: ``run.db``, an ASE database (SQLite) that ``ase db`` and ``ase gui`` open."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import ase.db
import ase.db.core
import numpy as np
from ase import Atoms
from ase.db.row import AtomsRow

from gencsp.errors import StoreError
from gencsp.files import storage_errors
from gencsp.store.base import (
    Finished,
    Manifest,
    portable,
    portable_arrays,
    portable_info,
    portable_results,
)

DATABASE = "run.db"
LOCK = "run.lock"

#: Per-atom arrays that ASE's databases have columns for, by the same names.
_COLUMNS = ("initial_charges", "initial_magmoms", "masses", "momenta", "tags")
_MANIFEST_KEY = "gencsp"
_CREATE_TASKS = "CREATE TABLE gencsp_tasks (task TEXT PRIMARY KEY, failures TEXT NOT NULL)"


class DiskStore:
    """Keeps a run in a folder, durably; see :class:`gencsp.store.base.Store`.

    Structures are rows of ``run.db``; what ``Atoms.info`` holds is kept as the row's key-value
    pairs, so ``ase db run.db stage=refined`` works, and whole in the row's data, from which
    ``ase.io.read("run.db", ":")`` and :func:`read_row` restore it. Finished tasks
    are listed in a table of the same file, which changes in the same transaction as the rows, so
    that a process killed at any moment leaves complete tasks only. The writer's lock is held by the
    operating system and ends with the process.

    Args:
        folder: made if it is not there.
        manifest: the settings that identify the run; a folder with another manifest is refused.

    Raises:
        StoreError: the folder holds another run or is in use, cannot be written, or is full.
    """

    def __init__(self, folder: Path | str, manifest: Manifest) -> None:
        self.folder = Path(folder)
        self.path = self.folder / DATABASE
        self.manifest = json.loads(json.dumps(dict(manifest)))
        with storage_errors(self.folder):
            found = self._check_same_run()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _claim(self.folder)
            try:
                if not (found or self._check_same_run()):
                    self._create()
                self._db = _connect(self.path)
                # There is one writer, so nobody else finishes tasks.
                self._finished = set(self.tasks())
            except BaseException:
                self._lock.close()
                raise

    def finish(self, task: str, finished: Finished) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.finish_all({task: finished})

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        new = {task: kept for task, kept in results.items() if task not in self._finished}
        if not new:
            return
        with storage_errors(self.folder):
            try:
                connection = self._open_for_writing()
                for task, finished in new.items():
                    for atoms in finished.structures:
                        _write_row(self._db, task, atoms)
                    connection.execute(
                        "INSERT INTO gencsp_tasks VALUES (?, ?)",
                        (task, json.dumps(dict(finished.failures))),
                    )
                connection.commit()
            except BaseException:
                _let_go(self._db)
                raise
        self._finished.update(new)

    def get(self, task: str) -> Finished | None:
        """See :class:`~gencsp.store.base.Store`."""
        failures = self._failures(task)
        if failures is None:
            return None
        with storage_errors(self.folder):
            rows = list(self._db.select(task=task, sort="id"))
        return Finished(structures=tuple(_read_row(row) for row in rows), failures=failures)

    def load(self) -> dict[str, Finished]:
        """See :class:`~gencsp.store.base.Store`."""
        structures: dict[str, list[Atoms]] = {}
        with storage_errors(self.folder):
            for row in self._db.select(sort="id"):
                structures.setdefault(row.task, []).append(_read_row(row))
        return {
            task: Finished(
                structures=tuple(structures.get(task, ())), failures=json.loads(failures)
            )
            for task, failures in self._query(
                "SELECT task, failures FROM gencsp_tasks ORDER BY task"
            )
        }

    def tasks(self) -> list[str]:
        """See :class:`~gencsp.store.base.Store`."""
        return sorted(task for (task,) in self._query("SELECT task FROM gencsp_tasks"))

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
            # As safe as making and removing the journal each time, for fewer calls.
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            self._db.connection = connection
        found: sqlite3.Connection = self._db.connection
        return found

    def _failures(self, task: str) -> dict[str, int] | None:
        rows = self._query("SELECT failures FROM gencsp_tasks WHERE task = ?", task)
        return json.loads(rows[0][0]) if rows else None

    def _query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        with storage_errors(self.folder), closing(_open_for_reading(self.path)) as connection:
            return connection.execute(sql, values).fetchall()

    def _check_same_run(self) -> bool:
        """Whether the folder holds this run; raise if it holds another one."""
        if not self.path.exists():
            return False
        found = _read_manifest(self.path)
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
            db.metadata = {"title": "A run of gencsp", _MANIFEST_KEY: self.manifest}
            with closing(sqlite3.connect(aside)) as connection:
                connection.execute(_CREATE_TASKS)
                connection.commit()
            os.replace(aside, self.path)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise


def read_manifest(folder: Path | str) -> dict[str, Any] | None:
    """The manifest of the run in a folder, or ``None`` where there is no run.

    Raises:
        StoreError: the folder cannot be read.
    """
    path = Path(folder) / DATABASE
    with storage_errors(path.parent):
        return _read_manifest(path) if path.exists() else None


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


def _connect(path: Path) -> Any:
    # ASE's own lock file would outlive a killed process.
    return ase.db.connect(path, type="db", use_lock_file=False)


def _let_go(db: Any) -> None:
    """Close the connection, which takes back what was not committed."""
    if db.connection is not None:
        with suppress(sqlite3.Error):
            db.connection.close()
        db.connection = None


def _open_for_reading(path: Path) -> sqlite3.Connection:
    # "rw" rather than "ro": SQLite must be able to roll back what a killed writer left.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=20)


def _read_manifest(path: Path) -> dict[str, Any] | None:
    with closing(_open_for_reading(path)) as connection:
        try:
            rows = connection.execute(
                "SELECT value FROM information WHERE name = 'metadata'"
            ).fetchall()
        except sqlite3.DatabaseError as error:
            if "no such table" in str(error) or "not a database" in str(error):
                return None
            raise
    metadata: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
    return metadata.get(_MANIFEST_KEY)


def _write_row(db: Any, task: str, atoms: Atoms) -> None:
    # ASE commits by itself after so many rows.
    db.change_count = 0
    info, arrays = portable_info(atoms), portable_arrays(atoms)
    data: dict[str, Any] = {"info": info}
    if arrays:
        # Text is not an array to ASE's JSON; numpy finds its type again.
        data["arrays"] = {k: v.tolist() if v.dtype.kind == "U" else v for k, v in arrays.items()}
    db.write(_row(atoms, {"task": task} | _searchable(info), arrays), data=data)


def _row(atoms: Atoms, pairs: dict[str, Any], arrays: Mapping[str, Any]) -> AtomsRow:
    """What ASE makes of the portable form of atoms, without asking a calculator for its results.

    Key-value pairs that come with a row are written as they are: these have been checked.
    """
    fields = {
        "unique_id": uuid.uuid4().hex,
        "ctime": ase.db.core.now(),
        "user": os.getenv("USER"),
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "key_value_pairs": pairs,
    }
    fields |= {name: arrays[name] for name in _COLUMNS if name in arrays}
    results = portable_results(atoms)
    if results:
        fields |= {"calculator": "unknown", "calculator_parameters": {}, **results}
    return AtomsRow(fields)


def _searchable(info: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``info`` that ASE accepts as key-value pairs (a hash of digits only is not)."""
    return {
        key: value
        for key, value in info.items()
        # All numbers are accepted alike.
        if isinstance(value, str | int | float)
        and _accepts(key, value if isinstance(value, str) else 0)
    }


@lru_cache(maxsize=1024)
def _accepts(key: str, value: str | int) -> bool:
    try:
        ase.db.core.check({key: value})
    except ValueError:
        return False
    return True


def read_row(row: Any) -> Atoms:
    """The structure of a row of ``run.db``, with its ``info`` and arrays.

    Of a row that gencsp did not write, ``info`` holds the key-value pairs.
    """
    atoms: Atoms = row.toatoms()
    info, arrays = (row.data.get(key) for key in ("info", "arrays"))
    # Other programs keep what they like under these names.
    atoms.info = dict(info if isinstance(info, Mapping) else row.key_value_pairs)
    for name, values in (arrays if isinstance(arrays, Mapping) else {}).items():
        array = np.asarray(values)
        if array.ndim and len(array) == len(atoms) and name not in ("numbers", "positions"):
            atoms.arrays.pop(name, None)
            atoms.set_array(name, array)
    return atoms


def _read_row(row: Any) -> Atoms:
    return portable(read_row(row))
