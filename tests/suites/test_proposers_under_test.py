"""Proposers that fail, hang or make something else; runs that stop, and folders of others."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from own_suite import SUITE, rows_of, run_suite, write_suite
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import PluginError, PotentialError, RequestError, StoreError
from gencsp.executors import ThisProcess, named
from gencsp.suites.deck import BenchDeck
from gencsp.suites.run import RESULT, open_bench
from gencsp.suites.tasks.proposing import propose_and_match

SHORT = SUITE.replace("steps = 30", "steps = 30\nrelaxed = false")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path)


@pytest.mark.usefixtures("in_this_process")
def test_a_proposer_of_a_file_and_a_calculator_by_name(suite: Path) -> None:
    outcome = run_suite(suite)
    numbers = outcome.numbers()
    assert numbers["matched, k = 1, as proposed"]["value"] == 1
    assert numbers["matched, k = 1, relaxed, by energy"]["value"] == 1
    assert {row.key for row in outcome.rows} == {"Cu-1", "AuCu-1"}


@pytest.mark.usefixtures("in_this_process")
def test_one_that_fails_ends_the_run_and_says_where(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"'raises' failed on \w+ .*no such layer.*go on"):
        run_suite(suite, "raises", out=tmp_path / "out")
    assert not (tmp_path / "out" / RESULT).exists()
    with pytest.raises(RequestError, match="has no 'absent'"):
        run_suite(suite, "absent")
    with pytest.raises(PotentialError):
        run_suite(suite, potential="ase.calculators.emt:Absent")


@pytest.mark.usefixtures("in_this_process")
def test_structures_of_other_compositions_are_counted_and_left_out(tmp_path: Path) -> None:
    """Of three one is right, one is nickel, and one has two formula units in place of one."""
    outcome = run_suite(write_suite(tmp_path, SHORT), "OfOthers", out=tmp_path / "out")
    assert outcome.failures["proposal rejected: wrong composition"] == 4
    assert outcome.failures["proposer gave up"] == 4
    assert outcome.numbers()["matched, k = 3, as proposed"]["value"] == 1


@pytest.mark.usefixtures("in_this_process")
def test_one_that_hangs_loses_what_is_late(tmp_path: Path) -> None:
    begun = time.perf_counter()
    outcome = run_suite(write_suite(tmp_path, SHORT), "Hangs", time_limit=0.3, seeds=2)
    assert time.perf_counter() - begun < 20
    assert outcome.failures["proposal rejected: out of time"] == 2 * 2 * 2
    assert outcome.numbers()["matched, k = 1, as proposed"]["value"] == 1


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_of_another_run_is_refused(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_suite(suite, out=out)
    for changes in ({"potential": "ase.calculators.lj:LennardJones"}, {"quick": True}):
        with pytest.raises(StoreError):
            run_suite(suite, out=out, **changes)
    with pytest.raises(StoreError):
        run_suite(suite, "shaken", out=out)
    assert rows_of(run_suite(suite, out=out)) == rows_of(first)
    models = suite.parent / "models.py"
    models.write_text(models.read_text().replace("0.02", "0.03"))
    with pytest.raises(StoreError):
        run_suite(suite, out=out)


@pytest.mark.usefixtures("in_this_process")
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_suite(suite, "shaken", seeds=2, out=tmp_path / "whole")
    deck = BenchDeck.make(
        suite=str(suite),
        truth=suite.parent / "two_metals.extxyz",
        proposer=f"{suite.parent / 'models.py'}:shaken",
        potential="ase.calculators.emt:EMT",
        seeds=2,
        workers=1,
        out=tmp_path / "parts",
    )
    with open_bench(deck) as opened:
        steps = opened.irun()
        assert [step.done for step in islice(steps, 2)] == [0, 1]
        steps.close()  # type: ignore[attr-defined]
    again: list[str] = []
    monkeypatch.setattr(
        "gencsp.suites.tasks.proposals.propose_and_match", _watched(propose_and_match, again)
    )
    rest = run_suite(suite, "shaken", seeds=2, out=tmp_path / "parts")
    assert rows_of(rest) == rows_of(whole)
    assert len(again) == len(set(again)) < 4


def _watched(call: Any, seen: list[str]) -> Any:
    def watched(how: Any, crystal: Any, *, seed: int) -> Any:
        seen.append(f"{crystal.key} {seed}")
        return call(how, crystal, seed=seed)

    return watched


def test_workers_change_nothing(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own, where the proposer is loaded from its file again."""
    both = run_suite(suite, "shaken", workers=2, out=tmp_path / "two")
    monkeypatch.setattr(named, "LocalProcesses", lambda _: ThisProcess())
    alone = run_suite(suite, "shaken", out=tmp_path / "one")
    assert rows_of(alone) == rows_of(both)
    assert alone.failures == both.failures


@pytest.mark.usefixtures("in_this_process", "suite")
def test_the_command_says_the_numbers_and_writes_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENCSP_TRUTHS", str(tmp_path))
    words = ["--proposer", "models.py:right", "--potential", "ase.calculators.emt:EMT"]
    done = CliRunner().invoke(app, ["bench", "metals.toml", *words, "--workers", "1", "--quick"])
    assert done.exit_code == 0, done.output
    assert "matched, k = 1, as proposed" in done.stdout
    assert "100.0 %" in done.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("bench-metals-quick-models.py")
    record = json.loads((folder / RESULT).read_text())
    assert record["protocol"]["suite"] == "metals"
    assert record["protocol"]["run"]["proposer_name"] == "right"
    assert record["results"]["better"]["processor seconds of a proposal"] == "lower"
    assert record["command"].startswith("gencsp bench metals.toml --proposer models.py:right")
