"""A run read beside its writer, against the store itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_material import rock_salt
from stored_crystals import MANIFEST

from gencsp.errors import StoreError
from gencsp.store import DiskStore, Finished
from gencsp.store.disk import LOCK, is_in_use
from gencsp.store.reading import read_contents


def test_contents_are_those_of_the_store_and_its_writer_is_seen(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        assert read_contents(tmp_path).in_use
        assert read_contents(tmp_path).tasks == {}
        store.finish("b", Finished(structures=(rock_salt("one"), rock_salt("two"))))
        store.finish("a", Finished(structures=(), failures={"too close": 2}))
        contents, kept = read_contents(tmp_path), store.load()
        assert dict(contents.manifest) == store.manifest
    assert list(contents.tasks) == ["a", "b"]
    assert contents.tasks["a"].failures == {"too close": 2}
    for read, written in zip(contents.tasks["b"].structures, kept["b"].structures, strict=True):
        assert read == written
        assert read.info == written.info
    assert not read_contents(tmp_path).in_use


def test_reading_leaves_no_lock_where_there_was_none(tmp_path: Path) -> None:
    DiskStore(tmp_path, MANIFEST).close()
    (tmp_path / LOCK).unlink()
    assert not is_in_use(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no run of gencsp.*run\.db"):
        read_contents(tmp_path)
