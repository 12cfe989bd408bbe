"""Tables of relaxation, random crystals and filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from record_values import number, of, percent, protocol, results, table
from tables_of_models import ABOVE_HULL, FILTERS

#: Contenders of ``engine_throughput.json``, and what the table calls them.
CONTENDERS = {
    "chgnet FIRE, 2 processes of 1 thread": "chgnet, FIRE, two processes",
    "chgnet StructOptimizer default, 2 threads": (
        "chgnet, `StructOptimizer` as it comes, two threads"
    ),
    "gencsp FIRE, 2 threads": "gencsp, FIRE, two threads",
    "gencsp default minimiser, 2 threads": "gencsp, default, two threads",
    "chgnet FIRE, symmetry kept, 2 processes of 1 thread": (
        "chgnet, FIRE under ASE's `FixSymmetry`, two processes"
    ),
    "gencsp FIRE, symmetry kept, 2 threads": "gencsp, FIRE, symmetry kept",
    "gencsp default minimiser, symmetry kept, 2 threads": "gencsp, default, symmetry kept",
}
#: Sets of ``filters.json``, what the table calls them, and the row of the paper to set beside it.
SETS = {
    "mattergen_chemical_system": "MatterGen, given a chemical system",
    "random_structure_search_chemical_system": "random structure search",
    "substitution_chemical_system": "substitution",
    "mp20_test_sample": "known crystals, MP-20 test sample",
    "pseudo-random": "pseudo-random",
}
PAPER = {
    "mattergen_chemical_system": ("MatterGen", "*the paper's, unconditional*"),
    "pseudo-random": ("pseudo-random", "*the paper's*"),
}


def throughput() -> str:
    found = results("engine_throughput")
    rows = []
    for name, title in CONTENDERS.items():
        cells = []
        for kind in ("random", "proposals"):
            row = found[kind][name]
            rate = row["structures_per_minute"]
            cell = number(rate, ".1f" if rate < 100 else ",.0f")
            if row["times_two_processes"] != 1:
                times = row["times_two_processes"]
                cell += f" ({number(times, '.1f' if times < 1 else '.0f')})"
            cells.append(cell)
        rows.append((title, *cells))
    return table(("", "random crystals", "proposals"), rows)


def engine_scaling() -> str:
    """One force call by number of atoms, before and after the engine's last change."""
    found = results("engine_scaling")
    best = found["force_calls"][0]["instruction_set"]
    before = {row["atoms"]: row for row in found["before"] if row["instruction_set"] == best}
    rows = []
    for row in found["force_calls"]:
        if row["instruction_set"] != best:
            continue
        old = before[row["atoms"]]
        rows.append(
            (
                f"{row['atoms']:,}",
                number(old["microseconds_per_atom"], ".0f"),
                number(row["microseconds_per_atom"], ".0f"),
                number(old["share_of_one_core_blas"], ".0f", 100) + " %",
                number(row["share_of_one_core_blas"], ".0f", 100) + " %",
                number(row["speed_up_two_threads_side_by_side"], ".2f"),
                number(old["speed_up_two_threads_together"], ".2f"),
                number(row["speed_up_two_threads_together"], ".2f"),
            )
        )
    return table(
        (
            "atoms",
            "µs an atom, before",
            "now",
            "of one core's BLAS, before",
            "now",
            "two threads, side by side",
            "on one structure, before",
            "now",
        ),
        rows,
    )


def minimisers() -> str:
    found = results("minimisers")
    kinds = ("random", "random, displaced", "proposals")

    def effort(name: str) -> list[str]:
        cells = []
        for kind in kinds:
            row = found[kind]["minimisers"][name]
            cells.append(
                f"{row['force_calls']:,}, {number(row['processor_seconds'], '.0f')}, "
                f"{percent(row['converged'])} %"
            )
        return cells

    minima = [found[kind]["minima"] for kind in kinds]
    return table(
        ("", *kinds),
        [
            ("FIRE: force calls, seconds, converged", *effort("FIRE")),
            ("quasi-Newton: the same", *effort("quasi-Newton")),
            (
                "same minimum, of those that converge further, to 0.01 eV/Å",
                *(of(one["same_minimum"]) for one in minima),
            ),
            (
                "energies there within 1 meV/atom",
                *(of(one["same_minimum, ends at 0.01 eV/Å"]["within_1_meV"]) for one in minima),
            ),
            (
                "other minimum: quasi-Newton higher, lower",
                *(_higher_lower(one) for one in minima),
            ),
        ],
    )


def _higher_lower(minima: Mapping[str, Any]) -> str:
    other = minima["different_minima, ends at 0.01 eV/Å"]
    return f"{other['higher']}, {other['lower']}"


def minimiser_variants() -> str:
    """Time and mean energy of the variants against the quasi-Newton on the same half of starts."""
    found = results("minimisers")
    kinds = ("random", "random, displaced", "proposals")
    rows = []
    for name in found["random"]["minimisers"]:
        if name in ("FIRE", "quasi-Newton", "FIRE, half", "quasi-Newton, half"):
            continue
        cells = []
        for kind in kinds:
            one, usual = (found[kind]["minimisers"][n] for n in (name, "quasi-Newton, half"))
            time = one["processor_seconds"] / usual["processor_seconds"] - 1
            key = "mean_energy_eV_per_atom"
            cells.append(f"{time:+.0%}, {1000 * (one[key] - usual[key]):+.0f}".replace("%", " %"))
        rows.append((name, *cells))
    return table(("variant", *kinds), rows)


