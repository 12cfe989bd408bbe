"""What a search would take: its first trials timed, many workers simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.errors import CompositionError, RequestError
from gencsp.runs.decks import SearchDeck
from gencsp.runs.estimating import BUSY, Estimate
from gencsp.runs.trial_times import peak_memory

SAMPLE = 32


@pytest.fixture(scope="module")
def found(module_in_this_process: None) -> Estimate:  # noqa: ARG001
    return gencsp.estimate(
        "NaCl", on=(1, 4, 64), sample=SAMPLE, price=0.5, atoms=4, seeds=(), budget=5000
    )


def test_the_trials_are_timed(found: Estimate) -> None:
    measured = found.measured
    assert measured.trials == SAMPLE
    times = measured.times
    assert len(times.trials) == SAMPLE - 1  # the first one loads what others find there
    assert all(0 < seconds < 20 for seconds in times.trials)
    assert len(times.moves) == SAMPLE
    assert set(times.moves) == {"random"}
    assert set(times.proposals) == {"random"}
    assert 0 < times.proposals["random"] < 1
    assert 0 < times.start < 60
    assert measured.sent > 500
    assert measured.received > 500
    # A row of the database holds forces, positions and provenance.
    assert 1000 < measured.stored < 100_000
    assert measured.main_memory == pytest.approx(peak_memory(), rel=0.5)


def test_a_run_on_one_worker_takes_the_time_of_its_tasks(found: Estimate) -> None:
    one = found.runs[0]
    assert (one.workers, one.searches) == (1, 1)
    times = found.measured.times
    each = sum(times.trials) / len(times.trials) + times.proposals["random"]
    assert one.seconds == pytest.approx(times.start + 5000 * each, rel=0.15)
    assert one.run.busy > BUSY


def test_more_workers_take_less_time_and_hours_are_paid_for_all_of_them(found: Estimate) -> None:
    by_workers = {run.workers: run for run in found.runs if run.searches == 1}
    assert set(by_workers) == {1, 4, 64}
    assert by_workers[1].seconds > by_workers[4].seconds
    assert by_workers[4].run.ahead == 16
    for run in found.runs:
        cores = run.searches * (run.run.workers + 1)
        assert run.core_hours == pytest.approx(cores * run.seconds / 3600)
        assert run.cost == pytest.approx(0.5 * run.core_hours)
        assert run.stored == pytest.approx(5000 * found.measured.stored)
        assert run.seconds >= 5000 / run.searches * found.measured.times.main


def test_where_one_search_cannot_feed_its_workers_several_can(found: Estimate) -> None:
    """A trial costs the loop about a tenth of its worker's time: not 64 of them can be fed."""
    alone, *several = [run for run in found.runs if run.workers == 64]
    assert alone.run.busy < BUSY
    (several_runs,) = several
    assert several_runs.searches > 1
    assert several_runs.run.busy > alone.run.busy
    assert several_runs.seconds < alone.seconds


def test_inputs_are_checked_before_anything_runs() -> None:
    with pytest.raises(RequestError, match="24 or more"):
        gencsp.estimate("NaCl", sample=5)
    with pytest.raises(RequestError):
        gencsp.estimate("NaCl", on=(0,))
    with pytest.raises(RequestError):
        gencsp.estimate("NaCl", price=-1.0)
    with pytest.raises(CompositionError):
        gencsp.estimate("Xx2")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, found: Estimate) -> Any:
    """The command, whose trials were timed before; and what it handed over."""
    handed: dict[str, Any] = {}

    def timed(deck: SearchDeck, **settings: Any) -> Estimate:
        handed.update(settings, deck=deck)
        return found

    monkeypatch.setattr("gencsp.runs.estimating.estimate", timed)

    def run(*words: str) -> tuple[str, dict[str, Any]]:
        result = CliRunner().invoke(app, ["estimate", *words])
        assert result.exit_code == 0, result.output
        return result.stdout, handed

    return run


def test_the_command_prints_a_line_for_each_run(command: Any, found: Estimate) -> None:
    said, handed = command("NaCl", "--budget", "5000", "--on", "1,4,64", "--price", "0.5")
    assert handed["deck"].formula == "NaCl"
    assert handed["deck"].budget == 5000
    assert handed["on"] == [1, 4, 64]
    assert handed["price"] == 0.5
    lines = said.splitlines()
    title = next(k for k, line in enumerate(lines) if line.split()[:2] == ["workers", "searches"])
    rows = [line.split() for line in lines[title + 1 : title + 1 + len(found.runs)]]
    assert [(int(row[0]), int(row[1])) for row in rows] == [
        (run.workers, run.searches) for run in found.runs
    ]
    assert [row[-1] for row in rows] == [f"{run.cost:.2f}" for run in found.runs]
    assert f"{SAMPLE} trials on this machine" in said
    assert "--seed" in said


def test_a_document_holds_the_times(command: Any, found: Estimate) -> None:
    said, _ = command("NaCl", "--json")
    document = json.loads(said)
    assert document["measured"]["seconds_of_trial_tasks"] == list(found.measured.times.trials)
    assert document["trials"] == 5000


def test_numbers_of_workers_must_be_numbers() -> None:
    result = CliRunner().invoke(app, ["estimate", "NaCl", "--on", "many"])
    assert result.exit_code != 0
    assert isinstance(result.exception, RequestError | SystemExit)


def test_nothing_is_left_behind(found: Estimate, tmp_path: Path) -> None:  # noqa: ARG001
    assert not (Path("runs") / "NaCl-random-0").exists()
