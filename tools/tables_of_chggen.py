"""Table of gencsp's cycle beside CHGGen's own settings."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from record_values import RESULTS, number, of, of_with_interval, percent, results, table

from gencsp.plugins.presets import CHGGEN_VOLUMES, PRESETS
from gencsp.runs.decks import CycleDeck

RECORD = "chggen_settings"
PRESET = PRESETS["chggen"]


def _default(name: str) -> Any:
    return CycleDeck.model_fields[name].default


def _sampling() -> str:
    sampler = PRESET["sampler"].partition(":")[0]
    return (
        f"`{sampler}`, {PRESET['levels']} levels, {PRESET['correctors']} correctors, noise to "
        f"{PRESET['sigma_min']} Å, {PRESET['resample']} passes over jumps of "
        f"{PRESET['jump_length']} levels"
    )


def _proposers() -> str:
    found = (results(f"suite_cspbench_{name}")["measures"] for name in ("mixed", "score"))
    ours, its = (percent(one["matched, k = 20, relaxed"]) for one in found)
    return f"finds {ours} % of known crystals, `score` {its} %"


def _inpainters() -> str:
    found = results("suite_chggen_score")["measures"]
    shares = [
        " against ".join(
            f"{percent(found[f'{system}, {row}: inpainted, symmetric'], 0)} %"
            for row in ("orbits", "free")
        )
        + f" symmetric in {system}"
        for system in ("ZnS-P2S5", "Li-Si")
    ]
    return f"guests in orbits: {'; '.join(shares)}"


def _samplers() -> str:
    found = results("sampler_steps_chggen")
    ours, its = found["all noise anew 50"], found["predictor-corrector 200, 5 correctors"]
    return (
        f"{its['processor_seconds'] / ours['processor_seconds']:.0f} times as fast, for "
        f"{of(ours['matched'])} known crystals against {of(its['matched'])}"
    )


def _minimisers() -> str:
    found = results("minimisers")["proposals"]["minimisers"]
    ours, its = found["quasi-Newton"], found["FIRE"]
    return (
        f"{number(ours['force_calls'], ',d')} evaluations against "
        f"{number(its['force_calls'], ',d')}, {of(ours['converged'])} converged against "
        f"{of(its['converged'])}"
    )


def _ladders() -> str:
    return "keeps frameworks in `P-1` and `Pm`, and those in which spglib finds nothing"


#: Of each setting its options, its default and what the preset has, why ours is the default, and
#: the row of the record in which it alone is changed.
ROWS: tuple[tuple[str, Callable[[], tuple[str, str]], Callable[[], str], str], ...] = (
    (
        "`--proposer`",
        lambda: (f"`{_default('proposer')}`", f"`{PRESET['proposer']}`"),
        _proposers,
        "its proposer",
    ),
    (
        "`--inpainter`",
        lambda: (f"`{_default('inpainter')}`", f"`{PRESET['inpainter']}`"),
        _inpainters,
        "its inpainter",
    ),
    (
        "`--sampler`, `--levels`, `--correctors`, `--sigma-min`, `--resample`, `--jump-length`",
        lambda: ("`ddim`, 50 levels, 5 passes, each back by one level", _sampling()),
        _samplers,
        "its sampler",
    ),
    (
        "`--ladder`",
        lambda: (f"`{_default('ladder')}`", f"`{PRESET['ladder']}`"),
        _ladders,
        "its ladder",
    ),
    (
        "`--minimiser`, `--steps`",
        lambda: (
            f"`{_default('minimiser')}`, {_default('steps')}",
            f"`{PRESET['minimiser']}`, {PRESET['steps']}",
        ),
        _minimisers,
        "its minimiser",
    ),
    (
        "`--volume`",
        lambda: (
            "predicted",
            ", ".join(
                f"{volume:g} Å³/atom for {'-'.join(system)}"
                for system, volume in CHGGEN_VOLUMES.items()
            ),
        ),
        lambda: "holds for every composition",
        "",
    ),
    ("all", lambda: ("", "`--as chggen`"), lambda: "", "as chggen"),
)


def chggen_settings() -> str:
    """The settings; with what was measured, once it has been."""
    recorded = (RESULTS / f"{RECORD}.json").exists()
    summary = results(RECORD)["summary"] if recorded else {}
    head = ["setting", "default", "`--as chggen`", "why ours is the default"]
    systems = sorted(summary.get("default", {}))
    for system in systems:
        head += [f"{system}: symmetric", "median lowest E_d, meV/atom", "processor s a structure"]
    rows = []
    if recorded:
        rows.append(["none changed", "", "", "", *_measured(summary["default"], systems)])
    for setting, both, why, row in ROWS:
        measured = _measured(summary.get(row, {}), systems)
        rows.append([setting, *both(), why(), *measured])
    return table(head, rows)


def _measured(row: Mapping[str, Any], systems: list[str]) -> list[str]:
    """Symmetry success after inpainting, lowest E_d and time of each system; empty where none."""
    cells: list[str] = []
    for system in systems:
        if system not in row:
            cells += ["", "", ""]
            continue
        found = row[system]
        refined = found["stages"].get(
            "refined", {"symmetric": {"successes": 0, "trials": 0, "low": 0, "high": 1}}
        )
        lowest = [e for e in found["median_lowest_decomposition_energy"].values() if e is not None]
        cells += [
            of_with_interval(refined["symmetric"]),
            number(statistics.mean(lowest), ".0f", 1000) if lowest else "",
            number(found["cpu_seconds_a_structure"], ".1f"),
        ]
    return cells


TABLES: dict[str, Callable[[], str]] = {"chggen settings": chggen_settings}
