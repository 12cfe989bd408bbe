"""Simulated searches against schedules that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from cheap_parts import CheapProposerMaker, CheapRelaxerMaker
from cheap_search import SETTINGS
from hypothesis import given, settings
from hypothesis import strategies as st

from gencsp.errors import RequestError
from gencsp.searches.moves import Tools, get_move
from gencsp.searches.settings import SearchSettings
from gencsp.searches.simulated import SimulatedRun, TaskTimes, simulate, source_of
from gencsp.searches.starts import ProposerStarts
from gencsp.searches.worker import TrialContext

MOVES = {"rattle": get_move("rattle")}


def simulated(
    times: TaskTimes, *, trials: int, workers: int, search: SearchSettings = SETTINGS
) -> SimulatedRun:
    return simulate(
        times,
        search,
        trials=trials,
        workers=workers,
        context=TrialContext(
            seed=0, space=SETTINGS.space, relaxer=CheapRelaxerMaker(None), tools=Tools()
        ),
        moves=MOVES,
        background=ProposerStarts(name="other", make=CheapProposerMaker(None)),
    )


def moved(*trials: float, main: float = 0.0, start: float = 0.0, latency: float = 0.0) -> TaskTimes:
    """Trials without proposals."""
    return TaskTimes(trials=trials, moves=("rattle",), main=main, start=start, latency=latency)


def test_one_worker_does_one_task_after_another() -> None:
    run = simulated(moved(0.5, start=3.0), trials=100, workers=1)
    assert run.seconds == pytest.approx(3.0 + 100 * 0.5)
    assert run.trials_per_second == pytest.approx(2.0)
    assert run.busy == pytest.approx(1.0)
    # One block of proposals is begun in case it is needed.
    assert run.tasks_per_second == pytest.approx(2.0 * 101 / 100)


def test_workers_share_the_work_and_what_they_wait_for_is_the_start() -> None:
    search = replace(SETTINGS, ahead=16)
    run = simulated(moved(0.5, start=3.0), trials=160, workers=4, search=search)
    assert run.seconds == pytest.approx(3.0 + 160 / 4 * 0.5)
    assert run.trials_per_second == pytest.approx(8.0, rel=0.05)


def test_no_more_trials_run_at_once_than_ahead_allows() -> None:
    run = simulated(moved(0.5), trials=60, workers=8, search=replace(SETTINGS, ahead=2))
    assert run.seconds == pytest.approx(60 / 2 * 0.5)
    assert run.busy == pytest.approx(2 / 8, rel=0.05)


def test_the_loop_is_a_limit_whatever_the_workers() -> None:
    search = replace(SETTINGS, ahead=256)
    run = simulated(moved(0.1, main=0.01), trials=50_000, workers=64, search=search)
    assert run.trials_per_second == pytest.approx(100, rel=0.01)
    assert run.main_busy == pytest.approx(1.0, rel=0.01)
    assert run.busy == pytest.approx(100 * 0.1 / 64, rel=0.02)
    # Most of these trials were not simulated: their time follows from the rate.
    assert run.seconds == pytest.approx(500, rel=0.01)


def test_one_trial_at_a_time_waits_for_both_messages_and_the_loop() -> None:
    search = replace(SETTINGS, ahead=1)
    run = simulated(moved(0.5, main=0.1, latency=0.2), trials=50, workers=4, search=search)
    assert run.seconds == pytest.approx(50 * (0.2 + 0.5 + 0.2 + 0.1))


def test_a_batch_is_one_task() -> None:
    search = replace(SETTINGS, ahead=16, batch=4)
    run = simulated(moved(0.8), trials=400, workers=2, search=search)
    assert run.seconds == pytest.approx(400 / 4 * 0.8 / 2)
    assert run.tasks_per_second == pytest.approx(run.trials_per_second * 101 / 400)


def test_results_are_judged_in_the_order_of_the_trials() -> None:
    """Many workers and few trials ahead: each window waits for its longest trial."""
    times = moved(*[0.1] * 9, 2.0)
    narrow = simulated(times, trials=2000, workers=8, search=replace(SETTINGS, ahead=8))
    wide = simulated(times, trials=2000, workers=8, search=replace(SETTINGS, ahead=80))
    assert narrow.busy < 0.7 < 0.9 < wide.busy


def test_proposals_keep_up_with_many_workers() -> None:
    """A quarter of the work is proposals, in blocks of 3: two blocks at once would feed few."""
    times = TaskTimes(trials=(0.3,), moves=("random",), proposals={"other": 0.1}, main=0.0)
    run = simulated(times, trials=4000, workers=32, search=replace(SETTINGS, ahead=128))
    assert run.busy > 0.9
    assert run.trials_per_second == pytest.approx(32 / 0.4, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    trials=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=6),
    main=st.floats(0.0, 0.2),
    workers=st.integers(1, 9),
    ahead=st.integers(1, 40),
    n=st.integers(1, 120),
)
def test_no_run_is_faster_than_its_workers_or_its_loop(
    trials: list[float], main: float, workers: int, ahead: int, n: int
) -> None:
    run = simulated(
        moved(*trials, main=main), trials=n, workers=workers, search=replace(SETTINGS, ahead=ahead)
    )
    at_once = min(workers, ahead)
    assert run.seconds >= max(n * main, ceil(n / at_once) * min(trials)) * (1 - 1e-9)
    # Never idle for longer than the longest trial takes, and the loop, for each trial.
    assert run.seconds <= n * (max(trials) + main) * (1 + 1e-9)
    assert 0 < run.busy <= 1
    assert 0 <= run.main_busy <= 1


def test_the_same_seed_gives_the_same_run() -> None:
    times = moved(0.1, 0.7, 0.3, main=0.01)
    assert simulated(times, trials=300, workers=3) == simulated(times, trials=300, workers=3)


def test_names_of_blocks_and_trials() -> None:
    assert source_of("generated-two-parts-00012") == "two-parts"
    assert source_of("trial-000012") == ""


def test_without_times_there_is_nothing_to_simulate() -> None:
    with pytest.raises(RequestError, match="more trials"):
        TaskTimes(trials=(), moves=("rattle",), main=0.0)
    with pytest.raises(RequestError):
        TaskTimes(trials=(0.1,), moves=("rattle",), main=-1.0)
