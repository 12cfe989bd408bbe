"""How fast a run goes, told from the times at which its structures were stored."""

from __future__ import annotations

import time
from math import isnan
from pathlib import Path

import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from gencsp.runs.status import PAUSE, Pace
from gencsp.store.base import Finished
from gencsp.store.digests import read_times
from gencsp.store.disk import DATABASE, DiskStore

Gaps = st.lists(st.floats(0.5, PAUSE - 1), min_size=1, max_size=20)


@given(Gaps, st.floats(PAUSE + 1, 1e6), Gaps)
def test_the_pace_is_that_since_the_last_pause(
    before: list[float], pause: float, after: list[float]
) -> None:
    times = [1.8e9]
    for gap in [*before, pause, *after]:
        times.append(times[-1] + gap)
    pace = Pace.of(reversed(times))
    assert pace.last == times[-1]
    assert pace.per_minute == pytest.approx(60 * len(after) / sum(after), rel=1e-4)


def test_one_result_tells_no_pace_and_none_no_time() -> None:
    assert isnan(Pace.of([5.0]).per_minute)
    assert isnan(Pace.of([5.0, 5.0]).per_minute)
    assert Pace.of([5.0]).last == 5.0
    assert isnan(Pace.of([]).last)


def test_a_store_knows_when_its_structures_came(tmp_path: Path) -> None:
    before = time.time()
    with DiskStore(tmp_path, {"seed": 1}) as store:
        store.finish("trial-0", Finished(structures=(bulk("Cu"), bulk("Ag")), failures={}))
    times = read_times(tmp_path / DATABASE)
    assert list(times) == [1, 2]
    # ASE keeps years in double precision: some microseconds.
    assert all(before - 0.1 <= stored <= time.time() + 0.1 for stored in times.values())
