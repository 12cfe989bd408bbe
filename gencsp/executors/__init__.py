"""Where tasks run, any ``concurrent.futures.Executor``; and on which device models do."""

from __future__ import annotations

from gencsp.executors.local import LocalProcesses, ThisProcess, one_thread

__all__ = ["LocalProcesses", "ThisProcess", "one_thread"]
