"""Notes: kept beside the results of a run, and never taken for one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stored_crystals import MANIFEST, crystal

from gencsp.errors import StoreError
from gencsp.store import DiskStore, Finished, MemoryStore, Store
from gencsp.store.part import StorePart
from gencsp.store.reading import read_contents
from gencsp.store.recovery import check_run, recover


@pytest.fixture(params=["memory", "disk", "part"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = DiskStore(tmp_path, MANIFEST) if request.param == "disk" else MemoryStore()
    yield StorePart(made, first=0, n=3) if request.param == "part" else made
    made.close()


def test_notes_come_back_and_the_first_of_a_name_stays(store: Store) -> None:
    assert store.notes() == {}
    store.note({})
    store.note({"s1": b"\x00one", "s2": b""})
    store.note({"s2": b"other", "s3": b"three"})
    assert store.notes() == {"s1": b"\x00one", "s2": b"", "s3": b"three"}
    assert store.tasks() == []


def test_notes_are_no_part_of_a_run(tmp_path: Path) -> None:
    """They last beyond the process; results, digests and what is recovered are as without them."""
    folder = tmp_path / "run"
    with DiskStore(folder, MANIFEST) as store:
        store.finish("a", Finished(structures=(crystal(1),)))
        store.note({"s1": b"one"})
        store.finish("b", Finished(structures=(crystal(2),)))
        store.mark("duplicate_of", {"r2": "r1"})
    with DiskStore(folder, MANIFEST) as store:
        assert store.notes() == {"s1": b"one"}
        assert store.tasks() == ["a", "b"]
    assert list(read_contents(folder).tasks) == ["a", "b"]
    check = check_run(folder)
    assert check.is_whole
    assert recover(check, tmp_path / "saved") == 2
    with DiskStore(tmp_path / "saved", MANIFEST) as saved:
        assert saved.notes() == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE gencsp_notes SET note = x'00' WHERE name = 's1'",
        "UPDATE gencsp_notes SET name = 's9' WHERE name = 's1'",
        "UPDATE gencsp_notes SET note = 'text' WHERE name = 's1'",
    ],
)
def test_a_note_that_was_changed_is_as_good_as_none(tmp_path: Path, change: str) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("a", Finished(structures=(crystal(1),)))
        store.note({"s1": b"one", "s2": b"two"})
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute(change)
        connection.commit()
    assert check_run(tmp_path).is_whole
    with DiskStore(tmp_path, MANIFEST) as store:
        assert store.notes() == {"s2": b"two"}
        assert store.tasks() == ["a"]


def test_notes_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.note({"s1": b"one"})
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute("ALTER TABLE gencsp_notes RENAME COLUMN digest TO other")
        connection.commit()
    with DiskStore(tmp_path, MANIFEST) as store:
        assert store.notes() == {}
        store.finish("a", Finished(structures=(crystal(1),)))
        assert store.tasks() == ["a"]


def test_notes_are_not_written_to_a_run_that_is_gone(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        (tmp_path / "run.db").unlink()
        with pytest.raises(StoreError, match="deleted or replaced"):
            store.note({"s1": b"one"})
