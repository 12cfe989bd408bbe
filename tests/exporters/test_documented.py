"""The table in the documentation has a row for each code, and says what the tests do."""

from __future__ import annotations

import re
from pathlib import Path

import gencsp
from gencsp.exporters import exporter_names

ROOT = Path(gencsp.__file__).parent.parent
COLUMNS = ["code", "written", "re-read", "accepted by the real client", "read back"]


def rows() -> dict[str, list[str]]:
    text = (ROOT / "docs" / "external_codes.md").read_text()
    lines = [
        [c.strip() for c in line.strip("|").split("|")]
        for line in text.split("\n")
        if line.startswith("|")
    ]
    head, _, *body = lines
    assert head == COLUMNS
    return {row[0]: row[1:] for row in body}


def test_a_row_for_each_code() -> None:
    assert set(rows()) == set(exporter_names())


def test_what_is_said_to_run_is_run() -> None:
    run = {code for code, row in rows().items() if row[2].endswith(": yes")}
    tests = (Path(__file__).parent / "test_clients.py").read_text()
    assert run == set(re.findall(r'exported\("([a-z-]+)"', tests))
    installed = dict(re.findall(r'"(?:csp-)?([a-z-]+)==([\d.]+)"', tests))
    for code in run:
        assert rows()[code][2].split()[1] == f"{installed[code]}:"
