"""Progress of the commands, on stderr: bars on a terminal, elsewhere a line every half minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from gencsp.cli.output import Output
from gencsp.searches.progress_line import STAGE_NAMES, progress_line

if TYPE_CHECKING:
    from gencsp.searches.progress import CycleProgress

#: Seconds between two lines about a task, where no bar is drawn.
EVERY = 30.0


class StageBars:
    """One progress bar for each stage of a cycle, made when the stage begins."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def show(self, step: CycleProgress) -> None:
        """Draw where the cycle stands."""
        if step.stage not in self.tasks:
            name = STAGE_NAMES[step.stage]
            self.tasks[step.stage] = self.bars.add_task(name, note="", total=None)
        task = self.tasks[step.stage]
        self.bars.update(task, completed=step.done, total=step.total, note=step.note)


@contextmanager
def reference_bar() -> Iterator[Callable[[int, int], None]]:
    """What draws a bar while hull references are relaxed; it ends with the last of them."""
    with progress_bars() as bars:

        def show(done: int, total: int) -> None:
            if not bars.tasks:
                bars.add_task("hull", note="references at this pressure", total=total)
            task = bars.task_ids[0]
            bars.update(task, completed=done)
            if done == total:
                # Other bars follow, and only one display can be there at a time.
                bars.stop()
                bars.remove_task(task)

        yield show


class ProgressBars(Bars):
    """Bars on a terminal; lines where there is none, and in the log file.

    Bars are drawn from the first task on, so that nothing is on the screen where none begins. A
    line is said every ``EVERY`` seconds while a task goes on, and when it ends.

    Args:
        columns: of the bars.
        output: of the command.
        console: on stderr.
    """

    def __init__(self, *columns: ProgressColumn, output: Output, console: Console) -> None:
        self.drawn = console.is_terminal and not output.quiet
        super().__init__(*columns, console=console, disable=not self.drawn)
        self.output = output
        self._said: dict[TaskID, float] = {}
        self._begun: dict[TaskID, float] = {}

    def add_task(self, *args: Any, **fields: Any) -> TaskID:
        """See :meth:`rich.progress.Progress.add_task`."""
        task = super().add_task(*args, **fields)
        self._said[task] = self.get_time()
        if self.drawn:
            self.start()
        return task

    def stop(self) -> None:
        """See :meth:`rich.progress.Progress.stop`, which ends a line where no bar was drawn."""
        if self.drawn:
            super().stop()

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """See :meth:`rich.progress.Progress.update`."""
        super().update(task_id, **fields)
        self._maybe_say(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """See :meth:`rich.progress.Progress.advance`."""
        super().advance(task_id, advance)
        self._maybe_say(task_id)

    def tell(self, sentence: str) -> None:
        """An event, such as a new best structure: a line above the bars, or among the lines."""
        if self.drawn:
            self.output.note(sentence)
            self.console.print(sentence, markup=False, highlight=False, soft_wrap=True)
        else:
            self.output.progress(sentence)

    def rate(self, task_id: TaskID) -> float:
        """Steps of a task a second, in this session; 0 before its second report."""
        task = self._tasks[task_id]
        begun = self._begun.get(task_id, task.completed)
        return float(task.completed - begun) / max(task.elapsed or 0.0, 1e-9)

    def _maybe_say(self, task_id: TaskID) -> None:
        task, now = self._tasks[task_id], self.get_time()
        # What an earlier session did says nothing of the rate of this one.
        self._begun.setdefault(task_id, task.completed)
        ended = task.total is not None and task.completed >= task.total
        last = self._said[task_id]
        if last == inf or (not ended and now - last < EVERY):
            return
        self._said[task_id] = inf if ended else now
        sentence = progress_line(
            task.description,
            done=task.completed,
            total=task.total,
            note=str(task.fields.get("note", "")),
            rate=self.rate(task_id),
        )
        if self.drawn:
            self.output.note(sentence)
        else:
            self.output.progress(sentence)


@contextmanager
def progress_bars() -> Iterator[ProgressBars]:
    """Progress on stderr."""
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=False),
        TextColumn("{task.fields[note]}"),
    )
    bars = ProgressBars(*columns, output=Output.now(), console=Console(stderr=True))
    try:
        yield bars
    finally:
        if bars.tasks:
            bars.stop()
