"""Records have one form, and what they say of their shares follows from the counts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError

from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share, wilson_interval
from gencsp.suites.run import PROGRAM
from gencsp.suites.suite import suite_names

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "benchmarks" / "record.schema.json").read_text("utf-8"))
RECORDS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def shares(value: Any) -> Iterator[dict[str, float]]:
    """Every share in a record, however deep."""
    if isinstance(value, dict):
        if "successes" in value:
            yield value
        for one in value.values():
            yield from shares(one)
    elif isinstance(value, list):
        for one in value:
            yield from shares(one)


#: Programs whose records are still there, and the suites that measure the same now.
NOW_SUITES = {
    "benchmarks/everyday_phases.py": "everyday",
    "benchmarks/filters.py": "pigen-funnel",
    "benchmarks/joint_de_novo.py": "pigen-funnel",
    "benchmarks/search_ground_states.py": "search",
}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_has_the_form(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(read(path))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_names_a_program_that_is_there(path: Path) -> None:
    """Or was made by one that a suite has taken the place of."""
    program = read(path)["program"]
    if program != PROGRAM and not (ROOT / program).is_file():
        assert NOW_SUITES[program] in suite_names()


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_shares_and_intervals_follow_from_counts(path: Path) -> None:
    for one in shares(read(path)["results"]):
        assert one["successes"] <= one["trials"]
        assert (one["low"], one["high"]) == pytest.approx(
            wilson_interval(int(one["successes"]), int(one["trials"]))
        )
        if one["trials"]:
            assert one["share"] == pytest.approx(one["successes"] / one["trials"])


def written(path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Any]:
    """A record as a program of ``benchmarks/`` writes it."""
    program = str(ROOT / "benchmarks" / "denoising.py")
    monkeypatch.setattr(sys, "argv", [program, "/far/away/crystals.extxyz", "--out=/far/x.json"])
    content: dict[str, Any] = {
        "measured": "a share of crystals, for a test",
        "sample_size": {"crystals": np.int64(4)},
        "seed": range(3),
        "intervals": (WILSON,),
        "protocol": {"fmax": 0.1},
        "results": {"found": share(3, 4), "none": share(0, 0), "rows": np.array([1.5, np.inf])},
    }
    return read(record(path, **(content | changes)))


def test_what_programs_write_has_the_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = written(tmp_path / "new" / "x.json", monkeypatch)
    Draft202012Validator(SCHEMA).validate(found)
    assert found["command"] == "python benchmarks/denoising.py crystals.extxyz --out=x.json"
    assert found["seed"] == [0, 1, 2]
    assert found["results"]["none"]["share"] is None
    assert found["results"]["rows"] == [1.5, None]
    assert found["environment"]["cores"] >= 1
    assert "torch" in found["environment"]["versions"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    "broken",
    [
        {"measured": "loss"},
        {"sample_size": {}},
        {"intervals": ("90 %, guessed",)},
        {"results": {"found": {"successes": 3, "trials": 4}}},
        {"results": [{"deep": {"successes": 3.5, "trials": 4, "share": 1, "low": 0, "high": 1}}]},
        {"seed": "today"},
    ],
)
def test_the_form_refuses(
    broken: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(written(tmp_path / "x.json", monkeypatch, **broken))
