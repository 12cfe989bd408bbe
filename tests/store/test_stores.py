"""The store on disk keeps what the store in memory keeps, whatever happens to the process."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_crystals import MANIFEST, crystal, same

from gencsp.composition import Composition
from gencsp.errors import DamageError, StoreError
from gencsp.provenance import Provenance
from gencsp.searches.space import Space
from gencsp.store import DiskStore, Finished, MemoryStore, Store
from gencsp.store.base import portable
from gencsp.store.disk import read_manifest
from gencsp.store.recovery import check_run
from gencsp.store.rows import read_row


@pytest.mark.parametrize("finished", [Finished(), Finished(failures={"none": 1})])
def test_what_a_task_gives_comes_back_from_a_worker_process(finished: Finished) -> None:
    """Also where it gives nothing."""
    assert pickle.loads(pickle.dumps(finished)) == finished


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = (
        MemoryStore(MANIFEST) if request.param == "memory" else DiskStore(tmp_path, MANIFEST)
    )
    yield made
    made.close()


def test_conformance(store: Store) -> None:
    assert store.tasks() == []
    assert store.get("relax-0001") is None
    structures = (crystal(1), crystal(2))
    store.finish("relax-0001", Finished(structures=structures, failures={"isolated atoms": 2}))
    store.finish("generate-0001", Finished())
    assert store.tasks() == ["generate-0001", "relax-0001"]
    kept = store.get("relax-0001")
    assert kept is not None
    assert kept.failures == {"isolated atoms": 2}
    assert [a.info["structure_id"] for a in kept.structures] == ["r1", "r2"]
    assert Provenance.read(kept.structures[0]) == Provenance.read(structures[0])
    assert kept.structures[0].constraints == []
    np.testing.assert_array_equal(
        kept.structures[0].get_forces(), structures[0].get_forces(apply_constraint=False)
    )


def test_finishing_twice_changes_nothing(store: Store) -> None:
    store.finish("t", Finished(structures=(crystal(1),), failures={"a": 1}))
    store.finish("t", Finished(structures=(crystal(2), crystal(3))))
    kept = store.get("t")
    assert kept is not None
    assert [a.info["structure_id"] for a in kept.structures] == ["r1"]
    assert kept.failures == {"a": 1}


def test_several_tasks_at_once(store: Store) -> None:
    store.finish("a", Finished(structures=(crystal(1),)))
    store.finish_all(
        {
            "b": Finished(structures=(crystal(2), crystal(3)), failures={"lost": 1}),
            "a": Finished(structures=(crystal(4),)),
            "c": Finished(),
        }
    )
    everything = store.load()
    assert list(everything) == store.tasks() == ["a", "b", "c"]
    for task, finished in everything.items():
        kept = store.get(task)
        assert kept is not None
        assert finished.failures == kept.failures
        assert all(map(same, finished.structures, kept.structures))
    assert [a.info["structure_id"] for a in everything["a"].structures] == ["r1"]
    assert [a.info["structure_id"] for a in everything["b"].structures] == ["r2", "r3"]


def test_marks_are_set_changed_and_taken_away(store: Store) -> None:
    info = {"nested": {"a": [1, 2.5]}, "note": "kept", "flag": True}
    one, other, third = crystal(1), crystal(2), crystal(3)
    one.info |= info
    store.finish_all(
        {
            "a": Finished(structures=(one, other), failures={"lost": 1}),
            "b": Finished(structures=(third,)),
        }
    )
    before = store.load()
    store.mark("duplicate_of", {"r2": "r1", "r3": "r1", "r1": "", "unknown": "r1"})
    store.mark("duplicate_of", {"r3": ""})
    after = store.load()
    assert list(after) == ["a", "b"]
    assert after["a"].failures == {"lost": 1}
    marks = [a.info.get("duplicate_of") for f in after.values() for a in f.structures]
    assert marks == [None, "r1", None]
    for task in ("a", "b"):
        for old, new in zip(before[task].structures, after[task].structures, strict=True):
            new.info.pop("duplicate_of", None)
            assert same(old, new)
    store.finish("c", Finished(structures=(crystal(4),)))
    assert store.tasks() == ["a", "b", "c"]


def test_marked_rows_are_whole_and_searchable(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("a", Finished(structures=(crystal(1), crystal(2))))
        store.mark("duplicate_of", {"r2": "r1"})
        written = (tmp_path / "run.db").stat().st_mtime_ns
        store.mark("duplicate_of", {"r2": "r1", "r1": ""})  # as it is: nothing is written
        assert (tmp_path / "run.db").stat().st_mtime_ns == written
        store.finish("b", Finished(structures=(crystal(3),)))
    assert check_run(tmp_path).is_whole
    with DiskStore(tmp_path, MANIFEST) as again:
        assert [a.info.get("duplicate_of") for a in again.load()["a"].structures] == [None, "r1"]
    rows = list(ase.db.connect(tmp_path / "run.db").select(duplicate_of="r1"))
    assert [row.structure_id for row in rows] == ["r2"]


def test_marks_do_not_hide_damage(tmp_path: Path) -> None:
    """New digests of rows that were changed by hand would make them sound."""
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("a", Finished(structures=(crystal(1), crystal(2))))
        with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
            connection.execute("UPDATE systems SET energy = 0 WHERE id = 1")
            connection.commit()
        with pytest.raises(DamageError):
            store.mark("duplicate_of", {"r2": "r1"})
    assert not check_run(tmp_path).is_whole


def test_what_is_kept_is_a_copy(store: Store) -> None:
    atoms = crystal(1)
    store.finish("t", Finished(structures=(atoms,)))
    before = atoms.positions.copy()
    atoms.positions += 1
    for _ in range(2):
        kept = store.get("t")
        assert kept is not None
        np.testing.assert_array_equal(kept.structures[0].positions, before)
        kept.structures[0].positions += 1


@given(
    seeds=st.lists(st.integers(0, 10**6), max_size=4),
    info=st.dictionaries(
        st.from_regex(r"[a-z_]{3,12}", fullmatch=True),
        st.one_of(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
            st.integers(-(2**53), 2**53),
            st.floats(allow_nan=False),
            st.booleans(),
            st.sampled_from(["12", "1e5", "true", "123456789012"]),
        ),
        max_size=4,
    ),
)
@settings(deadline=None, max_examples=10)
def test_disk_equals_memory(
    tmp_path_factory: pytest.TempPathFactory,
    seeds: list[int],
    info: dict[str, str | int | float | bool],
) -> None:
    memory, folder = MemoryStore(), tmp_path_factory.mktemp("run")
    finished = Finished(structures=tuple(crystal(seed, **info) for seed in seeds))
    memory.finish("t", finished)
    with DiskStore(folder, {}) as disk:
        disk.finish("t", finished)
    with DiskStore(folder, {}) as reopened:
        kept, reference = reopened.get("t"), memory.get("t")
    assert kept is not None
    assert reference is not None
    assert len(kept.structures) == len(reference.structures) == len(seeds)
    assert all(map(same, kept.structures, reference.structures))


def test_rows_are_read_as_ase_reads_them(tmp_path: Path) -> None:
    """All that a structure can have, and none of it."""
    full, plain_, empty = crystal(1), crystal(2), Atoms()
    n = len(full)
    full.info |= {
        "nested": {"list": [1, 2.5, None, "é"], "array": np.arange(6.0).reshape(2, 3)},
        "array": np.array([True, False]),
        "like ASE's": '{"__ndarray__": [[1], "float64", 8]}',
    }
    full.pbc = (True, False, True)
    full.set_tags(np.arange(n))
    full.set_initial_magnetic_moments(np.linspace(-1, 1, n))
    full.set_array("labels", np.array(["a", "bc"] * n)[:n])
    full.set_array("pairs", np.arange(2 * n, dtype=np.int16).reshape(n, 2))
    full.calc = SinglePointCalculator(full, energy=-1.5, magmoms=np.linspace(0, 1, n))
    plain_.calc = None
    every = (full, plain_, empty, crystal(3, flag=True))
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("t", Finished(structures=every))
        kept = store.get("t")
        assert kept is not None
        rows = list(ase.db.connect(tmp_path / "run.db").select(sort="id"))
    for ours, row, original in zip(kept.structures, rows, every, strict=True):
        assert same_arrays(ours, portable(read_row(row)))
        assert same_arrays(ours, portable(original))
        for values in (*ours.arrays.values(), *ours.info.values()):
            assert not isinstance(values, np.ndarray) or values.flags.writeable


def same_arrays(one: Atoms, other: Atoms) -> bool:
    """As :func:`same`, with per-atom arrays, and arrays within ``info``."""

    def written(atoms: Atoms) -> str:
        arrays = {key: (v.dtype.str, v.tolist()) for key, v in sorted(atoms.arrays.items())}
        info = {key: (type(v).__name__, v) for key, v in atoms.info.items()}
        results = {} if atoms.calc is None else atoms.calc.results
        return repr((arrays, info, sorted(results.items()), atoms.cell.array, atoms.pbc))

    return written(one) == written(other)


def test_a_run_is_read_by_few_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASE opens a connection for every row that it selects, unless it has one."""
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish_all({f"task-{k}": Finished(structures=(crystal(k),)) for k in range(20)})
    opened = []
    connect = sqlite3.connect

    def counted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(args)
        made: sqlite3.Connection = connect(*args, **options)
        return made

    with DiskStore(tmp_path, MANIFEST) as store:
        monkeypatch.setattr(sqlite3, "connect", counted)
        assert len(store.load()) == 20
        assert len(opened) < 5
        assert len(store.load()) == 20
        store.finish("task-20", Finished(structures=(crystal(20),)))
        assert len(store.load()) == 21


