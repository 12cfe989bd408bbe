"""Writes the table of ``docs/file_format.md`` from the keys in ``gencsp/records/keys.py``.

python tools/write_file_format.py
"""

from __future__ import annotations

from pathlib import Path

from gencsp.records import KEYS, Key

PAGE = Path(__file__).parents[1] / "docs" / "file_format.md"
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def table() -> str:
    """The keys as a Markdown table."""
    lines = ["| key | type | unit | meaning | written by |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_row(key) for key in KEYS)])


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(key: Key) -> str:
    return f"| `{key.name}` | {key.type} | {key.unit} | {key.meaning} | {key.writers} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
