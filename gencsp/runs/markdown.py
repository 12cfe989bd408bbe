"""Tables in Markdown, for reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gencsp.files import one_line


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; what stands in its cells is shown as it is."""
    lines = [_line(head), _line(["---"] * len(head))]
    return "\n".join([*lines, *(_line(row) for row in rows)]) + "\n"


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"
