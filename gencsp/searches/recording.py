"""What a search costs: the time and size of its tasks, recorded while it runs."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gencsp.searches.runner import TaskCall, TaskOutput


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


class TaskRecorder:
    """Notes what each task took; a runner's ``on_output`` may be its :meth:`note`.

    Attributes:
        recorded: the finished tasks, in the order in which they ended.
        spent: processor time of this process that went into the recording itself, seconds.
    """

    def __init__(self) -> None:
        self.recorded: list[RecordedTask] = []
        self.spent = 0.0

    def note(self, call: TaskCall, output: TaskOutput) -> None:
        """Note a call that has ended."""
        begun = time.process_time()
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
