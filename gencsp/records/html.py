"""Results as tables of HTML, which notebooks show; whatever is in a text stays text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape

from gencsp.files import one_line

#: Rows of a table; what it is of has them all.
SHOWN = 20
#: The column whose numbers are set low.
FORMULA = "formula"


def html_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    caption: str = "",
) -> str:
    """A table of at most :data:`SHOWN` rows, and below it how many more there are.

    Columns in which nothing stands are left out.

    Args:
        titles: of the columns.
        rows: their cells, as text: what looks like markup is none.
        right: titles of the columns whose cells stand at the right.
        caption: a line below the table.
    """
    kept = [k for k in range(len(titles)) if any(row[k] for row in rows)]
    head = "".join(_cell("th", titles[k], titles[k] in right) for k in kept)
    body = "".join(f"<tr>{_row(titles, row, kept, right)}</tr>" for row in rows[:SHOWN])
    more = f"and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    below = "; ".join(filter(None, (more, caption)))
    said = f"<p>{escape(one_line(below))}</p>" if below else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
    return f"<div>{table}{said}</div>"


def _row(
    titles: Sequence[str], row: Sequence[str], kept: Sequence[int], right: Collection[str]
) -> str:
    return "".join(
        _cell("td", row[k], titles[k] in right, low_numbers=titles[k] == FORMULA) for k in kept
    )


def _cell(tag: str, text: str, at_right: bool, *, low_numbers: bool = False) -> str:
    plain = one_line(text)
    # Split before it is escaped: escaped text has numbers of its own.
    parts = re.split(r"(\d+)", plain) if low_numbers else [plain]
    shown = "".join(
        f"<sub>{part}</sub>" if low_numbers and part.isdecimal() else escape(part) for part in parts
    )
    side = "right" if at_right else "left"
    return f'<{tag} style="text-align: {side}; white-space: nowrap">{shown}</{tag}>'
