"""One thread for each test process: tests run side by side, and sums keep their order.

That this file is here also lets every test import the helpers beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Where CI is set the same examples are drawn every time, so that a failure there is one of the
# change and not of the draw; everywhere else new ones are tried at every run.
# How long draws and a test take says nothing on a machine with other work.
ANY_TIME: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, **ANY_TIME)
settings.register_profile("busy", **ANY_TIME)
settings.load_profile("steady" if os.environ.get("CI") else "busy")


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests start, and what they keep, is elsewhere than what the user does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def dp_cdvae_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small DP-CDVAE, for all tests that only need some."""
    from tiny_dp_cdvae import write_tiny_dp_cdvae

    return write_tiny_dp_cdvae(tmp_path_factory.mktemp("weights") / "dp-cdvae.safetensors")


@contextmanager
def _workers_in_this_process() -> Iterator[None]:
    from gencsp.executors import ThisProcess, named

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named, "LocalProcesses", lambda workers: ThisProcess())  # noqa: ARG005
        yield


@pytest.fixture
def in_this_process() -> Iterator[None]:
    """Runs that start local workers do their tasks in the test's own process.

    For tests of what a command computes and says. A worker takes seconds to start, and that workers
    change nothing is tested elsewhere (``tests/searches``, ``tests/executors``).
    """
    with _workers_in_this_process():
        yield


@pytest.fixture(scope="module")
def module_in_this_process() -> Iterator[None]:
    """As ``in_this_process``, for all tests of a module and for fixtures that they share."""
    with _workers_in_this_process():
        yield


@pytest.fixture
def empty_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that a test does not look at are empty files: drawing one takes half a second."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "draw_without_rendering", lambda _: None)
    monkeypatch.setattr(Figure, "savefig", lambda _, file, **__: Path(file).touch())
