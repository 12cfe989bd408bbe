"""What is whole in a damaged ``run.db``, and a new run of it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencsp.errors import StoreError
from gencsp.files import one_line, storage_errors
from gencsp.store.digests import (
    RunEntry,
    TaskEntry,
    is_run,
    is_sound,
    manifest_of,
    open_for_reading,
    rows_of,
    whole_copies,
)
from gencsp.store.disk import DATABASE, DiskStore
from gencsp.store.rows import finished_of

#: Faults that SQLite names at most.
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """What is whole in a run, and what is not.

    Attributes:
        path: the database.
        manifest: the settings that identify the run; ``None`` where they are lost.
        whole: finished tasks whose structures are as they were written.
        damaged: why the others are not, by the name of the task.
        faults: what else is wrong, a sentence each.
    """

    path: Path
    manifest: Mapping[str, Any] | None
    whole: Mapping[str, TaskEntry]
    damaged: Mapping[str, str]
    faults: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all that was written is there."""
        return self.manifest is not None and not self.damaged and not self.faults

    @property
    def structures(self) -> int:
        """Structures of the whole tasks."""
        return sum(entry.count for entry in self.whole.values())


def check_run(place: Path) -> RunCheck:
    """Read the database of a run as far as it can be read, and compare it with its digests.

    Args:
        place: the folder of the run, or its database.

    Raises:
        StoreError: there is no run, or nothing of it can be read.
    """
    path = place if place.is_file() else place / DATABASE
    if not path.exists():
        raise StoreError(f"there is no {DATABASE} in {place}: name the folder of a run.")
    with storage_errors(path.parent), closing(open_for_reading(path)) as connection:
        try:
            if not is_run(connection):
                raise StoreError(f"{path} is not a run of gencsp, or nothing of it can be read.")
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"nothing of {path} can be read ({one_line(error)}): begin a new run with --out."
            ) from error
        return _checked(connection, path)


def recover(check: RunCheck, folder: Path) -> int:
    """Write the whole tasks of a run to a new one, which the same settings go on with.

    Args:
        check: of the damaged run.
        folder: of the new run; it must hold none.

    Returns:
        How many tasks were written.

    Raises:
        StoreError: the settings of the run are lost, or the folder holds a run or cannot be
            written.
    """
    if check.manifest is None:
        raise StoreError(
            f"the settings of {check.path} are lost, so no run can go on with what is whole: "
            f"begin a new run with --out."
        )
    if (folder / DATABASE).exists():
        raise StoreError(f"{folder} holds a run: choose another folder.")
    with (
        DiskStore(folder, check.manifest) as store,
        storage_errors(check.path.parent),
        closing(open_for_reading(check.path)) as connection,
    ):
        rows = ((entry, rows_of(connection, entry)) for entry in check.whole.values())
        store.finish_all(finished_of(connection, rows))
    return len(check.whole)


def _checked(connection: sqlite3.Connection, path: Path) -> RunCheck:
    run, manifest, faults = _run_of(connection)
    whole: dict[str, TaskEntry] = {}
    damaged: dict[str, str] = {}
    lost = 0
    for line in _lines(connection):
        if not is_sound(line):
            lost += 1
            continue
        entry = TaskEntry(*line)
        try:
            sound = entry.is_whole(rows_of(connection, entry))
        except (sqlite3.Error, OverflowError) as error:
            damaged[entry.task] = f"its structures cannot be read ({one_line(error)})"
            continue
        if sound:
            whole[entry.task] = entry
        else:
            damaged[entry.task] = "its structures or its entry were changed"
    if lost:
        faults.append(f"{lost} lines of the list of finished tasks are not as they were written")
    if run is not None:
        faults += _missing(run, whole, damaged, lost)
    faults += [*_strays(connection, whole, damaged), *_said_by_sqlite(connection)]
    faults += _unsearchable(connection, whole)
    return RunCheck(
        path=path, manifest=manifest, whole=whole, damaged=damaged, faults=tuple(faults)
    )


def _run_of(
    connection: sqlite3.Connection,
) -> tuple[RunEntry | None, Mapping[str, Any] | None, list[str]]:
    """The entry of the run and its manifest, as far as they are there, and what is wrong."""
    try:
        (line,) = connection.execute("SELECT * FROM gencsp_run").fetchall()
        run = RunEntry(*line)
        fitting = whole_copies(connection, run)
    except (sqlite3.Error, ValueError, TypeError) as error:
        return None, None, [f"the manifest cannot be read ({one_line(error)})"]
    if not fitting:
        return run, None, ["the manifest was changed"]
    faults = [] if len(fitting) == 2 else ["one of the two copies of the manifest was changed"]
    return run, manifest_of(fitting[0]), faults


def _lines(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The list of finished tasks, from both ends where a part of it cannot be read."""
    found: dict[int, tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            lines = connection.execute(f"SELECT rowid, * FROM gencsp_tasks ORDER BY rowid {order}")
            for row, *line in lines:
                found[row] = tuple(line)
            break
    return [found[row] for row in sorted(found)]


def _missing(
    run: RunEntry, whole: Mapping[str, TaskEntry], damaged: Mapping[str, str], lost: int
) -> Iterator[str]:
    listed = len(whole) + len(damaged) + lost
    if not isinstance(run.tasks, int) or run.tasks < listed:
        yield "the number of finished tasks is not what was written"
    elif run.tasks > listed:
        yield f"{run.tasks - listed} finished tasks are missing"
    elif not damaged and not lost:
        joined = RunEntry(run.about, run.digest).joined(whole.values())
        if joined.total != run.total:
            yield "the joint digest of the tasks is not what was written"


def _strays(
    connection: sqlite3.Connection, whole: Mapping[str, TaskEntry], damaged: Mapping[str, str]
) -> Iterator[str]:
    """Rows that belong to no task, unless a damaged one may have lost them."""
    try:
        ids = {row for (row,) in connection.execute("SELECT id FROM systems")}
    except sqlite3.Error:
        return  # SQLite says what is wrong
    strays = len(ids.difference(*(entry.ids for entry in whole.values())))
    if strays and not damaged:
        yield f"{strays} structures belong to no task"


def _said_by_sqlite(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        lines = connection.execute(f"PRAGMA integrity_check({NAMED})").fetchall()
    except sqlite3.Error as error:
        lines = [(str(error),)]
    for (line,) in lines:
        if line != "ok":
            yield f"SQLite says: {' '.join(str(line).split())}"


def _unsearchable(connection: sqlite3.Connection, whole: Mapping[str, TaskEntry]) -> Iterator[str]:
    """Whether the tables in which ``ase db`` searches hold what the rows do."""
    found: Counter[tuple[int, str, object]] = Counter()
    wanted: Counter[tuple[int, str, object]] = Counter()
    try:
        for table in ("text_key_values", "number_key_values"):
            found.update(connection.execute(f"SELECT id, key, value FROM {table}"))
        for row, pairs in connection.execute("SELECT id, key_value_pairs FROM systems"):
            wanted.update((row, key, value) for key, value in json.loads(pairs).items())
    except (sqlite3.Error, ValueError, TypeError, AttributeError):
        return  # told by the digests
    ids = {row for entry in whole.values() for row in entry.ids}
    if any(row in ids for row, *_ in (found - wanted) + (wanted - found)):
        yield "the tables in which 'ase db' searches do not hold what the structures do"
