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


def joint_de_novo() -> str:
    rows = results("joint_de_novo")
    papers = {name: row["paper_percent"] for name, row in rows.items()}
    # Without guidance there is no row of the paper.
    papers["C = 0.7, without guidance"] = None
    return _of_filters("row", [(name, row, papers[name]) for name, row in rows.items()])


def joint_compactness() -> str:
    paper = {
        "with it": results("joint_de_novo")["unconditional"]["paper_percent"],
        "without": protocol("filters")["paper_percent"]["DiffCSP"],
    }
    records = {"with it": "joint_de_novo_compact", "without": "joint_de_novo_not_compact"}
    rows = [
        (title, results(name)["unconditional"], paper[title]) for title, name in records.items()
    ]
    return _of_filters("network", rows)


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


def joint_targets() -> str:
    rows = results("joint_de_novo")
    base = rows["unconditional"]

    def medians(row: str, name: str, spec: str, key: str) -> str:
        middle, low, high = rows[row]["properties"][name][key]
        return f"{number(middle, spec)} ({span((low, high), spec)})"

    def share(row: Mapping[str, Any], *, interval: bool) -> str:
        bounds = f" ({percents(row)})" if interval else ""
        return f"{percent(row)} %{bounds}"

    def papers(row: str, column: str) -> str:
        ends = [one["paper_percent"][column] for one in (base, rows[row])]
        return f"{ends[0]:.1f} → {ends[1]:.1f} %"

    def near(row: str) -> str:
        ends = [one["paper_percent"]["A-E"][1] for one in (base, rows[row])]
        return f"{ends[0]:.1f} → {ends[1]:.1f} %"

    both, free = "M_LED = 9, C = 0.7", rows["C = 0.7, without guidance"]
    gain = 100 * (rows["C = 0.7"]["C"]["share"] - base["C"]["share"])
    above = "A-E at 50 meV/atom"
    return table(
        ("target", "measured by", "without target", "with it", "the paper's networks"),
        [
            (
                "C = 0.7",
                "share with C between 0.55 and 0.85",
                share(base["C"], interval=True),
                f"**{share(rows['C = 0.7']['C'], interval=True)}, {gain:+.0f} points**",
                papers("C = 0.7", "C"),
            ),
            (
                "",
                "the same, weight 1 (conditional, no guidance)",
                "",
                share(free["C"], interval=True),
                "",
            ),
            (
                "",
                "median C",
                medians("C = 0.7", "compactness", ".3f", "median_unconditional"),
                medians("C = 0.7", "compactness", ".3f", "median"),
                "",
            ),
            (
                "M_LED = 9",
                "median M_LED, bits",
                medians("M_LED = 9", "m_led", ".2f", "median_unconditional"),
                medians("M_LED = 9", "m_led", ".2f", "median"),
                "",
            ),
            (
                "",
                "share that passes D, of 300",
                share(base["D"], interval=False),
                share(rows["M_LED = 9"]["D"], interval=False),
                papers("M_LED = 9", "D"),
            ),
            (
                "K = 3",
                "share that passes K",
                share(base["K"], interval=False),
                share(rows["K = 3"]["K"], interval=False),
                papers("K = 3", "K"),
            ),
            (
                "",
                "median K, bits/atom",
                medians("K = 3", "complexity", ".2f", "median_unconditional"),
                medians("K = 3", "complexity", ".2f", "median"),
                "",
            ),
            (
                "E_hull = 0",
                above,
                share(base["A-E"]["0.05"], interval=False),
                share(rows["E_hull = 0"]["A-E"]["0.05"], interval=False),
                near("E_hull = 0"),
            ),
            (
                both,
                "A-D",
                share(base["A-D"], interval=True),
                share(rows[both]["A-D"], interval=True),
                papers(both, "A-D"),
            ),
            (
                "",
                above,
                share(base["A-E"]["0.05"], interval=False),
                share(rows[both]["A-E"]["0.05"], interval=False),
                near(both),
            ),
        ],
    )


#: How many prototypes are looked through in :func:`joint_novelty`.
PROTOTYPES = ("1", "10", "50")


