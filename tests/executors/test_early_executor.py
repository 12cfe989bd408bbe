"""Workers that load before they are asked."""

from __future__ import annotations

import sys
import time

import pytest

from gencsp.errors import RequestError
from gencsp.executors.early import early_executor


def loaded(name: str) -> bool:
    return name in sys.modules


def test_the_first_worker_has_loaded_when_it_is_asked() -> None:
    with early_executor("local", workers=1, modules=("wave",)) as executor:
        assert executor is not None
        assert executor.submit(loaded, "wave").result()
        assert not executor.submit(loaded, "sndhdr").result()


def test_what_cannot_be_loaded_is_told_by_the_task_that_needs_it() -> None:
    with early_executor("local", workers=1, modules=("no.such.module",)) as executor:
        assert executor is not None
        assert executor.submit(abs, -2).result() == 2


def test_others_are_opened_when_they_are_needed() -> None:
    with early_executor("parsl:config.py", workers=1, modules=("wave",)) as executor:
        assert executor is None
    with early_executor({"name": "local"}, workers=1, modules=("wave",)) as executor:
        assert executor is None


def test_neither_the_end_nor_an_error_waits_for_what_is_under_way() -> None:
    begun = time.perf_counter()
    with early_executor("local", workers=1, modules=()) as executor:
        assert executor is not None
        executor.submit(abs, -1).result()
        executor.submit(time.sleep, 60)
    with pytest.raises(RuntimeError, match="the pool has ended"):
        executor.submit(abs, -1)
    assert time.perf_counter() - begun < 30


def test_an_error_does_not_wait_for_what_loads() -> None:
    with (
        pytest.raises(RequestError),
        early_executor("local", workers=2, modules=("gencsp.runs.search", "torch")),
    ):
        raise RequestError("no")