def test_opens_with_ase_db(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("t", Finished(structures=(crystal(1), crystal(2))))
        # ... also while the run goes on
        rows = list(ase.db.connect(tmp_path / "run.db").select(stage="relaxed", proposer="fake"))
    assert [row.structure_id for row in rows] == ["r1", "r2"]
    assert rows[0].energy == crystal(1).get_potential_energy()
    assert read_manifest(tmp_path) == MANIFEST


def test_another_run_is_refused_and_untouched(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("t", Finished(structures=(crystal(1),)))
    before = (tmp_path / "run.db").read_bytes()
    with pytest.raises(StoreError, match=r"another run \(seed is 3 there and 4 here\)"):
        DiskStore(tmp_path, {**MANIFEST, "seed": 4})
    assert (tmp_path / "run.db").read_bytes() == before


def test_a_formula_in_another_order_is_another_run(tmp_path: Path) -> None:
    """Atoms are drawn in the order of the formula, so its order is a setting of the run."""
    manifests = [
        Space.fixed(Composition.parse(formula), units=(2,)).manifest()
        for formula in ("TiO2", "O2Ti")
    ]
    DiskStore(tmp_path, manifests[0]).close()
    with pytest.raises(StoreError, match=r"space is TiO2 there and O2Ti here.*repeat that run's"):
        DiskStore(tmp_path, manifests[1])
    DiskStore(tmp_path, manifests[0]).close()


@pytest.mark.parametrize("content", [b"not a database at all" * 50, b""])
def test_a_foreign_file_is_refused_and_untouched(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.db").write_bytes(content)
    with pytest.raises(StoreError, match="not a run of gencsp"):
        DiskStore(tmp_path, MANIFEST)
    assert [p.name for p in tmp_path.iterdir()] == ["run.db"]
    assert (tmp_path / "run.db").read_bytes() == content


def test_a_foreign_ase_database_is_refused(tmp_path: Path) -> None:
    ase.db.connect(tmp_path / "run.db").write(Atoms("H"))
    with pytest.raises(StoreError, match="not a run of gencsp"):
        DiskStore(tmp_path, MANIFEST)


def test_one_writer(tmp_path: Path) -> None:
    with (
        DiskStore(tmp_path, MANIFEST),
        pytest.raises(StoreError, match="another gencsp process is using"),
    ):
        DiskStore(tmp_path, MANIFEST)
    DiskStore(tmp_path, MANIFEST).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        DiskStore(tmp_path / "file" / "run", MANIFEST)


def test_no_space_when_the_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="no space left"):
        DiskStore(tmp_path, MANIFEST)
    assert not (tmp_path / "run.db").exists()
    monkeypatch.undo()
    DiskStore(tmp_path, MANIFEST).close()


def test_no_space_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself says "database or disk is full" when pages run out."""
    connect = sqlite3.connect
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("first", Finished(structures=(crystal(1),)))

    def small(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    store = DiskStore(tmp_path, MANIFEST)
    with pytest.raises(StoreError, match="no space left"):
        store.finish("second", Finished(structures=tuple(crystal(i) for i in range(200))))
    monkeypatch.undo()
    assert store.tasks() == ["first"]
    store.finish("second", Finished(structures=(crystal(2),)))
    assert store.tasks() == ["first", "second"]
    store.close()


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs root to mount a tmpfs"
)
def test_a_full_disk(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    done: list[str] = []

    def fill(store: Store) -> None:
        for i in range(500):
            store.finish(f"t{i:03d}", Finished(structures=tuple(map(crystal, range(8)))))
            done.append(f"t{i:03d}")

    try:
        with DiskStore(tmp_path, MANIFEST) as store:
            with pytest.raises(StoreError, match="no space left"):
                fill(store)
            assert store.tasks() == done
            assert done
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def delete(path: Path) -> None:
    path.unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def replace_by_another_run(path: Path) -> None:
    other = path.with_name("other")
    DiskStore(other, MANIFEST).close()
    (other / "run.db").replace(path)


@pytest.mark.parametrize(
    "spoil", [delete, delete_folder, replace_by_a_copy, replace_by_another_run]
)
@pytest.mark.parametrize("use", ["finish", "get", "load"])
def test_a_database_that_is_taken_away_under_the_run(
    tmp_path: Path, spoil: Callable[[Path], None], use: str
) -> None:
    """The sentence says what helps, and it does help."""
    kept = Finished(structures=(crystal(1),))
    with DiskStore(tmp_path / "run", MANIFEST) as store:
        store.finish("a", kept)
        spoil(store.path)
        calls = {
            "finish": lambda: store.finish("b", kept),
            "get": lambda: store.get("a"),
            "load": store.load,
        }
        for _ in range(2):
            with pytest.raises(StoreError, match=r"deleted or replaced .* repeat the same command"):
                calls[use]()
    with DiskStore(tmp_path / "run", MANIFEST) as again:
        again.finish_all({"a": kept, "b": kept})
        assert again.tasks() == ["a", "b"]


def test_a_database_that_somebody_has_open_in_wal_mode(tmp_path: Path) -> None:
    with DiskStore(tmp_path, MANIFEST) as store:
        store.finish("a", Finished(structures=(crystal(1),)))
    with closing(sqlite3.connect(tmp_path / "run.db")) as viewer:
        assert viewer.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        assert viewer.execute("SELECT COUNT(*) FROM systems").fetchone() == (1,)
        with DiskStore(tmp_path, MANIFEST) as store:
            store.finish("b", Finished(structures=(crystal(2),)))
            assert store.load().keys() == {"a", "b"}
        assert viewer.execute("SELECT COUNT(*) FROM systems").fetchone() == (2,)
    with DiskStore(tmp_path, MANIFEST) as store:
        assert store.tasks() == ["a", "b"]


def test_a_database_that_somebody_writes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    DiskStore(tmp_path, MANIFEST).close()
    with closing(connect(tmp_path / "run.db", isolation_level=None)) as other:
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
        with DiskStore(tmp_path, MANIFEST) as store:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"another program is writing .* close it"):
                store.finish("a", Finished())
            other.execute("ROLLBACK")
            store.finish("a", Finished())
            assert store.tasks() == ["a"]


def test_interrupted_between_the_disk_and_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after a task was written and before the store knows it: it is not written twice."""
    with DiskStore(tmp_path, MANIFEST) as store:

        def interrupted() -> None:
            raise KeyboardInterrupt

        real = store._require_same_file
        calls = iter([real, interrupted])
        monkeypatch.setattr(store, "_require_same_file", lambda: next(calls, real)())
        with pytest.raises(KeyboardInterrupt):
            store.finish("a", Finished(structures=(crystal(1),)))
        store.finish("a", Finished(structures=(crystal(1),)))
        store.finish("b", Finished())
        assert store.tasks() == ["a", "b"]
        assert len(store.load()["a"].structures) == 1


WRITER = """
import sys
sys.path[:0] = {path!r}
from stored_crystals import MANIFEST, crystal
from gencsp.store import DiskStore, Finished
store = DiskStore({folder!r}, MANIFEST)
print("open", flush=True)
for i in range(len(store.tasks()), 10_000):
    store.finish(f"t{{i:05d}}", Finished(structures=tuple(crystal(3 * i + j) for j in range(3))))
    print("finished", flush=True)
"""


def test_killed_writer_leaves_whole_tasks(tmp_path: Path) -> None:
    """Killed with SIGKILL at several moments, some of them within a transaction."""
    script = WRITER.format(path=[str(Path(__file__).parents[1])], folder=str(tmp_path))
    finished: list[str] = []
    for tasks, delay in ((0, 0.0), (3, 0.0), (5, 0.0007), (7, 0.0013), (9, 0.003)):
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        # Kill it so long after it has said that a task is finished.
        for expected in ["open", *("finished" for _ in range(tasks))]:
            assert writer.stdout.readline() == f"{expected}\n"
        time.sleep(delay)
        writer.kill()
        rest = writer.communicate()[0]
        assert writer.returncode == -signal.SIGKILL
        said = tasks + rest.count("finished\n")
        with DiskStore(tmp_path, MANIFEST) as store:
            now = store.tasks()
            # What was said to be finished is there, and at most one that was about to be said.
            assert len(now) - len(finished) in (said, said + 1)
            assert now[: len(finished)] == finished
            assert now == [f"t{i:05d}" for i in range(len(now))]
            for i, task in enumerate(now):
                kept = store.get(task)
                assert kept is not None
                assert [a.info["structure_id"] for a in kept.structures] == [
                    f"r{3 * i + j}" for j in range(3)
                ]
        finished = now
    assert len(finished) >= 24
    rows = ase.db.connect(tmp_path / "run.db").count()
    assert rows == 3 * len(finished)
