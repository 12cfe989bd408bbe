"""Local executors: the calling process, or worker processes of one thread each.

Nothing heavy is imported here: a worker must limit its threads before NumPy and torch load.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from gencsp.deck import Workers, check
from gencsp.errors import ExecutorError
from gencsp.executors.waiting import WaitedFor, wait_for_end

P = ParamSpec("P")
T = TypeVar("T")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Workers that may die over one task before it is given up.
DEATHS = 3

#: Signals that ask the program to end. They are for the thread that waits for the results.
_ENDING = (signal.SIGINT, signal.SIGTERM)
#: Begins the names of workers, by which a worker knows itself before it has begun to work.
_NAME = "gencsp worker"
#: Exit status of a worker that ran the script of its parent again, for lack of a guard.
_NO_GUARD = 79


class WorkerLost(BrokenExecutor):
    """Every worker that ran a task died, or the pool was closed while the task ran."""


class ThisProcess(Executor):
    """Runs each task at once, in the calling process: for one worker, and for tests."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See :class:`concurrent.futures.Executor`."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - an executor hands every error to its future
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and the end of the pipe through which it is given one call after another."""

    process: BaseProcess
    pipe: Connection


@dataclass(frozen=True, slots=True)
class _Call:
    """What was submitted."""

    future: Future[Any]
    call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class LocalProcesses(Executor):
    """Worker processes, each with one thread, that end with the process that made them.

    Workers start fresh ("spawn"), so that they share nothing with the caller, and load models
    once. Each has a pipe of its own. A worker that dies, for example killed for lack of memory, is
    replaced and its task is run again; the other workers are not affected. A task that ``DEATHS``
    workers died over ends with :class:`WorkerLost`. If the ``with`` block is left by an exception
    (Ctrl-C included), waiting tasks are dropped and the workers are ended at once; a task must
    therefore leave nothing behind but its result.

    Args:
        workers: how many processes.

    Raises:
        ExecutorError: workers could not read the script that is running.
    """

    def __init__(self, workers: int) -> None:
        check("workers", workers, Workers)
        _require_guard()
        self._context = multiprocessing.get_context("spawn")
        # The workers read from this pipe; nothing is ever sent. It closes when the caller says
        # so or dies, however it dies, and the workers see that.
        self._watched, self._lifeline = self._context.Pipe(duplex=False)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._ended = False
        self._abandoned = False
        self._unusable: ExecutorError | None = None
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.abandon)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See :class:`concurrent.futures.Executor`."""
        with self._lock:
            if self._ended:
                raise RuntimeError("the pool has ended: open another one.")
            future = WaitedFor[T]()
            self._calls.put(_Call(future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See :meth:`concurrent.futures.Executor.shutdown`."""
        with self._lock:
            if not self._ended:
                self._ended = True
                if cancel_futures:
                    self._drop_waiting()
                for _ in self._threads:
                    self._calls.put(None)
        if wait:
            for thread in self._threads:
                wait_for_end(thread)
            self._let_go()

    def abandon(self) -> None:
        """End the workers at once and drop what they had not finished."""
        self._abandoned = True
        self._let_go()
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

    def _let_go(self) -> None:
        self._lifeline.close()
        atexit.unregister(self.abandon)

    def _drop_waiting(self) -> None:
        while True:
            try:
                waiting = self._calls.get_nowait()
            except Empty:
                return
            if waiting is not None:
                waiting.future.cancel()

    def _serve(self) -> None:
        """What each thread does: pass calls to its worker, one at a time."""
        _hold_back(signal.SIG_BLOCK)
        worker: _Worker | None = None
        while (item := self._calls.get()) is not None:
            if not item.future.set_running_or_notify_cancel():
                continue
            try:
                worker, succeeded, outcome = self._carry_out(worker, item.call)
            except Exception as error:  # noqa: BLE001 - an executor hands every error to its future
                succeeded, outcome = False, error
            if succeeded:
                item.future.set_result(outcome)
            else:
                item.future.set_exception(outcome)
        if worker is not None:
            worker.pipe.close()
            worker.process.join()

    def _carry_out(self, worker: _Worker | None, call: Any) -> tuple[_Worker | None, bool, Any]:
        """Run a call in a worker; if that dies, in a new one.

        Returns:
            The worker that is alive now; whether the call succeeded; what it returned or raised.
        """
        try:
            message = ForkingPickler.dumps(call)
        except Exception as error:  # noqa: BLE001 - what cannot be sent is reported to the caller
            return worker, False, error
        for _ in range(DEATHS):
            if self._unusable is not None:
                return worker, False, self._unusable
            if worker is None or not worker.process.is_alive():
                worker = self._start()
            try:
                worker.pipe.send_bytes(message)
                reply = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                worker.pipe.close()
                # Also one that lives on without its pipe.
                worker.process.kill()
                worker.process.join()
                if worker.process.exitcode == _NO_GUARD:
                    self._unusable = ExecutorError(_GUARD)
                if self._abandoned:
                    break
                continue
            succeeded, outcome = ForkingPickler.loads(reply)
            return worker, succeeded, outcome
        lost = WorkerLost(f"{DEATHS} workers died over a task.")
        return None, False, self._unusable or lost

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._watched), name=_NAME)
        # Starting is not made for several threads at once.
        with self._lock:
            if hasattr(signal, "pthread_sigmask"):
                # Starting it with the first worker would let the signals through again.
                resource_tracker.ensure_running()
            # The worker begins as the thread that starts it: with these signals held back.
            _hold_back(signal.SIG_BLOCK)
            process.start()
        theirs.close()
        return _Worker(process, ours)


_GUARD = (
    "this script starts workers, and each worker reads the script again: put what it does under "
    "the line 'if __name__ == \"__main__\":', or use one worker."
)


def _require_guard() -> None:
    """End this process if it is a worker that runs the script of its parent instead of working.

    The parent says what to do; a message from each of its workers would say it many times.

    Raises:
        ExecutorError: there is no script that workers could read.
    """
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and script and not Path(script).exists():
        raise ExecutorError(
            f"workers read the script again, and {script} is no file: save the script in a file, "
            f"or use one worker."
        )
    process = multiprocessing.current_process()
    # As multiprocessing itself finds out that it is about to start processes without end.
    if process.name == _NAME and getattr(process, "_inheriting", False):
        os._exit(_NO_GUARD)


def _hold_back(how: int) -> None:
    """Hold signals back from this thread, or let them through, where the system can."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(how, _ENDING)


def one_thread() -> None:
    """Keep numerical libraries of this process to one thread each.

    Sums then run in the same order everywhere, which is what makes a run the same on any number
    of workers. Loaded libraries are limited by call, others will read the environment.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def _work(pipe: Connection, lifeline: Connection) -> None:
    """What a worker process does: run one call after another, until the pipe is closed."""
    one_thread()
    # Ctrl-C reaches the whole process group: the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _hold_back(signal.SIG_UNBLOCK)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    while True:
        try:
            message = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(_reply(message))


def _reply(message: bytes) -> memoryview:
    """Whether a call succeeded, and what it returned or raised, ready to be sent."""
    try:
        fn, args, kwargs = ForkingPickler.loads(message)
        return ForkingPickler.dumps((True, fn(*args, **kwargs)))
    except Exception as error:  # noqa: BLE001 - every error is reported to the caller
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
        try:
            return ForkingPickler.dumps((False, error))
        except Exception:  # noqa: BLE001 - an error that cannot be sent is described in words
            return ForkingPickler.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
