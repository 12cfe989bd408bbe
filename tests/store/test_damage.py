"""A damaged run reads as it was written or is refused in one sentence; what is whole is saved."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import ase.io
import numpy as np
import pytest
from damage import KINDS, Damage, delete_rows, delete_task, zero_pages
from stored_crystals import MANIFEST, crystal, same

from gencsp.errors import DamageError, GencspError, StoreError
from gencsp.io.structures import read_structures
from gencsp.runs.status import CycleStatus, run_status
from gencsp.store import DiskStore, Finished
from gencsp.store.digests import check_database
from gencsp.store.recovery import check_run, recover

#: Damaged copies of each kind; more of them with GENCSP_DAMAGED_COPIES=30 in the environment.
COPIES = int(os.environ.get("GENCSP_DAMAGED_COPIES", "3"))
CYCLE = {**MANIFEST, "kind": "cycle", "composition": "Li5Si2"}
Results = dict[str, Finished]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A run of 24 tasks of 0 to 3 structures, some of which failed."""
    folder = tmp_path_factory.mktemp("damage") / "run"
    results = {
        f"relaxed-{i:04d}": Finished(
            structures=tuple(crystal(4 * i + j, outcome="converged") for j in range(i % 4)),
            failures={"exploded": i} if i % 3 == 0 else {},
        )
        for i in range(24)
    }
    with DiskStore(folder, CYCLE) as store:
        for first in range(0, 24, 6):
            store.finish_all({task: results[task] for task in list(results)[first : first + 6]})
        return folder, store.load()


def told(error: GencspError) -> None:
    """An error of gencsp is one sentence."""
    assert "\n" not in str(error)
    assert str(error).endswith(".")


def equal(one: Results, other: Results) -> bool:
    return one.keys() == other.keys() and all(
        one[task].failures == other[task].failures
        and len(one[task].structures) == len(other[task].structures)
        and all(map(same, one[task].structures, other[task].structures))
        for task in one
    )


def opened(folder: Path, results: Results) -> bool:
    """Whether a run could be opened, read and gone on with; what was read is as it was written."""
    extra = Finished(structures=(crystal(1),))
    try:
        with DiskStore(folder, CYCLE) as store:
            assert equal(store.load(), results)
            assert store.tasks() == sorted(results)
            for task in ("relaxed-0003", "relaxed-0023"):
                one = store.get(task)
                assert one is not None
                assert equal({task: one}, {task: results[task]})
            store.finish("relaxed-9999", extra)
        with DiskStore(folder, CYCLE) as store:
            assert equal(store.load(), {**results, "relaxed-9999": extra})
    except GencspError as error:
        told(error)
        return False
    return True


def read(folder: Path, results: Results) -> None:
    """What the commands read of a run is as it was written, or refused."""
    written = [atoms for task in sorted(results) for atoms in results[task].structures]
    for reader in (
        lambda: read_structures([folder]),
        lambda: ase.io.read(folder / "run.db", ":"),
    ):
        try:
            found = reader()
        except GencspError as error:
            told(error)
        except ase.io.formats.UnknownFileTypeError:
            assert (folder / "run.db").read_bytes()[:16] != b"SQLite format 3\0"
        else:
            assert len(found) == len(written)
            assert all(map(same, found, written))
    try:
        status = run_status(folder)
    except GencspError as error:
        told(error)
    else:
        assert isinstance(status, CycleStatus)
        assert status.finished == {"relaxed": len(results)}
        assert status.structures == {"relaxed": len(written)}


def saved(folder: Path, results: Results) -> int:
    """How many tasks a check finds whole, all of them as they were written."""
    try:
        check = check_run(folder)
    except StoreError as error:
        told(error)
        return 0
    if check.manifest is not None:
        assert check.manifest == CYCLE
        assert recover(check, folder / "saved") == len(check.whole)
        assert check_run(folder / "saved").is_whole
        with DiskStore(folder / "saved", CYCLE) as store:
            whole = store.load()
        assert equal(whole, {task: results[task] for task in check.whole})
    if check.is_whole:
        assert check.whole.keys() == results.keys()
    return len(check.whole)


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.__name__)
def test_a_damaged_run_is_whole_or_told(
    run: tuple[Path, Results], tmp_path: Path, damage: Damage
) -> None:
    folder, results = run
    for number in range(COPIES):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        damage(copy / "run.db", np.random.default_rng([KINDS.index(damage), number]))
        read(copy, results)
        saved(copy, results)
        opened(copy, results)


def test_an_undamaged_run_is_whole(run: tuple[Path, Results], tmp_path: Path) -> None:
    folder, results = run
    copy = shutil.copytree(folder, tmp_path / "copy")
    read(copy, results)
    assert check_run(copy).is_whole
    assert saved(copy, results) == 24
    assert opened(copy, results)


def test_a_task_that_is_lost_as_a_whole_is_missed(
    run: tuple[Path, Results], tmp_path: Path
) -> None:
    folder, _ = run
    copy = shutil.copytree(folder, tmp_path / "copy")
    delete_task(copy / "run.db", np.random.default_rng(0))
    check = check_run(copy)
    assert check.faults == ("1 finished tasks are missing",)
    assert (len(check.whole), check.damaged) == (23, {})
    with pytest.raises(StoreError, match=r"run.db is damaged .* 'gencsp check .*copy/run.db'"):
        DiskStore(copy, CYCLE)


def test_zeroed_pages_leave_the_tasks_on_both_sides(
    run: tuple[Path, Results], tmp_path: Path
) -> None:
    folder, results = run
    kept = []
    for number in range(12):
        copy = shutil.copytree(folder, tmp_path / str(number))
        zero_pages(copy / "run.db", np.random.default_rng(number))
        kept.append(saved(copy, results))
    assert max(kept) < 24 or 24 in kept
    assert np.median(kept) > 12, kept


def test_what_is_whole_goes_on(run: tuple[Path, Results], tmp_path: Path) -> None:
    folder, results = run
    copy = shutil.copytree(folder, tmp_path / "copy")
    while check_run(copy).is_whole:
        delete_rows(copy / "run.db", np.random.default_rng(6))
    check = check_run(copy)
    recover(check, tmp_path / "new")
    with DiskStore(tmp_path / "new", CYCLE) as store:
        lost = results.keys() - set(store.tasks())
        store.finish_all({task: results[task] for task in lost})
        assert equal(store.load(), results)
    with pytest.raises(StoreError, match="holds a run: choose another folder"):
        recover(check, tmp_path / "new")


def test_what_sqlite_says_of_damage_is_told_on_one_line(tmp_path: Path) -> None:
    """A schema that was damaged is quoted by SQLite, line ends and all."""
    path = tmp_path / "run.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE systems (\n id INTEGER,\n ctime REAL,\n mtime REAL)")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE systems (\n id", b"CREATE TABEL systems (\n id"))
    with pytest.raises(DamageError) as told:
        check_database(path)
    assert "malformed" in str(told.value)
    assert "\n" not in str(told.value)
