"""Tables of the score model and of the joint model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from record_values import (
    number,
    of_with_interval,
    percent,
    percents,
    protocol,
    results,
    span,
    table,
)

from gencsp.suites.suite import Suite

#: Columns of PIGEN's Extended Data Table 1, and the one before A-E of Table 2.
FILTERS = ("A'", "A", "B", "C", "D", "K", "A-D")
#: eV/atom above the hull, as Extended Data Table 2 counts survivors of E.
ABOVE_HULL = ("0.1", "0.05", "0.035", "0.025")


def denoising() -> str:
    head = (
        "rattled by",
        "before (median)",
        "after (median, 95 % interval)",
        "after (mean)",
        "nearer than before",
    )
    rows = []
    for rattle, row in results("denoising").items():
        after = row["after"]
        rows.append(
            (
                rattle,
                number(row["before"]["median"], ".3f"),
                f"{number(after['median'], '.3f')} ({span(after['median_95'], '.3f')})",
                number(after["mean"], ".3f"),
                number(row["share_improved"], ".1%"),
            )
        )
    return table(head, rows)


def validation_loss() -> str:
    bands = results("validation_loss")["bands"]
    rows = [
        (band, number(row["loss"], ".3f"), number(row["zero"], ".3f"))
        for band, row in bands.items()
    ]
    return table(("σ, Å", "loss", "of predicting zero"), rows)  # noqa: RUF001


def samplers() -> str:
    return _of_samplers("sampler_steps")


def samplers_beside_chggen() -> str:
    return _of_samplers("sampler_steps_chggen", seconds=True)


def sampler_levels() -> str:
    return _of_samplers("sampler_steps_levels", seconds=True)


def samplers_guests() -> str:
    return _of_samplers("sampler_steps_guests")


def _of_samplers(name: str, *, seconds: bool = False) -> str:
    head = [
        "sampler",
        "calls of the model",
        "matched",
        "meV/atom above",
        "structures a minute a core",
    ]
    if seconds:
        head.append("processor seconds")
    rows = []
    for sampler, row in results(name).items():
        above = number(row["median_energy_above_truth"], ".1f", 1000)
        cells = [
            sampler,
            str(row["calls"]),
            of_with_interval(row["matched"]),
            f"{above} ({span(row['median_95'], '.1f', 1000)})",
            number(row["structures_a_minute_one_core"], ".0f"),
        ]
        if seconds:
            cells.append(number(row["processor_seconds"], ".0f"))
        rows.append(cells)
    return table(head, rows)


def networks() -> str:
    found = results("architectures")
    head = ["network", "parameters", "ms a step"]
    head += [f"{one['cpu_seconds']:.0f} s" for one in found["density"]["curve"]]
    rows = [
        (
            name,
            number(row["parameters"], ",d"),
            number(row["ms_a_step"], ".0f"),
            *(number(one["mean_loss"], ".3f") for one in row["curve"]),
        )
        for name, row in found.items()
    ]
    return table(head, rows)


def joint_matches() -> str:
    sets = {
        "mp_20": "MP-20, 500 binaries and ternaries of the test split",
        "perov_5": "Perov-5, first 433 of `test_dev`",
        "carbon_24": "Carbon-24, `test_dev`, 500",
    }
    rows = []
    for name, title in sets.items():
        found = results(f"joint_matches_{name}")
        for k in ("1", "20"):
            ours = found["k"][k]
            rate = f"{percent(ours['matched'])} ({percents(ours['matched'])})"
            rmse = f"{ours['rmse']:.3f} ({span(ours['rmse_interval'], '.3f')})"
            theirs = [
                f"{number(rate, '.1f')}, {number(rmse, '.3f')}"
                for rate, rmse in (found["published"][m][k] for m in ("CDVAE", "DiffCSP"))
            ]
            rows.append((title if k == "1" else "", k, f"{rate}, {rmse}", *theirs))
    return table(("set", "k", "gencsp", "CDVAE", "DiffCSP"), rows)


def joint_samplers() -> str:
    head = ("sampler", "calls", "samples that match", "crystals within 4 samples", "pass filter A")
    rows = [
        (
            name,
            str(row["calls"]),
            of_with_interval(row["samples_that_match"]),
            of_with_interval(row["k = 4"]["matched"]),
            f"{percent(row['A'], 0)} %",
        )
        for name, row in results("joint_samplers").items()
    ]
    return table(head, rows)


def joint_compactness() -> str:
    paper = {
        "with it": _of_the_paper("unconditional"),
        "without": protocol("filters")["paper_percent"]["DiffCSP"],
    }
    records = {"with it": "joint_de_novo_compact", "without": "joint_de_novo_not_compact"}
    rows = [
        (title, results(name)["unconditional"], paper[title]) for title, name in records.items()
    ]
    return _of_filters("network", rows)


def _of_the_paper(row: str) -> dict[str, Any]:
    """What PIGEN reports of a row, in per cent."""
    values = Suite.open("pigen-funnel").published[0].values
    stable = [
        100 * values[f"{row}: A-E, {1000 * float(level):.0f} meV/atom"] for level in ABOVE_HULL
    ]
    return {**{one: 100 * values[f"{row}: {one}"] for one in FILTERS}, "A-E": stable}


def _of_filters(
    first: str, rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any] | None]]
) -> str:
    """Per cent that pass each filter; in square brackets the paper's."""
    lines = []
    for name, row, paper in rows:
        cells = [percent(row[one]) for one in FILTERS]
        stable = " / ".join(percent(row["A-E"][one]) for one in ABOVE_HULL)
        if paper is not None:
            cells = [f"{cell} [{paper[one]:.1f}]" for cell, one in zip(cells, FILTERS, strict=True)]
            stable += f" [{' / '.join(f'{one:.1f}' for one in paper['A-E'])}]"
        lines.append((name, *cells, stable))
    return table((first, *FILTERS, "A-E"), lines)


def energy_guidance() -> str:
    lines = []
    for strength, row in results("energy_guidance").items():
        cells = []
        for stage in ("as_proposed", "relaxed"):
            found = row[stage]
            for key in ("median", "median_difference"):
                middle, low, high = found[key]
                bounds = span((low, high), ".0f", 1000)
                cells.append(f"{number(middle, '.0f', 1000)} ({bounds})")
            cells.append(of_with_interval(found["within_0.1"]))
        seconds = number(row["processor_seconds_per_proposal"], ".2f")
        lines.append((strength, *cells, seconds))
    head = ["strength, 1/eV"]
    for stage in ("as proposed", "relaxed"):
        head += [f"E_d {stage}, meV/atom", "difference, meV/atom", "within 0.1 eV/atom"]
    return table((*head, "s a proposal"), lines)


TABLES: dict[str, Callable[[], str]] = {
    "energy guidance": energy_guidance,
    "denoising": denoising,
    "validation loss": validation_loss,
    "samplers": samplers,
    "samplers beside CHGGen's program": samplers_beside_chggen,
    "noise levels": sampler_levels,
    "samplers of guests": samplers_guests,
    "networks": networks,
    "joint matches": joint_matches,
    "joint samplers": joint_samplers,
    "joint compactness": joint_compactness,
}
