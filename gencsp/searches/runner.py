"""Runs tasks: submits them, stores their results as they end, and waits for them by name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from ase import Atoms

from gencsp.errors import WorkerError
from gencsp.executors.lost import lost_errors
from gencsp.executors.waiting import wait_for_one
from gencsp.store.base import Finished, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """What a worker returns.

    Attributes:
        results: one for each task that was submitted together.
        seconds: wall time by stage; it is shown and never stored.
        paths: of relaxations, where they are kept, by the id of the structure that each leads to.
    """

    results: tuple[Finished, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    paths: Mapping[str, Sequence[Atoms]] = field(default_factory=dict)


#: Seconds for which results may wait for others, so that many short tasks cost one transaction.
KEEP = 0.5


@dataclass(frozen=True, slots=True)
class TaskCall:
    """A function call that does several tasks, kept so that it can be submitted again."""

    tasks: tuple[str, ...]
    call: Callable[[], TaskOutput]


class TaskRunner:
    """Runs tasks on an executor; tasks that the store already has are not run again.

    No error loses work: a task that failed or was cancelled is submitted again when its result is
    next requested, and results that could not be written are written with the next ones. So the
    same object can be used after any error; a broken ``executor`` is replaced first.

    Args:
        store: receives every result within ``KEEP`` seconds of its end, in any order, several in
            one transaction. Results that a killed process had not written yet are computed again
            by the next process, with the same outcome.
        executor: any ``concurrent.futures.Executor``.
        prepare: changes a result before it is stored.
        keep_path: keeps a path under the id of its structure, before the result is stored, so that
            no stored result lacks its path; that of a result which is computed again is the same.

    Attributes:
        seconds: wall time of the workers by stage, of this session.
        on_output: called with each call that has ended and what it returned; ``None`` for nothing.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        *,
        prepare: Callable[[Finished], Finished],
        keep_path: Callable[[str, Sequence[Atoms]], None] | None = None,
    ) -> None:
        self.executor = executor
        self.store = store
        self.prepare = prepare
        self.keep_path = keep_path
        self.seconds: Counter[str] = Counter()
        self.on_output: Callable[[TaskCall, TaskOutput], None] | None = None
        self._ready = store.load()
        self._found = frozenset(self._ready)
        self._under_way: dict[Future[TaskOutput], TaskCall] = {}
        self._again: list[TaskCall] = []
        self._unkept: dict[str, Finished] = {}
        self._kept_at = float("-inf")

    def submit(self, tasks: Sequence[str], call: Callable[[], TaskOutput]) -> None:
        """Run a call that does these tasks, unless the store has all of them.

        Raises:
            WorkerError: the executor takes no more tasks.
        """
        if not self.has(tasks):
            self._submit(TaskCall(tuple(tasks), call))

    def has(self, tasks: Sequence[str]) -> bool:
        """Whether the results of all these tasks are here, so that none need be done."""
        return all(task in self._ready for task in tasks)

    def was_kept(self, task: str) -> bool:
        """Whether an earlier session has finished the task."""
        return task in self._found

    def result(self, task: str) -> Finished:
        """The result of a task; waits for it. It is available until it is released.

        Raises:
            StoreError: the store cannot be written or is full.
            WorkerError: the executor lost its workers, or several of them over one task.
            KeyError: the task was never submitted, or has been released.
        """
        while task not in self._ready:
            while self._again:
                self._submit(self._again[0])
                del self._again[0]
            if not self._under_way:
                raise KeyError(task)
            self._collect()
        return self._ready[task]

    def release(self, task: str) -> None:
        """Drop a result from memory; the store has it, or soon will."""
        self._ready.pop(task, None)

    def cancel(self) -> None:
        """Cancel tasks that have not begun."""
        for future in list(self._under_way):
            if future.cancel():
                self._again.append(self._under_way.pop(future))

    def keep(self) -> None:
        """Write all finished results to the store.

        Raises:
            StoreError: it cannot be written or is full.
        """
        if self._unkept:
            self.store.finish_all(self._unkept)
            self._unkept = {}
            self._kept_at = time.perf_counter()

    def _submit(self, call: TaskCall) -> None:
        refusals: tuple[type[BaseException], ...] = (*lost_errors(), RuntimeError)
        try:
            future = self.executor.submit(call.call)
        except refusals as error:
            raise worker_error(error) from error
        self._under_way[future] = call

    def _collect(self) -> None:
        """Wait until a task ends, or finished results must be stored."""
        patience = None
        if self._unkept:
            patience = max(0.0, KEEP - (time.perf_counter() - self._kept_at))
        done = wait_for_one(self._under_way, patience)
        # In the order of submission, so that rows of a database come in a readable order.
        ended = [future for future in self._under_way if future in done]
        failed = [f for f in ended if f.cancelled() or f.exception() is not None]
        try:
            for future in ended:
                if future not in failed:
                    self._take(future)
            # All of them at once: an executor that broke lost all that it had under way.
            for future in failed:
                self._again.append(self._under_way.pop(future))
            for future in failed:
                future.result()
        except lost_errors() as error:
            raise worker_error(error) from error
        finally:
            if time.perf_counter() - self._kept_at >= KEEP:
                self.keep()

    def _take(self, future: Future[TaskOutput]) -> None:
        """Make the results of a call available, and then remove it from those under way."""
        output, call = future.result(), self._under_way[future]
        if self.on_output is not None:
            self.on_output(call, output)
        if self.keep_path is not None:
            for structure_id, frames in output.paths.items():
                self.keep_path(structure_id, frames)
        for task, result in zip(call.tasks, output.results, strict=True):
            finished = self.prepare(result)
            self._ready.setdefault(task, finished)
            self._unkept[task] = finished
        self.seconds.update(output.seconds)
        del self._under_way[future]


def worker_error(error: BaseException) -> WorkerError:
    """The error to raise where an executor failed."""
    return WorkerError(
        f"the executor lost its workers ({str(error).strip() or type(error).__name__}), perhaps "
        f"for lack of memory: repeat the same command to go on, with fewer workers."
    )
