"""Local executors: the calling process, or worker processes of one thread each.

Nothing heavy is imported here: a worker must limit its threads before NumPy and torch load.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ThisProcess(Executor):
    """Runs each task at once, in the calling process: for one worker, and for tests."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands every error to its future
            future.set_exception(error)
        return future


class LocalProcesses(ProcessPoolExecutor):
    """Worker processes, each with one thread, that end with the process that made them.

    Workers start fresh ("spawn"), so that they share nothing with the caller, and load models
    once. Left by an exception (Ctrl-C among them), the pool drops the tasks that wait and ends
    its workers at once; a task must therefore leave nothing behind but its result.

    Args:
        workers: how many processes.
    """

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        # The workers read from this pipe; nothing is ever sent. It closes when the caller says
        # so or dies, however it dies, and the workers see that.
        watched, self._lifeline = context.Pipe(duplex=False)
        super().__init__(
            workers, mp_context=context, initializer=_prepare_worker, initargs=(watched,)
        )

    def abandon(self) -> None:
        """End the workers at once and drop what they had not finished."""
        self._lifeline.close()
        self.shutdown(wait=False, cancel_futures=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            super().__exit__(kind, error, traceback)
        else:
            self.abandon()


def one_thread() -> None:
    """Keep numerical libraries of this process to one thread each.

    Sums then run in the same order everywhere, which is what makes a run the same on any number
    of workers. What is already loaded is told, what is not yet loaded will read the environment.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _prepare_worker(lifeline: Connection) -> None:
    one_thread()
    # Ctrl-C reaches the whole process group: what it means is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
