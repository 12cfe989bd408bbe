"""``gencsp check``: what it says of a whole and of a damaged run, and how that goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import ase.io
import numpy as np
import pytest
from cheap_search import cheap_search, manifest
from typer.testing import CliRunner

import gencsp.runs.search
from gencsp.cli import app
from gencsp.executors import ThisProcess
from gencsp.runs.decks import SearchDeck
from gencsp.runs.settings import folder, save_deck, saved_deck, stop_rules
from gencsp.searches.loop import Search
from gencsp.store import DiskStore

RUNNER = CliRunner()
ARGUMENTS = ["search", "LiSi2", "--atoms", "3", "--seed", "5"]
RUN = Path("runs/LiSi2-random-5")
BUDGET = 12


@contextmanager
def open_cheap_search(deck: SearchDeck, **_: object) -> Iterator[Search]:
    with DiskStore(folder(deck), manifest("random")) as store:
        yield cheap_search("random", store, ThisProcess(), stop=stop_rules(deck))


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A search that has ended, in the working directory."""
    monkeypatch.setattr(gencsp.runs.search, "open_search", open_cheap_search)
    monkeypatch.chdir(tmp_path)
    done = RUNNER.invoke(app, [*ARGUMENTS, "--method", "random", "--budget", str(BUDGET)])
    assert done.exit_code == 0, done.output
    save_deck(SearchDeck(formula="LiSi2", atoms=3, seed=5, method="random", budget=BUDGET), RUN)


def damage(sql: str) -> None:
    with closing(sqlite3.connect(RUN / "run.db")) as db:
        db.execute(sql)
        db.commit()


def test_a_whole_run() -> None:
    before = (RUN / "run.db").read_bytes()
    done = RUNNER.invoke(app, ["check", str(RUN)])
    assert done.exit_code == 0, done.output
    (line,) = done.stdout.splitlines()
    assert line.endswith("structures are whole")
    assert (RUN / "run.db").read_bytes() == before


def test_what_is_whole_is_saved_and_goes_on_to_the_same_end() -> None:
    ranked = ase.io.read(RUN / "ranked.extxyz", ":")
    damage("UPDATE systems SET mass = mass + 1 WHERE id = (SELECT MAX(id) FROM systems)")
    for command in (
        [*ARGUMENTS, "--method", "random", "--budget", str(BUDGET)],
        ["resume", str(RUN)],
        ["status", str(RUN)],
    ):
        refused = RUNNER.invoke(app, command)
        assert refused.exit_code == 1
        (sentence,) = refused.stderr.strip().splitlines()
        assert f"gencsp: {RUN}/run.db is damaged (the structures of task" in sentence
        assert f"'gencsp check {RUN}/run.db' says which tasks are whole" in sentence
    found = RUNNER.invoke(app, ["check", str(RUN), "--recover", "saved"])
    assert found.exit_code == 1
    assert found.stdout.count("damaged: task") == 1
    assert "go on with: gencsp resume saved" in found.stdout
    assert RUNNER.invoke(app, ["check", "saved"]).exit_code == 0
    resumed = RUNNER.invoke(app, ["resume", "saved"])
    assert resumed.exit_code == 0, resumed.output
    again = ase.io.read("saved/ranked.extxyz", ":")
    assert [atoms.info for atoms in again] == [atoms.info for atoms in ranked]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(again, ranked, strict=True))


def test_search_tables_that_do_not_fit() -> None:
    damage("DELETE FROM text_key_values WHERE id = 1 AND key = 'stage'")
    found = RUNNER.invoke(app, ["check", str(RUN)])
    assert found.exit_code == 1
    assert "damaged: the tables in which 'ase db' searches do not hold" in found.stdout
    # ... in which no run searches
    assert RUNNER.invoke(app, ["resume", str(RUN)]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no run.db"), ("", "not a run of gencsp"), ("text" * 99, "can be read")],
)
def test_no_run(tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "run.db").write_text(content)
    found = RUNNER.invoke(app, ["check", "."])
    assert found.exit_code == 1
    (sentence,) = found.stderr.strip().splitlines()
    assert says in sentence


@pytest.mark.parametrize("text", ["[]", "7", "{}", '{"seed": 3}', "[" * 99999, "{", ""])
def test_a_deck_that_is_damaged(text: str) -> None:
    (RUN / "search.json").write_text(text)
    for command in ("resume", "status"):
        refused = RUNNER.invoke(app, [command, str(RUN)])
        assert refused.exit_code == 2
        (sentence,) = refused.stderr.strip().splitlines()
        assert "search" in sentence


def test_a_deck_that_was_changed_by_hand() -> None:
    assert saved_deck(RUN, budget=30).budget == 30
    kept = json.loads((RUN / "search.json").read_text())
    (RUN / "search.json").write_text(json.dumps({**kept, "budget": 13}))
    refused = RUNNER.invoke(app, ["resume", str(RUN)])
    assert refused.exit_code == 2
    assert "was changed since the run wrote it, or is damaged: repeat the command" in refused.stderr
