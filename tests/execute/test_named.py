"""Executors by name: a real local Dask and a real local Parsl give what this process gives."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest
from cheap_search import cheap_search, story

from gencsp.errors import ExecutorError
from gencsp.execute import ThisProcess
from gencsp.execute.named import open_executor
from gencsp.store import MemoryStore

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["local", "dask", "parsl"])
def test_the_same_search_on_any_executor(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "local":
        pytest.importorskip({"dask": "distributed", "parsl": "parsl"}[name])
    # Parsl's workers start as programs of their own, and leave their logs in the working folder.
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.chdir(tmp_path)
    reference = cheap_search("hop", MemoryStore(), ThisProcess(), budget=10)
    reference.run()
    with open_executor(name, workers=1) as executor:
        search = cheap_search("hop", MemoryStore(), executor, budget=10)
        search.run()
    assert story(search) == story(reference)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("warp", "no executor 'warp'"),
        ("local:3", "no executor 'local:3'"),
        ("parsl:none.py", "none.py|needs parsl"),
        ("dask:tcp://127.0.0.1:1", "cannot start or be reached|needs distributed"),
    ],
)
def test_an_executor_that_cannot_start(name: str, says: str) -> None:
    with pytest.raises(ExecutorError, match=says), open_executor(name, workers=1):
        pass


def test_the_slurm_deck_of_the_docs(tmp_path: Path) -> None:
    text = (TESTS.parent / "docs" / "search.md").read_text()
    deck = text.split("`slurm.py`, say:")[1].split("```python")[1].split("```")[0]
    compile(deck, "slurm.py", "exec")
    parsl = pytest.importorskip("parsl")
    path = tmp_path / "slurm.py"
    path.write_text(deck)
    config = runpy.run_path(str(path))["config"]
    assert isinstance(config, parsl.Config)
    assert config.executors[0].provider.walltime == "12:00:00"
