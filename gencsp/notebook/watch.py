"""Progress of a call in a notebook: bars, and a plot that is drawn again as results come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

from gencsp.notebook.bars import Bar, bars_html
from gencsp.notebook.live_plot import LivePlot
from gencsp.notebook.session import Area, in_notebook
from gencsp.runs.candidates import StageProgress
from gencsp.searches.progress import CycleProgress, SearchProgress
from gencsp.searches.progress_line import STAGE_NAMES

T = TypeVar("T")
Step = SearchProgress | CycleProgress | StageProgress

#: Seconds from one drawing to the next: of bars, of the plot, and of lines where there is neither.
BARS, PLOT, LINES = 0.25, 2.0, 30.0
#: Drawing the plot takes at most this share of the time.
SHARE = 0.05


class Watch:
    """Shows how far calls are: ``gencsp.search("TiO2", report=watch)``. See :func:`watching`.

    Args:
        plot: draw energy against trial, of a search.
        stream: where lines go outside of a notebook; ``None`` for stderr.
        clock: the time in seconds.
    """

    def __init__(
        self,
        *,
        plot: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._shown = in_notebook()
        self._bars: dict[str, Bar] = {}
        self._plot = LivePlot() if plot and self._shown else None
        self._bars_area, self._plot_area = Area(), Area()
        self._bars_due = self._plot_due = float("-inf")
        self._drawn = 0
        self._said: dict[str, tuple[float, str]] = {}

    def __call__(self, step: Step) -> None:
        """Take a step of a search, a cycle or another run in: the ``report`` of such calls."""
        if isinstance(step, SearchProgress):
            self._collect(step)
            # Trials of earlier sessions, which are read and not run, say nothing of the rate.
            self._move("search", step.done, step.total, step.note, rate=step.per_minute / 60)
        elif isinstance(step, CycleProgress):
            self.move(STAGE_NAMES[step.stage], step.done, step.total, step.note)
        else:
            self.move(step.stage, step.done, step.total, step.note)

    def references(self, done: int, total: int) -> None:
        """Hull references are relaxed at a pressure: the ``on_reference`` of calls."""
        self.move("hull", done, total, "references at this pressure")

    def each(
        self, results: Iterable[T], *, what: str = "structures", total: int | None = None
    ) -> Iterator[T]:
        """What an iterable yields, counted: ``watch.each(gencsp.relax(pool), total=len(pool))``.

        Args:
            results: such as those of :func:`gencsp.propose`, :func:`gencsp.relax` and
                :func:`gencsp.filter`.
            what: is done.
            total: how many there will be, where that is known.
        """
        self.move(what, 0, total)
        for done, one in enumerate(results, start=1):
            yield one
            # What is done with it in the loop belongs to it.
            self.move(what, done, total)

    def move(self, what: str, done: int, total: int | None, note: str = "") -> None:
        """A task went on.

        Args:
            what: is done; each has a bar of its own.
            done: steps that are finished.
            total: steps in all; ``None`` where nobody knows.
            note: what has come of it.
        """
        self._move(what, done, total, note)

    def _move(
        self, what: str, done: int, total: int | None, note: str, *, rate: float | None = None
    ) -> None:
        now = self._clock()
        bar = self._bars.get(what)
        if bar is None or done < bar.done:  # another call does the same
            bar = self._bars[what] = Bar(what, now, done, total)
        bar.move(now, done, total, note, rate=rate)
        if self._shown:
            self._draw(now, at_once=bar.complete)
        else:
            self._say(bar, now)

    def finish(self, note: str = "") -> None:
        """Draw the last that is known, once and for all.

        Args:
            note: why tasks ended that are not complete; may be empty.
        """
        for bar in self._bars.values():
            bar.ended = "" if bar.complete else note or "ended"
        if self._shown and self._bars:
            self._draw(self._clock(), at_once=True)
        elif not self._shown:
            for bar in self._bars.values():
                self._write(bar, float("inf"))

    def _collect(self, step: SearchProgress) -> None:
        if self._plot is None:
            return
        if step.result is None:  # a search begins
            self._plot, self._drawn = LivePlot(), 0
        else:
            self._plot.add(step.result)

    def _draw(self, now: float, *, at_once: bool) -> None:
        if at_once or now >= self._bars_due:
            text = "\n".join(bar.line for bar in self._bars.values())
            self._bars_area.show({"text/html": bars_html(self._bars.values()), "text/plain": text})
            self._bars_due = now + BARS
        if self._plot is None or len(self._plot) == self._drawn:
            return
        if at_once or now >= self._plot_due:
            picture, size = self._plot.png()
            self._drawn = len(self._plot)
            text = f"energy against trial, {self._drawn} structures"
            data = {"image/png": picture, "text/plain": text}
            self._plot_area.show(data, {"image/png": size})
            after = self._clock()
            self._plot_due = after + max(PLOT, (after - now) / SHARE)

    def _say(self, bar: Bar, now: float) -> None:
        last, _ = self._said.setdefault(bar.what, (now, ""))
        if bar.complete or now - last >= LINES:
            self._write(bar, now)

    def _write(self, bar: Bar, now: float) -> None:
        line = bar.line
        if self._said.get(bar.what, (now, ""))[1] != line:
            stream = sys.stderr if self._stream is None else self._stream
            stream.write(f"{line}\n")
            stream.flush()
        self._said[bar.what] = now, line


@contextmanager
def watching(*, plot: bool = True) -> Iterator[Watch]:
    """Progress of what is called in the block: bars and, of a search, a plot that grows.

    In a notebook both stand below the cell: how much is done, the best energy, how many crystals
    are new, the rate and the time left; energy against trial is drawn again at most every two
    seconds. Elsewhere it is a line of text on stderr every half minute. ::

        with watching() as watch:
            found = gencsp.search("TiO2", budget=24, report=watch)

    Args:
        plot: draw energy against trial, of a search.

    Yields:
        What is given as ``report`` to :func:`gencsp.search`, :func:`gencsp.cycle`,
        :func:`gencsp.refine`, :func:`gencsp.discover` and :func:`gencsp.synergy`; its method
        :meth:`Watch.each` counts what others yield.
    """
    watch = Watch(plot=plot)
    ended = "stopped"
    try:
        yield watch
        ended = ""
    finally:
        watch.finish(ended)
