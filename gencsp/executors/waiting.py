"""Waits that Ctrl-C ends.

A signal that arrives just before Python begins to wait for a lock does not wake it up: what the
signal asks for is done only once the lock is free (CPython looks for signals between instructions,
and the system call that waits begins after the last look). So whoever waits for a task, which may
take hours, looks up now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which a wait looks for signals.
GLANCE = 0.2


class WaitedFor(Future[T]):
    """A future whose wait without a limit is ended by a signal at any moment."""

    def result(self, timeout: float | None = None) -> T:
        """See :meth:`concurrent.futures.Future.result`."""
        if timeout is None:
            wait_for_one([self])
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See :meth:`concurrent.futures.Future.exception`."""
        if timeout is None:
            wait_for_one([self])
        return super().exception(timeout)


def wait_for_one(futures: Collection[Future[T]], seconds: float | None = None) -> set[Future[T]]:
    """The futures that are done, as soon as there is one.

    Args:
        futures: at least one.
        seconds: wait no longer than about this, and then return none; ``None`` for no limit.
    """
    left = float("inf") if seconds is None else seconds
    while True:
        done, _ = wait(futures, timeout=max(0.0, min(left, GLANCE)), return_when=FIRST_COMPLETED)
        left -= GLANCE
        if done or left <= 0:
            return done


def wait_for_end(thread: threading.Thread) -> None:
    """Wait until a thread has ended."""
    while thread.is_alive():
        thread.join(GLANCE)
