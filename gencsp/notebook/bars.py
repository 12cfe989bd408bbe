"""Progress bars as HTML for a notebook, and as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from gencsp.files import one_line
from gencsp.searches.progress_line import progress_line


class Bar:
    """How far one task is.

    Args:
        what: is done, such as "search".
        begun: time when it began, s.
        done: steps that were finished then; they say nothing of the rate.
        total: steps in all; ``None`` where nobody knows.
    """

    def __init__(self, what: str, begun: float, done: int, total: int | None) -> None:
        self.what = what
        self.begun = begun
        self.done = self.before = done
        self.total = total
        self.note = ""
        self.rate = 0.0
        self.ended = ""

    def move(
        self, now: float, done: int, total: int | None, note: str, *, rate: float | None = None
    ) -> None:
        """The task went on.

        Args:
            now: time, s.
            done: steps that are finished.
            total: steps in all.
            note: what has come of it.
            rate: steps a second; ``None`` for those since it began.
        """
        self.done, self.total, self.note = done, total, note
        since = (done - self.before) / max(now - self.begun, 1e-9)
        self.rate = since if rate is None else rate

    @property
    def complete(self) -> bool:
        """Whether all steps are done."""
        return self.total is not None and self.done >= self.total

    @property
    def line(self) -> str:
        """The task in a line of text; once it has ended no time is left."""
        rate = 0.0 if self.ended else self.rate
        note = ", ".join(filter(None, (self.note, self.ended)))
        line = progress_line(self.what, done=self.done, total=self.total, note=note, rate=rate)
        return one_line(line)

    @property
    def html(self) -> str:
        """The task as a row of a table: its name, a bar, and the rest of its line."""
        how_far = "" if self.total is None else f' value="{self.done}" max="{max(self.total, 1)}"'
        if self.total is None and self.ended:
            how_far = ' value="1" max="1"'  # without a value it would move for ever
        said = self.line.removeprefix(f"{one_line(self.what)}: ")
        cells = (
            escape(one_line(self.what)),
            f'<progress{how_far} style="width: 14em"></progress>',
            escape(said),
        )
        return "".join(f'<td style="text-align: left">{cell}</td>' for cell in cells)


def bars_html(bars: Iterable[Bar]) -> str:
    """Several tasks, below each other."""
    rows = "".join(f"<tr>{bar.html}</tr>" for bar in bars)
    return f"<table><tbody>{rows}</tbody></table>"
