"""The record of ``benchmarks/synergy.py``: its form, and that its numbers are those of the runs."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import gencsp
from gencsp.filters.summary import Summary
from gencsp.measure.record import record
from gencsp.measure.synergy import Comparison, Trace
from gencsp.runs.synergy_model import Compared, Model, ModelResult

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "benchmarks" / "synergy.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = spec_from_file_location("synergy_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compared(
    formula: str, generated: float | None, seeded: float, unseeded: float, *, filtered: bool
) -> Compared:
    """Both searches begin at 0 eV/atom and find their minimum in trial 30 of 60."""
    traces = [Trace(trials=60, minima=((0, 0.0), (30, low))) for low in (seeded, unseeded)]
    comparison = Comparison(
        model="m_led=9",
        filtered=filtered,
        formula=formula,
        structure_id=formula,
        generated=generated,
        seeded=traces[0],
        unseeded=traces[1],
        novelty="new framework" if filtered else "known crystal",
    )
    return Compared(comparison=comparison, generated=None, minima={})


RESULT = ModelResult(
    model=Model("m_led=9", ("m_led=9",)),
    generated=64,
    summary=Summary(("distances",)),
    compared=(
        compared("AB", -1.0, -1.3, -1.2, filtered=True),
        compared("AC", -1.0, -1.1, -1.1, filtered=True),
        compared("AD", None, -1.1, -1.5, filtered=False),
    ),
    missing=0,
)


def test_a_row_has_the_columns_the_paper_and_the_traces(program: ModuleType) -> None:
    row = program.row(RESULT.comparisons(filtered=True), RESULT, filtered=True)
    counts = {name: (row[name]["successes"], row[name]["trials"]) for name in "abef"}
    assert counts == {"a": (0, 2), "b": (1, 2), "e": (2, 2), "f": (0, 2)}
    mean, low, high = row["c"]
    assert mean == pytest.approx(200.0)
    assert 99.9 <= low <= mean <= high <= 300.1
    assert row["new_frameworks"]["successes"] == 2
    assert row["paper"]["model"] == "PIGEN | M_LED"
    assert row["paper"]["b"] == 12
    # Above the lowest of both, -1.3 and -1.1: from 0 at first to (0 and 100) at the end.
    assert [step["trials"] for step in row["traces"]] == [10, 20, 50, 60]
    assert row["traces"][0]["seeded"] == pytest.approx(1200.0)
    assert row["traces"][-1]["seeded"] == pytest.approx(0.0)
    assert row["traces"][-1]["unseeded"] == pytest.approx(50.0)


def test_the_record_has_the_form_of_all(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decks: list[Any] = []

    def recorded(path: Path, **content: Any) -> Path:
        return record(tmp_path / path.name, **content)

    def compared_so(deck: Any, **_: object) -> list[ModelResult]:
        decks.append(deck)
        return [RESULT]

    monkeypatch.setattr(program, "record", recorded)
    monkeypatch.setattr(gencsp, "synergy", compared_so, raising=False)
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "--models", "m_led=9", "-n", "3"])
    program.main()
    assert (decks[0].model, decks[0].n, decks[0].method) == (("m_led=9",), 3, "hop")
    found = json.loads((tmp_path / "synergy.json").read_text("utf-8"))
    schema = json.loads((ROOT / "benchmarks" / "record.schema.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(found)
    assert found["results"]["m_led=9"]["unfiltered"]["f"]["successes"] == 1
    assert found["protocol"]["deck"]["budget"] == 100
