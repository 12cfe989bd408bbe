"""Notes in ``run.db``: what was worked out from its structures, so that it need not be again.

A table beside those of :mod:`gencsp.store.digests`, each line with a digest of its own. It is made
with the first note, so that runs of earlier versions can be gone on with, and it is not among what
a run is made of: a note that is lost or damaged is as good as one that was never written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from hashlib import sha256

_CREATE = (
    "CREATE TABLE IF NOT EXISTS gencsp_notes "
    "(name TEXT PRIMARY KEY, note BLOB NOT NULL, digest TEXT NOT NULL)"
)


def write_notes(connection: sqlite3.Connection, notes: Mapping[str, bytes]) -> None:
    """Add notes, in the transaction of the connection; what a name has already stays."""
    connection.execute(_CREATE)
    connection.executemany(
        "INSERT OR IGNORE INTO gencsp_notes VALUES (?, ?, ?)",
        [(name, note, _digest(name, note)) for name, note in notes.items()],
    )


def read_notes(connection: sqlite3.Connection) -> dict[str, bytes]:
    """The notes that are as they were written, by their names; none where they cannot be read."""
    try:
        lines = connection.execute("SELECT name, note, digest FROM gencsp_notes").fetchall()
    except sqlite3.Error:  # there is no such table, or it is damaged
        return {}
    return {
        name: note
        for name, note, digest in lines
        if isinstance(name, str) and isinstance(note, bytes) and digest == _digest(name, note)
    }


def _digest(name: str, note: bytes) -> str:
    return sha256(name.encode() + b"\0" + note).hexdigest()
