"""Damaged copies of a run's database, each of a kind that disks, copies and people make."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

Damage = Callable[[Path, np.random.Generator], None]

#: Tables whose rows are lost, copied or changed.
TABLES = (
    "systems",
    "gencsp_tasks",
    "gencsp_run",
    "information",
    "text_key_values",
    "number_key_values",
    "keys",
    "species",
)
#: Those that hold what a run reads.
READ = TABLES[:4]


def flip_bits(path: Path, rng: np.random.Generator) -> None:
    """Some bits of the file, anywhere."""
    content = bytearray(path.read_bytes())
    for place in rng.integers(len(content), size=rng.integers(1, 9)):
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def flip_bits_of_values(path: Path, rng: np.random.Generator) -> None:
    """One bit of one value: the file stays a sound database."""
    with closing(sqlite3.connect(path)) as db:
        table, column, row = _place(db, READ, rng)
        (value,) = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
        if isinstance(value, float | int):
            value = value + 1
        elif value:
            content = bytearray(value.encode() if isinstance(value, str) else value)
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(7))
            value = content.decode(errors="replace") if isinstance(value, str) else bytes(content)
        else:
            value = "x"
        _set(db, table, column, row, value)


def cut_short(path: Path, rng: np.random.Generator) -> None:
    """The end of the file is missing, as after a copy that was interrupted."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(1, len(content))])


def zero_pages(path: Path, rng: np.random.Generator) -> None:
    """Blocks of zeros, as a file system leaves them after a loss of power."""
    content = bytearray(path.read_bytes())
    for page in rng.integers(len(content) // 4096, size=rng.integers(1, 4)):
        content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(content)


def swap_pages(path: Path, rng: np.random.Generator) -> None:
    """Two blocks in each other's place."""
    content = path.read_bytes()
    pages = [content[k : k + 4096] for k in range(0, len(content), 4096)]
    one, other = rng.integers(1, len(pages), 2)
    pages[one], pages[other] = pages[other], pages[one]
    path.write_bytes(b"".join(pages))


def delete_rows(path: Path, rng: np.random.Generator) -> None:
    with closing(sqlite3.connect(path)) as db:
        table, _, row = _place(db, TABLES, rng)
        db.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        db.commit()


def delete_task(path: Path, rng: np.random.Generator) -> None:
    """All that there is of a task."""
    with closing(sqlite3.connect(path)) as db:
        tasks = db.execute("SELECT rowid, first, count FROM gencsp_tasks").fetchall()
        row, first, count = tasks[rng.integers(len(tasks))]
        db.execute("DELETE FROM gencsp_tasks WHERE rowid = ?", (row,))
        for table in TABLES[4:]:
            db.execute(f"DELETE FROM {table} WHERE id >= ? AND id < ?", (first, first + count))
        db.execute("DELETE FROM systems WHERE id >= ? AND id < ?", (first, first + count))
        db.commit()


def swap_rows(path: Path, rng: np.random.Generator) -> None:
    """Two structures in each other's place."""
    with closing(sqlite3.connect(path)) as db:
        ids = [row for (row,) in db.execute("SELECT id FROM systems")]
        one, other = (int(i) for i in rng.choice(ids, 2, replace=False))
        for old, new in ((one, -1), (other, one), (-1, other)):
            db.execute("UPDATE systems SET id = ? WHERE id = ?", (new, old))
        db.commit()


def swap_tasks(path: Path, rng: np.random.Generator) -> None:
    """Two tasks under each other's names."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT task FROM gencsp_tasks")]
        one, other = (str(name) for name in rng.choice(names, 2, replace=False))
        for old, new in ((one, "-"), (other, one), ("-", other)):
            db.execute("UPDATE gencsp_tasks SET task = ? WHERE task = ?", (new, old))
        db.commit()


def copy_row(path: Path, rng: np.random.Generator) -> None:
    """A structure that is there twice."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT * FROM systems").fetchall()
        row = list(rows[rng.integers(len(rows))])
        row[:2] = [max(r[0] for r in rows) + 1, "copy"]
        db.execute(f"INSERT INTO systems VALUES ({', '.join('?' * len(row))})", row)
        db.commit()


def edit_manifest(path: Path, rng: np.random.Generator) -> None:
    with closing(sqlite3.connect(path)) as db:
        (text,) = db.execute("SELECT value FROM information WHERE name = 'metadata'").fetchone()
        metadata = json.loads(text)
        manifest = dict(metadata["gencsp"])
        manifest["seed"] += 1
        edits: list[object] = [
            {**metadata, "gencsp": manifest},
            {**metadata, "gencsp": [1, 2]},
            {**metadata, "gencsp": None},
            {**metadata, "gencsp": "text"},
            {"title": metadata["title"]},
            [],
            None,
            7,
        ]
        choice = int(rng.integers(len(edits) + 1))
        new = json.dumps(edits[choice]) if choice < len(edits) else text[: len(text) // 2]
        db.execute("UPDATE information SET value = ? WHERE name = 'metadata'", (new,))
        db.commit()


def wrong_types(path: Path, rng: np.random.Generator) -> None:
    with closing(sqlite3.connect(path)) as db:
        table, column, row = _place(db, READ, rng)
        values = (None, "text", b"bytes", 17, -1, 2.5, float("inf"), "", b"", "[]", "\u00e9", 2**62)
        _set(db, table, column, row, values[rng.integers(len(values))])


def drop_table(path: Path, rng: np.random.Generator) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"DROP TABLE {TABLES[rng.integers(len(TABLES))]}")
        db.commit()


KINDS: tuple[Damage, ...] = (
    flip_bits,
    flip_bits_of_values,
    cut_short,
    zero_pages,
    swap_pages,
    delete_rows,
    delete_task,
    swap_rows,
    swap_tasks,
    copy_row,
    edit_manifest,
    wrong_types,
    drop_table,
)


def _place(
    db: sqlite3.Connection, tables: tuple[str, ...], rng: np.random.Generator
) -> tuple[str, str, int]:
    table = tables[rng.integers(len(tables))]
    columns = [line[1] for line in db.execute(f"PRAGMA table_info({table})")]
    rows = [row for (row,) in db.execute(f"SELECT rowid FROM {table}")]
    return table, columns[rng.integers(len(columns))], rows[rng.integers(len(rows))]


def _set(db: sqlite3.Connection, table: str, column: str, row: int, value: object) -> None:
    try:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))
        db.commit()
    except sqlite3.IntegrityError:  # the database itself refuses such a value
        db.rollback()
