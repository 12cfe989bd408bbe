"""Progress bars of the commands, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from gencsp.searches.progress import CycleProgress

_STAGES = {
    "generated": "generate",
    "relaxed": "relax",
    "framework": "symmetrise",
    "inpainted": "inpaint",
    "refined": "relax again",
}


class StageBars:
    """One progress bar for each stage of a cycle, made when the stage begins."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def show(self, step: CycleProgress) -> None:
        """Draw where the cycle stands."""
        if step.stage not in self.tasks:
            self.tasks[step.stage] = self.bars.add_task(_STAGES[step.stage], note="", total=None)
        failed = sum(step.failures.values())
        note = f"{step.structures} structures" + (f", {failed} failed" if failed else "")
        task = self.tasks[step.stage]
        self.bars.update(task, completed=step.done, total=step.total, note=note)


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


class _Bars(Bars):
    """Drawn from the first task on, so that nothing is on the screen where none begins."""

    def add_task(self, *args: Any, **fields: Any) -> TaskID:
        task = super().add_task(*args, **fields)
        self.start()
        return task


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Progress bars on stderr."""
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bars = _Bars(*columns, console=Console(stderr=True))
    try:
        yield bars
    finally:
        if bars.tasks:
            bars.stop()
