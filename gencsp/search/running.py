"""Tasks under way: submitted, kept in the store as they end, and waited for by name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future
from concurrent.futures import wait as wait_for_any
from dataclasses import dataclass, field

from gencsp.errors import WorkerError
from gencsp.execute.lost import lost_errors
from gencsp.store.base import Finished, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a worker hands back.

    Attributes:
        results: one for each task that was submitted together.
        seconds: wall time by stage; it is reported and never stored.
    """

    results: tuple[Finished, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


#: Seconds for which results may wait for others, so that many short tasks cost one transaction.
KEEP = 0.5


class Running:
    """Runs tasks on an executor; what the store already has is not run again.

    Args:
        store: gets every result within ``KEEP`` seconds of its end, in whichever order they come,
            several in one transaction. What a killed process had not handed over yet is done again
            by the next one, with the same outcome.
        executor: any ``concurrent.futures.Executor``.
        prepare: changes a result before it is kept.

    Attributes:
        seconds: wall time of the workers by stage, of this session.
    """

    def __init__(
        self, store: Store, executor: Executor, *, prepare: Callable[[Finished], Finished]
    ) -> None:
        self.executor = executor
        self.store = store
        self.prepare = prepare
        self.seconds: Counter[str] = Counter()
        self._ready = store.load()
        self._found = frozenset(self._ready)
        self._under_way: dict[Future[Work], tuple[str, ...]] = {}
        self._unkept: dict[str, Finished] = {}
        self._kept_at = float("-inf")

    def submit(self, tasks: Sequence[str], call: Callable[[], Work]) -> None:
        """Run a call that does these tasks together, unless the store has all of them.

        Raises:
            WorkerError: the executor takes no more tasks.
        """
        if all(task in self._ready for task in tasks):
            return
        refusals: tuple[type[BaseException], ...] = (*lost_errors(), RuntimeError)
        try:
            future = self.executor.submit(call)
        except refusals as error:
            raise worker_error(error) from error
        self._under_way[future] = tuple(tasks)

    def was_kept(self, task: str) -> bool:
        """Whether an earlier session left it."""
        return task in self._found

    def result(self, task: str) -> Finished:
        """What a task left; waits for it.

        Raises:
            StoreError: the store cannot be written or is full.
            WorkerError: the executor lost its workers, or several of them over one task.
            KeyError: it was never submitted.
        """
        while task not in self._ready:
            if not self._under_way:
                raise KeyError(task)
            self._collect()
        return self._ready.pop(task)

    def cancel(self) -> None:
        """Drop what has not begun."""
        for future in self._under_way:
            future.cancel()

    def keep(self) -> None:
        """Hand all that has ended to the store.

        Raises:
            StoreError: it cannot be written or is full.
        """
        # What the store refuses is not offered again: it has said why.
        results, self._unkept = self._unkept, {}
        if results:
            self.store.finish_all(results)
            self._kept_at = time.perf_counter()

    def _collect(self) -> None:
        """Wait until something ends, or what has ended must be kept."""
        since = time.perf_counter() - self._kept_at
        patience = max(0.0, KEEP - since) if self._unkept else None
        done, _ = wait_for_any(self._under_way, timeout=patience, return_when=FIRST_COMPLETED)
        results: dict[str, Finished] = {}
        try:
            # In the order of submission, so that rows of a database come in a readable order.
            for future in [f for f in self._under_way if f in done]:
                tasks = self._under_way.pop(future)
                work = future.result()
                self.seconds.update(work.seconds)
                for task, finished in zip(tasks, work.results, strict=True):
                    results[task] = self.prepare(finished)
        except lost_errors() as error:
            raise worker_error(error) from error
        finally:
            for task, finished in results.items():
                self._ready.setdefault(task, finished)
            self._unkept |= results
            if time.perf_counter() - self._kept_at >= KEEP:
                self.keep()


def worker_error(error: BaseException) -> WorkerError:
    """What a user is told of an executor that failed."""
    return WorkerError(
        f"the executor lost its workers ({str(error).strip() or type(error).__name__}), perhaps "
        f"for lack of memory: repeat the same command to go on, with fewer workers."
    )
