"""The errors by which executors report lost workers."""

from __future__ import annotations

import sys
from concurrent.futures import BrokenExecutor, CancelledError

#: Where the packages that may not be installed define theirs.
_THEIRS = (
    ("distributed.scheduler", "KilledWorker"),
    ("distributed.comm.core", "CommClosedError"),
    ("parsl.executors.errors", "BadStateException"),
    ("parsl.executors.high_throughput.errors", "ManagerLost"),
    ("parsl.executors.high_throughput.errors", "WorkerLost"),
)


def lost_errors() -> tuple[type[BaseException], ...]:
    """Errors of a future that mean a fault of the executor and not of the task.

    Packages that are not loaded yet are ignored.
    """
    found: list[type[BaseException]] = [BrokenExecutor, CancelledError]
    for module, name in _THEIRS:
        error = getattr(sys.modules.get(module), name, None)
        if isinstance(error, type) and issubclass(error, BaseException):
            found.append(error)
    return tuple(found)
