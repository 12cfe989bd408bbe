"""Suites as files: every one that ships is whole, and what is wrong in one's own is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from own_suite import SUITE, run_suite, write_suite
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import DeckError, RequestError, SuiteError
from gencsp.suites.deck import BenchDeck
from gencsp.suites.suite import Suite, suite_names
from gencsp.suites.tasks import TASKS, task_class


def settings_of(suite: Suite, **changes: Any) -> Any:
    return task_class(suite.task).settings_class.make(**{**suite.settings, **changes})


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_can_be_opened(name: str) -> None:
    suite = Suite.open(name)
    assert suite.task in TASKS
    assert suite.title
    assert suite.source
    assert suite.about.endswith(".")
    assert "\n" not in suite.title + suite.source
    settings_of(suite)
    settings_of(suite, **suite.quick)
    assert suite.quick, "--quick would be the whole suite"


@pytest.mark.parametrize("name", suite_names())
def test_published_rows_are_of_measures_that_the_suite_has(name: str) -> None:
    suite = Suite.open(name)
    measures = task_class(suite.task).measures_of(settings_of(suite))
    if measures is None:
        pytest.skip("only a run of this task knows its measures")
    names = {one.name for one in measures}
    for row in suite.published:
        assert row.source
        assert set(row.values) <= names, row.name
        shares = {one.name for one in measures if one.kind == "share"} & set(row.values)
        assert all(0 <= row.values[share] <= 1 for share in shares), row.name


def test_the_list_has_every_suite() -> None:
    listed = CliRunner().invoke(app, ["bench", "--list"])
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(suite_names())


def test_the_digest_is_of_all_that_the_file_says(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    before = Suite.read(suite).digest
    suite.write_text(SUITE + "\n# a comment\n")
    assert Suite.read(suite).digest == before
    suite.write_text(SUITE.replace("steps = 30", "steps = 31"))
    assert Suite.read(suite).digest != before


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ('source = "these tests"\n', "", DeckError, "lacks the key 'source'"),
        ("[settings]", "[setings]", DeckError, "unknown key 'setings'.*settings"),
        ("crystals = 2", "crystals = 0", DeckError, "truths.crystals"),
        ('task = "proposals"', 'task = "guesses"', SuiteError, "no task 'guesses'.*proposals"),
        ("steps = 30", "budget = 3", DeckError, "unknown key 'budget'"),
        ("k = [1, 3]", "k = [0]", DeckError, "'k"),
        ("steps = 30", 'matcher = "mine"', DeckError, "matcher.*pymatgen"),
        ("steps = 30", 'formulas = ["NaCl"]', SuiteError, "none of the crystals"),
        ("[truths]", "[truths", DeckError, "not TOML"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(
    tmp_path: Path, old: str, new: str, kind: type[Exception], said: str
) -> None:
    suite = write_suite(tmp_path, SUITE.replace(old, new))
    with pytest.raises(kind, match=said):
        run_suite(suite)


def test_a_wrong_setting_of_quick_is_said_when_it_counts(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, SUITE.replace("n = 1", "m = 1"))
    with pytest.raises(DeckError, match="unknown key 'm'"):
        run_suite(suite, quick=True)


def test_settings_behind_the_name_come_before_those_of_the_file_and_of_quick(
    tmp_path: Path,
) -> None:
    """They reach the task, the record and the command that it names."""
    suite = write_suite(tmp_path, SUITE)
    behind = ":n=2,k=[1, 2]"
    outcome = run_suite(suite, own=behind, quick=True, out=tmp_path / "run")
    kept = {k for k in range(1, 4) if f"matched, k = {k}, as proposed" in outcome.numbers()}
    assert kept == {1, 2}
    opened = Suite.open(f"{suite}{behind}")
    assert (opened.settings["n"], opened.settings["k"], opened.quick) == ("2", [1, 2], {})
    record = json.loads((tmp_path / "run" / "bench.json").read_text())
    assert json.loads(record["protocol"]["run"]["settings"])["n"] == 2
    assert record["protocol"]["suite"] == Path(suite).stem
    name = Path(suite).name
    assert f"gencsp bench '{name}:k=[1, 2],n=2'" in record["command"]
    with pytest.raises(DeckError, match="unknown key 'm'"):
        run_suite(suite, own=":m=2")
    with pytest.raises(RequestError, match="KEY=VALUE"):
        run_suite(suite, own=":n=2,k")


def test_the_folder_of_a_run_is_named_without_settings() -> None:
    deck = BenchDeck.make(suite="cspbench:n=2")
    assert (deck.suite_name, deck.folder) == ("cspbench", Path("runs/bench-cspbench"))
    own = BenchDeck.make(suite="folder/mine.toml:n=2")
    assert own.folder == Path("runs/bench-mine")


def test_a_suite_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(SuiteError, match=r"no suite 'cspbnch'.*cspbench.*TOML"):
        Suite.open("cspbnch")
    with pytest.raises(DeckError, match="cannot be read"):
        Suite.open("absent.toml")
    refused = CliRunner().invoke(app, ["bench", "cspbnch"])
    assert (refused.exit_code, "no suite 'cspbnch'" in refused.output) == (2, True)


def test_absent_crystals_are_said_with_where_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENCSP_TRUTHS", raising=False)
    refused = CliRunner().invoke(app, ["bench", "cspbench", "--proposer", "random"])
    said = " ".join(refused.output.split())
    assert refused.exit_code == 2
    assert "--truth" in said
    assert str(Suite.open("cspbench").truths.where) in said  # type: ignore[union-attr]
