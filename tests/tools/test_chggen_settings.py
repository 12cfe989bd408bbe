"""The benchmark of the cycle beside CHGGen: what it counts, where it goes on, and its table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import record_values
import tables_of_chggen

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import chggen_settings

    return chggen_settings


def a_run(formula: str, system: str, seed: int, found: list[tuple[str, str, int, float]]) -> Any:
    """A run with these structures: stage, proposer, space group, E_d."""
    names = ("stage", "proposer", "space_group", "decomposition_energy")
    return {
        "formula": formula,
        "system": system,
        "seed": seed,
        "generated": 2,
        "frameworks": 1,
        "inpainted": 3,
        "cpu_seconds": 10.0,
        "converged": [dict(zip(names, one, strict=True)) for one in found],
    }


RUNS = [
    a_run("Li10Si4", "Li-Si", 0, [("relaxed", "score", 1, 0.3), ("refined", "score", 6, 0.2)]),
    a_run("Li10Si4", "Li-Si", 1, [("refined", "score", 12, 0.1), ("refined", "score", 2, 0.4)]),
    a_run("Zn2P2S7", "Zn-P-S", 0, [("refined", "score", 6, 0.05)]),
]


def test_what_counts_as_symmetric_depends_on_the_system(program: Any) -> None:
    found = program.summaries({"as chggen": RUNS}, program.CASES)["as chggen"]
    refined = {system: found[system]["stages"]["refined"] for system in found}
    counts = {
        system: (one["symmetric"]["successes"], one["symmetric"]["trials"])
        for system, one in refined.items()
    }
    # Pm counts for Zn-P-S and not for Li-Si.
    assert counts == {"Zn-P-S": (1, 1), "Li-Si": (1, 3)}
    assert refined["Li-Si"]["space_groups"] == {"2": 1, "6": 1, "12": 1}
    assert refined["Li-Si"]["median_decomposition_energy"] == 0.2
    assert found["Li-Si"]["median_lowest_decomposition_energy"] == {"Li10Si4": 0.15000000000000002}
    assert found["Li-Si"]["cpu_seconds_a_structure"] == 20.0 / 4
    assert found["Li-Si"]["stages"]["relaxed"]["symmetric"]["successes"] == 0


def test_what_is_there_is_not_run_again(program: Any) -> None:
    cases = [case for case in program.CASES if case.system == "Li-Si"]
    rows = ["default", "as chggen"]
    left = [
        (case.formula, row, seed)
        for case, row, seed in program.missing(cases, rows, 2, {"as chggen": RUNS})
    ]
    assert left == [
        ("Li10Si4", "default", 0),
        ("Li8Si4", "default", 0),
        ("Li8Si4", "as chggen", 0),
        ("Li10Si4", "default", 1),
        ("Li8Si4", "default", 1),
        ("Li8Si4", "as chggen", 1),
    ]


def test_every_row_is_a_cycle_that_differs_from_the_default(program: Any) -> None:
    decks = {
        row: program.CycleDeck.make(formula="Li10Si4", **settings)
        for row, settings in program.ROWS.items()
    }
    assert len({deck.model_dump_json() for deck in decks.values()}) == len(program.ROWS)
    both = decks["as chggen"], decks["as chggen, default sampler"]
    samplers = [program.cycle_parts(deck)[0].sampler for deck in (*both, decks["default"])]
    assert samplers[1] == samplers[2] != samplers[0]
    assert both[0].ladder == both[1].ladder == "chggen"


def test_the_table_has_what_was_measured_once_it_was(
    program: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def head() -> list[str]:
        line = tables_of_chggen.chggen_settings().splitlines()[0]
        return [cell.strip() for cell in line.strip("|").split("|")]

    kept = record_values.results

    def measured(name: str) -> Any:
        file = tmp_path / f"{name}.json"
        return json.loads(file.read_text())["results"] if file.exists() else kept(name)

    monkeypatch.setattr(tables_of_chggen, "RESULTS", tmp_path)
    monkeypatch.setattr(tables_of_chggen, "results", measured)
    assert head() == ["setting", "default", "`--as chggen`", "why ours is the default"]
    runs = {"default": RUNS[:1], "as chggen": RUNS}
    results = {"summary": program.summaries(runs, program.CASES), "runs": runs}
    (tmp_path / "chggen_settings.json").write_text(json.dumps({"results": results}))
    assert head()[4:] == [
        "Li-Si: symmetric",
        "median lowest E_d, meV/atom",
        "processor s a structure",
    ]
    last = tables_of_chggen.chggen_settings().splitlines()[-1]
    assert "| 1 of 3 (6-79 %) | 150 | 5.0 |" in last