def random_crystals() -> str:
    head = (
        "atoms in the cell",
        "PyXtal, a second",
        "ours, a second",
        "ratio",
        "drawn (PyXtal, ours)",
        "without room",
    )
    rows = []
    for name, row in results("random_crystals")["rates"].items():
        both = row["pyxtal"], row["ours"]
        rows.append(
            (
                name.removesuffix(" atoms"),
                *(_rate(one["crystals_per_second"]) for one in both),
                number(row["ratio"], ".0f"),
                ", ".join(f"{one['drawn']:,}" for one in both),
                ", ".join(str(one["failures"]) for one in both),
            )
        )
    return table(head, rows)


def unit_crystals() -> str:
    head = (
        "units in the cell",
        "PyXtal, a second",
        "ours, a second",
        "ratio",
        "ratio without PyXtal's search for orientations",
        "drawn of tried (PyXtal, ours)",
    )
    rows = []
    for name, row in results("unit_crystals").items():
        both = "pyxtal", "ours"
        rows.append(
            (
                name,
                *(_rate(row["made_per_second"][one]) for one in both),
                number(row["ratio"], ".0f"),
                number(row["ratio_without_its_orientations"], ".0f"),
                ", ".join(f"{row['made'][one]} of {row['tried'][one]}" for one in both),
            )
        )
    return table(head, rows)


def law_of_random_crystals() -> str:
    """p-values that both generators draw from one law; empty where all crystals are alike."""
    names = {
        "p_failures": "failures",
        "p_bravais": "Bravais lattices",
        "p_sites": "Wyckoff sites",
        "p_multiplicities": "multiplicities",
        "p_height": "height",
        "p_elongation": "elongation",
        "p_nearest_neighbours": "nearest neighbours",
    }
    rows = []
    for case, row in results("random_crystals")["law"].items():
        cells = [number(row[key], ".2f") if row.get(key, 1) < 1 else "" for key in names]
        rows.append((case, *(str(n) for n in row["drawn"].values()), *cells))
    return table(("crystals", "of PyXtal", "ours", *names.values()), rows)


def _rate(value: float) -> str:
    return number(value, ".1f" if value < 10 else ",.0f")


def filters() -> str:
    rows = []
    for name in ("pseudo-random", *(one for one in SETS if one != "pseudo-random")):
        row = results("filters")[name]
        size = f"{row['structures']:,}"
        if row["D"]["trials"] != row["structures"]:
            size += f"; D: {row['D']['trials']}"
        rows.append((f"{SETS[name]} ({size})", *(percent(row[one]) for one in FILTERS)))
        if name in PAPER:
            key, title = PAPER[name]
            paper = protocol("filters")["paper_percent"][key]
            rows.append((title, *(str(paper[one]) for one in FILTERS)))
    return table(("", *FILTERS), rows)


def hull_filter() -> str:
    """Per cent within 0.1 / 0.05 / 0.035 / 0.025 eV/atom of the hull, alone and behind A-D."""
    papers = protocol("filters")["paper_percent"]
    rows = []
    for name, title in SETS.items():
        row = results("filters")[name]
        size, judged = row["structures"], row["E"]["0.1"]["trials"]
        count = f"{size}" if judged == size else f"{judged} drawn; A-E: {size:,}"
        rows.append(
            (
                f"{title} ({count})",
                _within(row["E"], digits=0),
                _within(row["A-E"], digits=1 if size != judged else 0),
                f"{percent(row['S.U.N.'], 0)}",
            )
        )
        if name in PAPER:
            key = PAPER[name][0]
            label = "*the paper's, unconditional*" if key == "MatterGen" else "*the paper's*"
            rows.append((label, "", _listed(papers[key]["A-E"]), ""))
    best = papers["PIGEN | (M_LED = 9, C = 0.7)"]["A-E"]
    rows.append(("*the paper's PIGEN, M_LED = 9, C = 0.7*", "", _listed(best), ""))
    return table(("", "E alone", "A-E", "S.U.N."), rows)


def _within(shares: Mapping[str, Mapping[str, float]], *, digits: int) -> str:
    return " / ".join(percent(shares[one], digits) for one in ABOVE_HULL)


def _listed(values: Sequence[float]) -> str:
    return " / ".join(str(one) for one in values)


def implausible() -> str:
    """What filter A lets pass of validation crystals and of implausible variants of them."""
    passed = results("pair_potential_choice")["chosen"]["passed"]["validation"]
    return table(("", "passes A"), [(name, f"{percent(one)} %") for name, one in passed.items()])


TABLES: dict[str, Callable[[], str]] = {
    "throughput": throughput,
    "engine scaling": engine_scaling,
    "minimisers": minimisers,
    "variants of the minimiser": minimiser_variants,
    "random crystals": random_crystals,
    "law of random crystals": law_of_random_crystals,
    "crystals of units": unit_crystals,
    "filters": filters,
    "hull filter": hull_filter,
    "implausible": implausible,
}
