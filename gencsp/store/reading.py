"""All that a run holds, read beside the run itself: without its lock, and while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencsp.errors import StoreError
from gencsp.store.base import Finished
from gencsp.store.digests import checked_rows, entries_at_once, reading
from gencsp.store.disk import DATABASE, is_in_use, read_manifest
from gencsp.store.rows import finished_of


@dataclass(frozen=True, slots=True)
class RunContents:
    """What the folder of a run holds.

    Attributes:
        manifest: the settings that identify the run.
        tasks: results of the finished tasks, in the order of their names.
        in_use: whether another process is writing to it.
    """

    manifest: Mapping[str, Any]
    tasks: Mapping[str, Finished]
    in_use: bool


def read_contents(folder: Path) -> RunContents:
    """Read the run in a folder; it may be running, and is not affected.

    Raises:
        DamageError: the database does not hold what was written to it.
        StoreError: there is no run, or it cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise StoreError(f"{folder} holds no run of gencsp: give the folder that has its run.db.")
    in_use = is_in_use(folder)
    path = folder / DATABASE
    with reading(path) as connection:
        entries = entries_at_once(connection, path)
        tasks = finished_of(connection, checked_rows(connection, path, entries))
    return RunContents(manifest, tasks, in_use)
