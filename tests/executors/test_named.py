"""Executors by name: a real local Dask and a real local Parsl give what this process gives."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from cheap_parts import DeadlyRelaxerMaker
from cheap_search import cheap_search, story

from gencsp.errors import ExecutorError, WorkerError
from gencsp.executors import ThisProcess
from gencsp.executors.named import open_executor
from gencsp.store import MemoryStore

TESTS = Path(__file__).parents[1]


def prepare(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where the package is missing; else let its workers find the helpers of the tests."""
    if name != "local":
        pytest.importorskip({"dask": "distributed", "parsl": "parsl"}[name])
    # Parsl's workers start as programs of their own, and leave their logs in the working folder.
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("name", ["local", "dask", "parsl"])
def test_the_same_search_on_any_executor(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(name, tmp_path, monkeypatch)
    reference = cheap_search("hop", MemoryStore(), ThisProcess(), budget=10)
    reference.run()
    with open_executor(name, workers=1) as executor:
        search = cheap_search("hop", MemoryStore(), executor, budget=10)
        search.run()
    assert story(search) == story(reference)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["local", "dask", "parsl"])
def test_a_worker_killed_in_mid_relaxation_costs_its_task_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(name, tmp_path, monkeypatch)
    reference = cheap_search("hop", MemoryStore(), ThisProcess(), budget=16)
    reference.run()
    log = tmp_path / "log"
    with open_executor(name, workers=2) as executor:
        search = cheap_search("hop", MemoryStore(), executor, budget=16)
        search.context = replace(search.context, relaxer=DeadlyRelaxerMaker(log, "s00006"))
        search.run()
    assert story(search) == story(reference)
    lines = log.read_text().splitlines()
    relaxed = Counter(line for line in lines if line.startswith("relaxed "))
    # The others were relaxed once, or by Dask once more where their results died with the worker.
    again = {line for line, n in relaxed.items() if n > 1}
    assert lines.count("begun") == 2
    assert relaxed["relaxed s00006"] == 1
    assert not again or name == "dask"


def test_a_task_that_kills_every_worker_ends_in_words(tmp_path: Path) -> None:
    """... and what was finished is kept: the same search goes on from there."""
    store = MemoryStore()
    with open_executor("local", workers=1) as executor:
        search = cheap_search("random", store, executor, budget=12)
        deadly = DeadlyRelaxerMaker(tmp_path / "log", "s00006", times=99)
        search.context = replace(search.context, relaxer=deadly)
        with pytest.raises(WorkerError, match=r"lost its workers \(3 workers died.*fewer workers"):
            search.run()
    assert "trial-000005" in store.tasks()
    again = cheap_search("random", store, ThisProcess(), budget=12)
    again.run()
    whole = cheap_search("random", MemoryStore(), ThisProcess(), budget=12)
    whole.run()
    assert story(again) == story(whole)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("warp", "no executor 'warp'"),
        ("local:3", "no executor 'local:3'"),
        ("parsl:none.py", "none.py|needs parsl"),
        ("parsl:broken.py", "broken.py cannot be run|needs parsl"),
        ("parsl:empty.py", "sets no 'config'|needs parsl"),
        ("dask:tcp://127.0.0.1:1", "cannot start or be reached|needs distributed"),
    ],
)
def test_an_executor_that_cannot_start(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.py").write_text("import nothing_of_this_name")
    Path("empty.py").write_text("answer = 42")
    with pytest.raises(ExecutorError, match=says), open_executor(name, workers=1):
        pass
