"""Trouble around a search: it is told in words, what is finished is kept, and it can go on."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from cheap_parts import CheapProposerMaker
from cheap_search import BUDGET, SETTINGS, cheap_search, manifest, story

from gencsp.errors import StoreError, WorkerError
from gencsp.executors import ThisProcess
from gencsp.proposers import Request
from gencsp.searches.settings import FORMAT
from gencsp.searches.starts import PoolStarts, ProposerStarts, pool_source
from gencsp.store import DiskStore, Finished, MemoryStore

METHODS = ("random", "hop", "genetic")


class FullStore(MemoryStore):
    """Takes so many tasks, and then what a full disk makes of the next one."""

    room = 7

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        if len(self.tasks()) + len(results) > self.room:
            raise StoreError("no space left for runs/a: make room and repeat the same command.")
        super().finish_all(results)


@pytest.mark.parametrize("method", METHODS)
def test_a_full_disk_ends_the_search_and_room_lets_it_go_on(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencsp.searches.runner.KEEP", 0.0)
    store = FullStore()
    with pytest.raises(StoreError, match="no space left"):
        cheap_search(method, store, ThisProcess()).run()
    assert 0 < len(store.tasks()) <= store.room
    store.room = 10**6
    again = cheap_search(method, store, ThisProcess())
    again.run()
    whole = cheap_search(method, MemoryStore(), ThisProcess())
    whole.run()
    assert story(again) == story(whole)


@pytest.mark.parametrize("moment", [1, 4, 9])
def test_an_error_of_the_disk_leaves_whole_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """The operating system refuses in the middle of a transaction; the connection is made anew."""
    left = [moment]
    write = ase_write()

    def refusing(self: Any, *args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, *args, **options)

    monkeypatch.setattr("ase.db.core.Database.write", refusing)
    with DiskStore(tmp_path / "run", manifest("random")) as store:
        with pytest.raises(StoreError, match="no space left"):
            cheap_search("random", store, ThisProcess(), batch=4, ahead=8).run()
        # ... in the same process, too
        search = cheap_search("random", store, ThisProcess(), batch=4, ahead=8)
        search.run()
    whole = cheap_search("random", MemoryStore(), ThisProcess(), batch=4, ahead=8)
    whole.run()
    assert story(search) == story(whole)
    with sqlite3.connect(tmp_path / "run" / "run.db") as connection:
        rows = connection.execute(
            "SELECT value FROM text_key_values WHERE key = 'structure_id'"
        ).fetchall()
    assert max(Counter(rows).values()) == 1


def ase_write() -> Callable[..., Any]:
    import ase.db.core

    write: Callable[..., Any] = ase.db.core.Database.write
    return write


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    DiskStore(tmp_path / "run", {**manifest("random"), "format": FORMAT + 1}).close()
    before = (tmp_path / "run" / "run.db").read_bytes()
    with pytest.raises(StoreError, match=rf"newer gencsp \(format {FORMAT + 1}.*upgrade"):
        DiskStore(tmp_path / "run", manifest("random"))
    assert (tmp_path / "run" / "run.db").read_bytes() == before


class Failing(Executor):
    """Refuses from some task on, or loses it."""

    def __init__(self, after: int, *, at_submission: bool, error: Exception) -> None:
        self.left = after
        self.at_submission = at_submission
        self.error = error

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.left -= 1
        if self.left >= 0:
            return ThisProcess().submit(fn, *args, **kwargs)
        if self.at_submission:
            raise self.error
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize(
    ("at_submission", "error"),
    [
        (True, BrokenExecutor("the pool is broken")),
        (True, RuntimeError("cannot schedule new futures after shutdown")),
        (False, BrokenExecutor("the pool is broken")),
        (False, CancelledError()),
    ],
)
def test_an_executor_that_fails(at_submission: bool, error: Exception) -> None:
    store = MemoryStore()
    executor = Failing(9, at_submission=at_submission, error=error)
    with pytest.raises(WorkerError, match=r"lost its workers \(.+\).*repeat the same command"):
        cheap_search("hop", store, executor).run()
    assert store.tasks()
    again = cheap_search("hop", store, ThisProcess())
    again.run()
    whole = cheap_search("hop", MemoryStore(), ThisProcess())
    whole.run()
    assert story(again) == story(whole)


def test_an_error_of_a_task_is_its_own() -> None:
    """A move with a fault is no fault of the executor: its error reaches whoever wrote it."""
    executor = Failing(9, at_submission=False, error=ZeroDivisionError("of a move"))
    with pytest.raises(ZeroDivisionError, match="of a move"):
        cheap_search("hop", MemoryStore(), executor).run()


@dataclass(frozen=True)
class Barren:
    """Makes a proposer that fails at everything."""

    name: str = "barren"

    def __call__(self) -> Barren:
        return self

    @property
    def failures(self) -> int:
        return 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        return iter(())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["no pool", "empty pool", "barren proposer"])
def test_seeds_that_give_nothing_cost_nothing(method: str, kind: str) -> None:
    """The other source makes up for them: as many relaxations, none of them lost."""
    sources: dict[str, tuple[PoolStarts | ProposerStarts, ...]] = {
        "no pool": (),
        "empty pool": (PoolStarts(name="pool", structures=()),),
        "barren proposer": (ProposerStarts(name="barren", make=Barren()),),
    }
    search = cheap_search(method, MemoryStore(), ThisProcess(), seeds=sources[kind])
    search.run()
    assert len(search.results) == BUDGET
    assert search.supply.taken.get("pool", 0) == search.supply.taken.get("barren", 0) == 0
    assert search.supply.taken["other"] > 0
    assert search.ledger.failures["proposers ended"] == 0


def test_nothing_at_all_ends_in_words() -> None:
    search = cheap_search("random", MemoryStore(), ThisProcess(), seeds=())
    search.supply._background.source = ProposerStarts(name="other", make=Barren())
    search.run()
    assert search.ledger.failures["proposers ended"] == BUDGET
    assert search.ranking() == []


@pytest.mark.parametrize("method", METHODS)
def test_seeds_of_another_composition_are_never_used(method: str) -> None:
    rng = np.random.default_rng(0)
    request = Request(composition=SETTINGS.space.compositions[0][0], n=4, units=(1,))
    good = list(CheapProposerMaker()().propose(request, rng=rng))
    wrong = [good[0] + Atoms("Li", positions=[(1, 2, 3)]), Atoms("Fe", cell=[3] * 3, pbc=True)]
    pool = pool_source("mine", [*good, *wrong], SETTINGS.space, seed=5)
    assert pool.structures
    assert pool.skipped["wrong composition or size"] == ("4 (Li2Si2)", "5 (Fe)")
    search = cheap_search(method, MemoryStore(), ThisProcess(), seeds=(pool,))
    search.run()
    formulas = {r.atoms.get_chemical_formula() for r in search.results if r.atoms is not None}
    assert formulas == {"LiSi2"}
    assert search.supply.taken["mine"] <= len(pool.structures)
