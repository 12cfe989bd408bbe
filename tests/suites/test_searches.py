"""Suites of searches, with CHGNet and known crystals of a few atoms."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

from gencsp import records
from gencsp.api import search
from gencsp.errors import DeckError, PluginError, ProgramError, RequestError, SuiteError
from gencsp.io.structures import write_extxyz
from gencsp.proposers.base import Request
from gencsp.runs.relaxing import relax
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import bench, open_bench
from gencsp.suites.searchers import OwnSearcher, Step, moves_without_model
from gencsp.suites.suite import Suite
from gencsp.suites.tasks import task_class
from gencsp.suites.tasks.searches import ABOVE, KNOWN_OR_LOWER, RELAXATIONS, SECONDS, within
from gencsp.suites.truths import named

pytestmark = pytest.mark.usefixtures("in_this_process")

SUITE = """
title = "Little searches"
task = "searches"
source = "here"
about = "nothing"

[truths]
file = "little.extxyz"
crystals = 2
where = "in this test"

[settings]
budget = {budget}
marks = [1, 3]
steps = {steps}
"""

ROCK_SALT = bulk("NaCl", "rocksalt", a=5.64)
#: Of the same composition, and higher by CHGNet.
CAESIUM_CHLORIDE = bulk("NaCl", "cesiumchloride", a=3.45)
RUTILE: Atoms = crystal(
    ["Ti", "O"],
    [(0, 0, 0), (0.305, 0.305, 0)],
    spacegroup=136,
    cellpar=[4.59, 4.59, 2.96, 90, 90, 90],
)


def of_a_file(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
    """Rock salt and rutile, slightly displaced, whatever is known of the composition."""
    for known in (ROCK_SALT, RUTILE):
        if Counter(known.symbols) == {
            element: n * request.units[0] for element, n in request.composition.counts
        }:
            for _ in range(request.n):
                made = Atoms(known.numbers, known.positions, cell=known.cell, pbc=True)
                made.rattle(0.01, rng=rng)
                yield made


def broken(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG001
    raise KeyError("no such thing")


def slow(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
    time.sleep(0.3)
    yield from of_a_file(request, rng=rng)


def of_others(request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG001
    for _ in range(request.n):
        yield bulk("MgO", "rocksalt", a=4.21)


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Writes a suite with its known crystals; returns both as settings."""

    def write(*known: Atoms, budget: int = 3, steps: int = 200) -> dict[str, Any]:
        (tmp_path / "little.toml").write_text(SUITE.format(budget=budget, steps=steps))
        truth = write_extxyz(tmp_path / "little.extxyz", list(known))
        return {"suite": str(tmp_path / "little.toml"), "truth": truth, "workers": 1}

    return write


def values(outcome: Outcome) -> list[tuple[str, int, dict[str, float | None]]]:
    """All that must be the same whenever and wherever it is run."""
    return [
        (row.key, row.seed, {k: v for k, v in row.values.items() if k != SECONDS})
        for row in outcome.rows
    ]


