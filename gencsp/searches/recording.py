"""What a search costs: the time and size of its tasks, recorded while it runs."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from ase import Atoms

from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.store.base import Finished, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTask:
    """One task that was sent to a worker: a batch of trials, or a block of proposals.

    Attributes:
        names: of what it did, as the store names them.
        seconds: wall time of the worker, by stage.
        structures: how many came back.
        sent: bytes of the message to the worker.
        received: bytes of its answer.
    """

    names: tuple[str, ...]
    seconds: Mapping[str, float]
    structures: int
    sent: int
    received: int

    @property
    def total(self) -> float:
        """Wall time of the worker, seconds."""
        return sum(self.seconds.values())


class RecordingRunner(TaskRunner):
    """A runner of tasks that notes what each of them took; its arguments are those of a runner.

    Attributes:
        recorded: the finished tasks, in the order in which they ended.
        spent: processor time of this process that went into the recording itself, seconds.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        *,
        prepare: Callable[[Finished], Finished],
        keep_path: Callable[[str, Sequence[Atoms]], None] | None = None,
    ) -> None:
        super().__init__(store, executor, prepare=prepare, keep_path=keep_path)
        self.recorded: list[RecordedTask] = []
        self.spent = 0.0

    def _take(self, future: Future[TaskOutput]) -> None:
        begun = time.process_time()
        call, output = self._under_way[future], future.result()
        task = RecordedTask(
            names=call.tasks,
            seconds=dict(output.seconds),
            structures=sum(len(result.structures) for result in output.results),
            # As an executor sends them: the function with what it is given, and what it returns.
            sent=len(pickle.dumps(call.call)),
            received=len(pickle.dumps(output)),
        )
        self.recorded.append(task)
        self.spent += time.process_time() - begun
        super()._take(future)