def joint_novelty() -> str:
    """Share of those that pass A-C outside the first N prototypes, F, and S.U.N."""
    rows, lines = results("joint_de_novo"), []
    # Older records kept the share outside the first hundred alone.
    kept = [n for n in PROTOTYPES if all("unmatched_after_prototypes" in r for r in rows.values())]
    for name, row in rows.items():
        paper = row["paper_percent"] or {}
        cells = [f"{100 * row['unmatched_after_prototypes'][n]:.0f}" for n in kept]
        matched = row["prototype_matched"]
        outside = f"{100 * (1 - matched['share']):.0f}"
        outside += f" ({100 * (1 - matched['high']):.0f}-{100 * (1 - matched['low']):.0f})"
        if "outside 100" in paper:
            outside += f" [{paper['outside 100']:.0f}]"
        greatest = row["greatest_M_LED_in_A-E_at_0.05"]
        greatest = "" if greatest is None else f"{greatest:.1f}"
        if "F" in paper:
            greatest += f" [{paper['F']:.1f}]"
        sun = row["S.U.N."]
        lines.append((name, *cells, outside, greatest, f"{percent(sun, 0)} ({percents(sun)})"))
    head = ("row", *(f"outside {n}, %" for n in (*kept, "100")), "F, bits", "S.U.N., %")
    return table(head, lines)


#: What the rows of :func:`joint_parts` are named by, in the order of the table.
ARMS = {
    "none": "no target",
    "sizes": "sizes by the target alone",
    "guidance": "guidance alone, sizes as in training (the paper's way)",
    "both": "both",
    "symmetry": "guidance and a space group drawn, sizes as in training",
}
#: Medians of :func:`joint_parts`: property, title, format.
MEDIANS = (
    ("compactness", "median C", ".2f"),
    ("m_led", "median M_LED", ".2f"),
    ("complexity", "median K", ".2f"),
    ("atoms", "median atoms", ".0f"),
)


def joint_parts() -> str:
    """Per cent that pass each filter with 95 % intervals, and medians, by part of a target."""
    rows = results("joint_parts")
    lines = []
    for name, row in rows.items():
        for arm, title in ARMS.items():
            if arm not in row["arms"]:
                continue
            found = row["arms"][arm]
            shares = [f"{percent(found[one], 0)} ({percents(found[one])})" for one in PARTS]
            medians = []
            for key, _, spec in MEDIANS:
                middle, low, high = found["medians"][key]
                medians.append(f"{number(middle, spec)} ({span((low, high), spec)})")
            lines.append((name, title, *shares, *medians))
    return table(("row", "what has the target", *PARTS, *(title for _, title, _ in MEDIANS)), lines)


#: Columns of :func:`joint_parts`.
PARTS = ("A", "B", "C", "D", "K", "A-D")


def joint_moved() -> str:
    """What moved each target: difference in points from what is without it, and the medians."""
    rows = results("joint_parts")
    free = rows["unconditional"]["arms"]
    specs = {key: spec for key, _, spec in MEDIANS}

    def cell(row: Mapping[str, Any], target: str, arm: str) -> str:
        found = row["moved"][target].get(arm)
        if found is None:
            return ""
        low, high = 100 * found["low"], 100 * found["high"]
        text = f"{100 * found['difference']:+.0f} ({low:+.0f} to {high:+.0f})"
        if target in specs:
            base = free["symmetry" if arm == "symmetry" else "none"]
            ends = [one["medians"][target][0] for one in (base, row["arms"][arm])]
            text += f"; {' → '.join(number(end, specs[target]) for end in ends)}"
        return text

    parts = ("sizes", "guidance", "both", "symmetry")
    lines = [
        (name, target, *(cell(row, target, arm) for arm in parts), moved["moved_by"])
        for name, row in rows.items()
        for target, moved in row["moved"].items()
    ]
    return table(("row", "measured by", *parts, "what moved it"), lines)


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
    "joint novelty": joint_novelty,
    "joint parts": joint_parts,
    "joint moved": joint_moved,
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
    "joint de novo": joint_de_novo,
    "joint compactness": joint_compactness,
    "joint targets": joint_targets,
}