def test_found_after_one_relaxation_where_the_seeds_hold_it(
    suite: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    outcome = bench(**suite(ROCK_SALT, RUTILE), proposer=of_a_file, out=tmp_path / "run")
    for row in outcome.rows:
        assert row.values[within(1)] == row.values[KNOWN_OR_LOWER] == 1.0
        assert row.values[RELAXATIONS] == 1
        assert 0 < (row.values[SECONDS] or 0) < 60
        assert row.values[ABOVE] == pytest.approx(0, abs=2e-3)
    assert outcome.numbers()[within(1)]["value"] == 1.0
    assert outcome.numbers()[RELAXATIONS]["value"] == 1
    with open_bench(BenchDeck.make(**suite(ROCK_SALT, RUTILE), proposer=of_a_file,
                                   out=tmp_path / "run")) as run:  # fmt: skip
        kept = run.store.load()
    (best,) = kept["ClNa-1-seed0"].structures
    assert best.info[records.RELAXATIONS] == best.info[records.FOUND_AFTER] == 1
    assert best.info[records.RMS_TO_KNOWN] < 0.05
    assert records.LOWER_AFTER not in best.info
    (alone,) = relax(ROCK_SALT, keep_symmetry=True)
    above = best.info[records.ENERGY_PER_ATOM] - alone.energy_per_atom
    assert best.info[records.ENERGY_ABOVE_KNOWN] == pytest.approx(above, abs=1e-6)


def test_one_random_trial_does_not_find_rutile_and_counts(
    suite: Callable[..., dict[str, Any]],
) -> None:
    outcome = bench(**suite(RUTILE, budget=1), proposer="none")
    (row,) = outcome.rows
    assert row.values[within(1)] == row.values[KNOWN_OR_LOWER] == 0.0
    assert row.values[RELAXATIONS] is row.values[SECONDS] is None
    found = outcome.numbers()
    assert found[within(1)]["value"] == 0.0
    assert found[RELAXATIONS]["value"] is None
    assert found[RELAXATIONS]["n"] == 1


@pytest.mark.parametrize("method", ["random", "genetic"])
def test_an_unseeded_search_is_that_of_gencsp_search(
    method: str, suite: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    settings = suite(RUTILE, budget=4)
    bench(**settings, proposer="none", method=method, seeds=2, out=tmp_path / "run")
    found = search(
        "TiO2", method=method, formula_units=2, atoms=6, seeds=(), budget=4, seed=1, hull="none",
        workers=1, moves=moves_without_model(method),
    )  # fmt: skip
    with open_bench(BenchDeck.make(**settings, proposer="none", method=method, seeds=2,
                                   out=tmp_path / "run")) as run:  # fmt: skip
        best = next(
            one.structures[0] for name, one in run.store.load().items() if name.endswith("seed1")
        )
        assert run.manifest["proposer"] == "none"
        assert run.manifest["method"] == method
    energy = found[0].info[records.ENERGY_PER_ATOM]
    assert best.info[records.ENERGY_PER_ATOM] == pytest.approx(energy, abs=1e-9)
    assert best.info[records.RELAXATIONS] <= 4


def test_a_lower_structure_counts_as_lower_and_not_as_found(
    suite: Callable[..., dict[str, Any]],
) -> None:
    outcome = bench(**suite(CAESIUM_CHLORIDE, budget=1), proposer=of_a_file)
    (row,) = outcome.rows
    assert row.values[within(1)] == 0.0
    assert row.values[KNOWN_OR_LOWER] == 1.0
    assert row.values[RELAXATIONS] is None
    rock_salt, caesium = sorted(
        relax([ROCK_SALT, CAESIUM_CHLORIDE], keep_symmetry=True), key=lambda one: one.index
    )
    gap = rock_salt.energy_per_atom - caesium.energy_per_atom
    assert row.values[ABOVE] == pytest.approx(gap, abs=2e-3)
    assert gap < -0.05


def test_a_search_in_which_nothing_relaxes_counts(suite: Callable[..., dict[str, Any]]) -> None:
    outcome = bench(**suite(RUTILE, ROCK_SALT, steps=0), proposer="none")
    assert len(outcome.rows) == 2
    for row in outcome.rows:
        assert row.values[within(3)] == row.values[KNOWN_OR_LOWER] == 0.0
        assert row.values[RELAXATIONS] is None
        assert ABOVE not in row.values
    assert outcome.failures["known crystal does not relax"] == 2
    assert outcome.numbers()[within(3)] == pytest.approx(
        {"value": 0.0, "low": 0.0, "high": outcome.numbers()[within(3)]["high"], "n": 2}
    )


def test_the_same_on_one_and_two_workers(
    suite: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gencsp.executors import LocalProcesses
    from gencsp.executors import named as by_name

    settings = {**suite(ROCK_SALT, RUTILE, budget=3), "proposer": "none", "method": "hop"}
    alone = bench(**settings)
    monkeypatch.setattr(by_name, "LocalProcesses", LocalProcesses)
    assert values(bench(**{**settings, "workers": 2})) == values(alone)


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    suite: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    settings = {**suite(ROCK_SALT, RUTILE), "proposer": "none", "seeds": 2}
    whole = bench(**settings)
    deck = BenchDeck.make(**settings, out=tmp_path / "run")
    with open_bench(deck) as run:
        for step in run.irun():
            if step.done == 1:
                break
        before = run.store.tasks()
    assert 1 <= len(before) < 4
    with open_bench(deck) as run:
        kept = {name: run.store.get(name) for name in before}
        *_, last = run.irun()
        assert last.done == last.total == 4
        assert values(run.outcome()) == values(whole)
        # What was finished was not run again: processor seconds never repeat.
        for name, finished in kept.items():
            assert finished is not None
            again = run.store.get(name)
            assert again is not None
            assert [one.info for one in again.structures] == [
                one.info for one in finished.structures
            ]


def test_seconds_are_those_of_the_trials_so_far_alone() -> None:
    """A search carries out eight trials ahead; they count when their results are looked at."""
    searcher = OwnSearcher(settings={"seeds": (), "budget": 6}, limit=None)
    (known,) = named([ROCK_SALT])
    steps: list[Step] = list(searcher.steps(known, seed=0, failures=Counter()))
    ahead = [-step.elsewhere for step in steps]
    assert [step.relaxations for step in steps] == [1, 2, 3, 4, 5, 6]
    assert ahead == sorted(ahead, reverse=True)
    assert ahead[0] > ahead[-1] == 0


def test_moves_with_the_score_model_are_left_out() -> None:
    moves = moves_without_model("hop:walkers=2")
    assert moves is not None
    assert moves == moves_without_model("basin-hopping")
    assert "rattle" in moves
    assert {"renoise", "repaint"}.isdisjoint(moves)
    assert moves_without_model("random") is None


def test_what_a_proposer_does_wrong(suite: Callable[..., dict[str, Any]]) -> None:
    settings = suite(ROCK_SALT, budget=2)
    with pytest.raises(PluginError, match="'broken' failed on NaCl"):
        bench(**settings, proposer=broken)
    late = bench(**settings, proposer=slow, time_limit=0.1)
    assert sum(n for why, n in late.failures.items() if "out of time" in why) > 0
    others = bench(**settings, proposer=of_others)
    assert sum(n for why, n in others.failures.items() if "composition" in why) > 0


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"method": "guessing"}, RequestError, "no method 'guessing'"),
        ({"method": "random:shakes=-1"}, DeckError, "shakes"),
        ({"proposer": "oracle"}, RequestError, "oracle"),
        ({"method": "cryspy-rs"}, DeckError, "environment"),
        ({"method": "cryspy-rs:/nowhere/at/all"}, ProgramError, "install csp-cryspy"),
        ({"method": "cryspy-ea:/nowhere", "proposer": "mixed"}, SuiteError, "leave out --proposer"),
    ],
)
def test_what_cannot_be_searched_with(
    changes: dict[str, Any],
    error: type[Exception],
    says: str,
    suite: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=says):
        bench(**suite(ROCK_SALT), **changes, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["search", "diffcsp15", "diffcsp15-search", "shotguncsp",
                                  "shotguncsp-search"])  # fmt: skip
def test_settings_and_published_rows_of_the_suites(name: str, tmp_path: Path) -> None:
    found = Suite.open(name)
    kind = task_class(found.task)
    truth = write_extxyz(tmp_path / "some.extxyz", [ROCK_SALT, RUTILE])
    deck = BenchDeck.make(suite=name, truth=truth, proposer="random")
    task = kind.open(found, deck, kind.settings_class.make(**found.settings))
    kind.settings_class.make(**{**found.settings, **found.quick})
    settings = kind.settings_class.make(**found.settings)
    measures = {one.name for one in task.measures_of(settings) or ()}
    assert found.quick
    for row in found.published:
        assert set(row.values) <= measures
        assert all(0 < value <= 1 for value in row.values.values())


def test_folders_do_not_clash() -> None:
    def folder(**settings: Any) -> str:
        return BenchDeck.make(suite="search", **settings).folder.name

    assert folder() == "bench-search"
    assert folder(proposer="none", method="hop:walkers=4", quick=True) == (
        "bench-search-quick-none-hop"
    )
