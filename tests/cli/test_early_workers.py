"""Commands that start their first worker before they load themselves, and end it with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ase.build import bulk
from typer.testing import CliRunner

import gencsp.executors.early
import gencsp.runs.cycle
import gencsp.runs.discover
import gencsp.runs.host_cycle
import gencsp.runs.intercalating
import gencsp.runs.refining
import gencsp.runs.search
import gencsp.runs.synergy
import gencsp.runs.system_cycle
import gencsp.suites.run
from gencsp.cli import app
from gencsp.errors import RequestError

HOST = ("cycle", "--host", "copper.cif", "--guests", "Li", "-n", "1", "CuLi")
#: What opens a run: its module and name, the words of the command, and what its workers load.
COMMANDS: dict[str, tuple[Any, str, tuple[str, ...], tuple[str, ...]]] = {
    "search": (gencsp.runs.search, "open_search", ("search", "NaCl"), ("gencsp.runs.search",)),
    "cycle": (gencsp.runs.cycle, "open_cycle", ("cycle", "NaCl"), ("gencsp.runs.cycle", "torch")),
    "cycle of a search": (
        gencsp.runs.cycle,
        "open_cycle",
        ("search", "NaCl", "--method", "cycle"),
        ("gencsp.runs.cycle", "torch"),
    ),
    "cycle of a system": (
        gencsp.runs.system_cycle,
        "open_system_cycle",
        ("cycle", "Na-Cl"),
        ("gencsp.runs.cycle", "torch"),
    ),
    "cycle in a host": (
        gencsp.runs.host_cycle,
        "open_host_cycle",
        HOST,
        ("gencsp.runs.cycle", "torch"),
    ),
    "discover": (
        gencsp.runs.discover,
        "open_discovery",
        ("discover",),
        ("gencsp.runs.discover", "gencsp.proposers.pigen"),
    ),
    "discover, of a file": (
        gencsp.runs.discover,
        "open_discovery",
        ("discover", "--pool", "copper.cif"),
        ("gencsp.runs.discover",),
    ),
    "synergy": (
        gencsp.runs.synergy,
        "open_synergy",
        ("synergy",),
        ("gencsp.runs.synergy", "gencsp.proposers.pigen"),
    ),
    "synergy, of a file": (
        gencsp.runs.synergy,
        "open_synergy",
        ("synergy", "--model", "copper.cif"),
        ("gencsp.runs.synergy",),
    ),
    "intercalate": (
        gencsp.runs.intercalating,
        "open_intercalation",
        ("intercalate", "copper.cif", "--guest", "Li"),
        ("gencsp.runs.intercalating", "torch"),
    ),
    "refine": (
        gencsp.runs.refining,
        "refine_pool",
        ("refine", "copper.cif", "--guests", "Li"),
        ("gencsp.runs.refining", "torch"),
    ),
    "bench": (gencsp.suites.run, "open_bench", ("bench", "mp20"), ("gencsp.suites.run", "torch")),
    "bench without a proposer": (
        gencsp.suites.run,
        "open_bench",
        ("bench", "search", "--proposer", "none"),
        ("gencsp.suites.run",),
    ),
}


class Workers(Executor):
    """Notes what it is asked to do, and does not do it."""

    opened: list[Workers]

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.calls: list[tuple[Any, ...]] = []
        self.ended = False
        self.opened.append(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        self.calls.append((fn, *args))
        return Future()

    def abandon(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Workers]:
    """The executors that commands open."""
    monkeypatch.setattr(Workers, "opened", [], raising=False)
    monkeypatch.setattr(gencsp.executors.early, "LocalProcesses", Workers)
    monkeypatch.chdir(tmp_path)
    bulk("Cu", cubic=True).write("copper.cif")
    return Workers.opened


@pytest.mark.parametrize(
    ("error", "status"), [(RequestError("no"), 2), (KeyboardInterrupt(), 130), (SystemExit(0), 0)]
)
@pytest.mark.parametrize(("place", "name", "words", "modules"), COMMANDS.values(), ids=COMMANDS)
def test_it_is_handed_over_and_ended(
    place: Any,
    name: str,
    words: tuple[str, ...],
    modules: tuple[str, ...],
    error: BaseException,
    status: int,
    workers: list[Workers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Executor] = []

    def opens(*_: object, executor: Executor, **__: object) -> NoReturn:
        assert isinstance(executor, Workers)
        assert not executor.ended
        given.append(executor)
        raise error

    monkeypatch.setattr(place, name, opens)
    result = CliRunner().invoke(app, [*words, "--workers", "3", *_seedless(words)])
    assert result.exit_code == status
    (one,) = workers
    assert given == [one]
    assert one.workers == 3
    assert [call[1] for call in one.calls] == [modules]
    assert one.ended


@pytest.mark.parametrize("words", [("intercalate", "none.cif"), ("refine", "none.cif")])
def test_a_missing_file_is_told_before_anything_is_started(
    words: tuple[str, ...], workers: list[Workers]
) -> None:
    guests = "--guest" if words[0] == "intercalate" else "--guests"
    result = CliRunner().invoke(app, [*words, guests, "Li"])
    assert result.exit_code == 2
    assert "there is no file none.cif" in result.stderr
    assert not workers


@pytest.mark.parametrize("formula", ["Xx2", "Na-Xx"])
def test_a_wrong_formula_of_a_cycle_is_told_at_once(formula: str) -> None:
    """Without what opens a run, and without torch in this process."""
    call = f"import gencsp.cli as cli\ncli.app(['cycle', {formula!r}], standalone_mode=False)"
    program = (
        f"import sys\ntry:\n    exec({call!r})\nfinally:\n"
        f"    assert not {{'gencsp.runs.cycle', 'torch'}} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "is not an element" in done.stderr
    assert "AssertionError" not in done.stderr


def _seedless(words: tuple[str, ...]) -> tuple[str, ...]:
    return ("--no-seeds",) if words == ("search", "NaCl") else ()


def test_bench_leaves_other_executors_to_the_run(
    workers: list[Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def opens(*_: object, executor: Executor | None) -> NoReturn:
        given.append(executor)
        raise RequestError("no")

    monkeypatch.setattr(gencsp.suites.run, "open_bench", opens)
    assert CliRunner().invoke(app, ["bench", "mp20", "--executor", "dask"]).exit_code == 2
    assert given == [None]
    assert not workers
