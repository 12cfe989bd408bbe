"""Numbers in the documents are those of the records, and the tool that writes them can tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import record_values
from record_values import ROOT, quoted
from write_results import DEFINITION, TABLE, TABLES, DocumentError, documents, rewritten

RECORD = {
    "results": {
        "mixed": {
            "found": {"successes": 1234, "trials": 2000, "share": 0.617, "low": 0.5, "high": 0.7}
        },
        "rows": [{"atoms": 4, "w": 2.0, "ms": 0.0123}, {"atoms": 8, "w": 2.0, "ms": 0.5}],
        "half": 0.25,
        "bounds": [0.001, None],
        "name, with a comma": 3,
    }
}


@pytest.mark.parametrize("path", list(documents()), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_say_what_the_records_say(path: Path) -> None:
    """Put right by ``python tools/write_results.py``."""
    text = path.read_text("utf-8")
    assert rewritten(text, path.parent) == text


def test_the_results_have_no_table_by_hand() -> None:
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    by_hand = TABLE.sub("", text)
    assert [line for line in by_hand.splitlines() if line.startswith("|")] == []


def test_every_table_stands_somewhere() -> None:
    texts = [path.read_text("utf-8") for path in documents()]
    assert {name for text in texts for _, name, _ in TABLE.findall(text)} == set(TABLES)


def test_what_to_expect_has_no_number_without_a_record() -> None:
    text = (ROOT / "docs" / "what_to_expect.md").read_text("utf-8")
    prose = DEFINITION.sub("", text)
    prose = re.sub(r"\[[^\]]*\]\[[^\]]*\]|\]\([^)]*\)|`[^`]*`", "", prose)  # links and code
    prose = prose.replace("MP-20", "")
    assert re.findall(r"\S*\d\S*", prose) == []


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("results / mixed / found | of", "1,234 of 2,000"),
        ("results / mixed / found | of with interval", "1,234 of 2,000 (50-70 %)"),
        ("results / mixed / found | share", "61.7 % (50-70)"),
        ("results / mixed / found | interval", "50-70 %"),
        ("results / mixed / found / share | .0%", "62 %"),
        ("results / rows / 0 / ms | x1000 .1f", "12.3"),
        ("results / rows / atoms=8, w=2.0 / ms | .1f", "0.5"),
        ("results / rows / -1 / ms over results / half | .0f", "2"),
        ("results / name, with a comma | /60 .2f", "0.05"),
        ("results / bounds | x1000 range .0f", "from 1"),
        ("results / name, with a comma | d", "3"),
    ],
)
def test_numbers_are_written_as_their_address_says(address: str, text: str) -> None:
    assert quoted(RECORD, address) == text


@pytest.mark.parametrize(
    "address", ["results / pigen | of", "results / rows / atoms=9 / ms | .1f", "results / half | d"]
)
def test_a_number_that_is_not_there_is_an_error(address: str) -> None:
    with pytest.raises((LookupError, ValueError)):
        quoted(RECORD, address)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "x.json").write_text(json.dumps(RECORD))
    record_values.read.cache_clear()
    return tmp_path


def test_a_wrong_number_is_put_right(folder: Path) -> None:
    text = 'It takes [9.9][time] ms.\n\n[time]: x.json "results / rows / 0 / ms | x1000 .1f"\n'
    assert rewritten(text, folder) == text.replace("9.9", "12.3")


def test_a_wrong_table_is_put_right(folder: Path) -> None:
    text = "<!-- table: denoising -->\n| 0.1 | 7 |\n<!-- end of table -->\n"
    assert "\n| 0.1 | 0.159 | 0.031" in rewritten(text, folder)


@pytest.mark.parametrize(
    "text",
    [
        "[3][nothing]\n",
        '[3]\n\n[unused]: x.json "results / half | .1f"\n',
        '[3][a]\n\n[a]: missing.json "results / half | .1f"\n',
        '[3][a]\n\n[a]: x.json "results / absent | .1f"\n',
        "<!-- table: absent -->\n<!-- end of table -->\n",
    ],
)
def test_what_is_not_there_is_an_error(folder: Path, text: str) -> None:
    with pytest.raises(DocumentError):
        rewritten(text, folder)
