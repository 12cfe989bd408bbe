"""gencsp's cycle beside CHGGen's own settings: symmetry success, E_d and processor time.

    python benchmarks/chggen_settings.py -n 10 --seeds 2
    python benchmarks/chggen_settings.py --formulas-of tools/reported_formulas.json

Each row is ``gencsp cycle`` with its defaults, as ``--as chggen``, or with one setting of the other
kind. All rows have the same compositions, cell sizes, seeds and numbers of structures. A run is
written down as soon as it has ended, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import reported
import torch
from ase import Atoms

from gencsp import records
from gencsp.convex_hull.hull import Hull
from gencsp.executors import ThisProcess
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.plugins.presets import PRESETS
from gencsp.provenance import Stage
from gencsp.runs.cycle import cycle_parts, cycle_settings
from gencsp.runs.decks import CycleDeck
from gencsp.searches.cycle import Cycle
from gencsp.searches.tasks import cached_make, usable
from gencsp.store import MemoryStore
from gencsp.symmetry.ladder import LOW_SYMMETRY, LOW_SYMMETRY_LI_SI

CHGGEN = PRESETS["chggen"]
SAMPLING = ("sampler", "levels", "correctors", "sigma_min", "resample", "jump_length")


@dataclass(frozen=True)
class Case:
    """A composition in a cell of fixed size.

    Attributes:
        system: under which it is counted.
        formula: of the whole cell.
        guests: taken out and inpainted; chosen by the cycle where there are none.
        low: space groups that do not count as symmetric.
    """

    system: str
    formula: str
    guests: tuple[str, ...] | None = None
    low: frozenset[int] = LOW_SYMMETRY


#: As CHGGen, Fig. 4 and 6.
CASES = (
    Case("Zn-P-S", "Zn2P4S12", ("Zn",)),
    Case("Zn-P-S", "Zn2P2S7", ("Zn",)),
    Case("Li-Si", "Li10Si4", ("Li",), LOW_SYMMETRY_LI_SI),
    Case("Li-Si", "Li8Si4", ("Li",), LOW_SYMMETRY_LI_SI),
)


def only(*names: str) -> dict[str, Any]:
    """These settings of the preset, all others as they are by default."""
    return {name: CHGGEN[name] for name in names}


#: Settings of a deck by the name of a row.
ROWS: dict[str, dict[str, Any]] = {
    "default": {},
    "as chggen": {"preset": "chggen"},
    "its sampler": only(*SAMPLING),
    "its proposer": only("proposer"),
    "its inpainter": only("inpainter"),
    "its ladder": only("ladder"),
    "its groups on the default ladder": {"ladder": "above-Pm"},
    "its minimiser": only("minimiser", "steps"),
    "as chggen, default sampler": {
        "preset": "chggen",
        "sampler": "thorough",
        **dict.fromkeys(SAMPLING[1:]),
    },
}


def run(case: Case, row: str, seed: int, n: int) -> dict[str, Any]:
    """One cycle in this process; its models are loaded before the clock starts."""
    deck = CycleDeck.make(formula=case.formula, guests=case.guests, n=n, seed=seed, **ROWS[row])
    makers = cycle_parts(deck)
    for maker in makers:
        cached_make(maker)
    proposer, inpainter, relaxer = makers
    hull, store = Hull.load(), MemoryStore()
    begun = time.process_time()
    with ThisProcess() as executor:
        cycle = Cycle(
            cycle_settings(deck),
            proposer=proposer,
            inpainter=inpainter,
            relaxer=relaxer,
            hull=hull,
            store=store,
            executor=executor,
            same="close",
        )
        for _ in cycle.irun():
            pass
    seconds = time.process_time() - begun
    found = {stage: of_stage(store, stage) for stage in Stage}
    return {
        "formula": case.formula,
        "system": case.system,
        "seed": seed,
        "generated": len(found[Stage.GENERATED]),
        "frameworks": len(found[Stage.FRAMEWORK]),
        "inpainted": len(found[Stage.INPAINTED]),
        "guests": list(cycle.guests or ()),
        "cpu_seconds": seconds,
        "failures": dict(cycle.failures()),
        "converged": [
            {
                "stage": str(stage),
                "proposer": str(atoms.info[records.PROPOSER]),
                "space_group": int(atoms.info[records.SPACE_GROUP_NUMBER]),
                "decomposition_energy": records.number(atoms.info, records.DECOMPOSITION_ENERGY),
            }
            for stage in (Stage.RELAXED, Stage.REFINED)
            for atoms in usable(found[stage])
        ],
    }


def of_stage(store: MemoryStore, stage: Stage) -> list[Atoms]:
    """Structures of a stage."""
    kept = (store.get(task) for task in store.tasks() if task.startswith(f"{stage}-"))
    return [atoms for finished in kept if finished is not None for atoms in finished.structures]


def summary(runs: Sequence[dict[str, Any]], low: frozenset[int]) -> dict[str, Any]:
    """Of the runs of one row in one system."""
    stages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in runs:
        for structure in one["converged"]:
            stages[structure["stage"]].append(structure)
            stages[f"{structure['stage']}, {structure['proposer']}"].append(structure)
    lowest: dict[str, list[float]] = defaultdict(list)
    for one in runs:
        energies = [s["decomposition_energy"] for s in one["converged"]]
        lowest[one["formula"]].append(min((e for e in energies if e is not None), default=np.inf))
    generated = sum(one["generated"] for one in runs)
    seconds = sum(one["cpu_seconds"] for one in runs)
    return {
        "runs": len(runs),
        **{key: sum(one[key] for one in runs) for key in ("generated", "frameworks", "inpainted")},
        "stages": {name: of_structures(ended, low) for name, ended in sorted(stages.items())},
        "median_lowest_decomposition_energy": {
            formula: statistics.median(values) for formula, values in lowest.items()
        },
        "cpu_seconds": seconds,
        "cpu_seconds_a_structure": seconds / max(1, generated),
    }


def of_structures(ended: Sequence[dict[str, Any]], low: frozenset[int]) -> dict[str, Any]:
    """Symmetry success and decomposition energies of converged structures."""
    energies = [e for one in ended if (e := one["decomposition_energy"]) is not None]
    symmetric = sum(one["space_group"] not in low for one in ended)
    counts = Counter(one["space_group"] for one in ended)
    found: dict[str, Any] = {
        "symmetric": share(symmetric, len(ended)),
        "space_groups": {str(number): n for number, n in sorted(counts.items())},
    }
    if energies:
        rng = np.random.default_rng(0)
        found["median_decomposition_energy"] = statistics.median(energies)
        found["median_decomposition_energy_95"] = bootstrap_interval(energies, rng=rng)
    return found


def summaries(
    runs: dict[str, list[dict[str, Any]]], cases: Sequence[Case]
) -> dict[str, dict[str, Any]]:
    """By row and system."""
    found: dict[str, dict[str, Any]] = {}
    for row, done in runs.items():
        for case in cases:
            of_system = [one for one in done if one["system"] == case.system]
            if of_system:
                found.setdefault(row, {})[case.system] = summary(of_system, case.low)
    return found


def missing(
    cases: Sequence[Case],
    rows: Sequence[str],
    seeds: int,
    known: dict[str, list[dict[str, Any]]],
) -> Iterator[tuple[Case, str, int]]:
    """What is to be run: seed by seed, so that what is there at any time is balanced."""
    for seed in range(seeds):
        for case in cases:
            for row in rows:
                done = {(one["formula"], one["seed"]) for one in known.get(row, [])}
                if (case.formula, seed) not in done:
                    yield case, row, seed


def cases_of(file: Path | None, part: str) -> tuple[Case, ...]:
    """The paper's compositions, or those of a part of a file of ``tools/draw_formulas.py``."""
    if file is None:
        return CASES
    return tuple(Case(part, formula) for formula in reported.formulas(file, part))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=10, help="structures of each run")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each row and composition")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--systems", nargs="*", help="of the paper's; all if not given")
    reported.add_options(parser)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/chggen_settings.json"))
    args = parser.parse_args()

    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    cases = cases_of(args.formulas_of, args.part)
    if args.systems:
        cases = tuple(case for case in cases if case.system in args.systems)
    runs: dict[str, list[dict[str, Any]]] = {}
    if args.out.exists():
        before = json.loads(args.out.read_text("utf-8"))
        runs = before["results"]["runs"]
        if before["sample_size"]["structures of each run"] != args.n:
            parser.error(f"{args.out} holds runs of another -n: name another --out.")
    for case, row, seed in missing(cases, args.rows, args.seeds, runs):
        runs.setdefault(row, []).append(run(case, row, seed, args.n))
        write(args.out, runs, cases, args)
        done = runs[row][-1]
        print(row, case.formula, seed, f"{done['cpu_seconds']:.0f} s", flush=True)


def write(
    out: Path,
    runs: dict[str, list[dict[str, Any]]],
    cases: Sequence[Case],
    args: argparse.Namespace,
) -> None:
    """Write all runs so far and what they come to."""
    record(
        out,
        measured="share of converged structures above the low space groups at 0.1 Å and 10 "
        "degrees, decomposition energies in eV/atom by CHGNet, and processor seconds, of cycles by "
        "their settings",
        sample_size={"structures of each run": args.n, "runs": sum(map(len, runs.values()))},
        seed=list(range(args.seeds)),
        intervals=(WILSON, BOOTSTRAP),
        protocol={
            "rows": {row: ROWS[row] for row in runs},
            "systems": {case.system: sorted(case.low) for case in cases},
            "low space groups": "those that do not count as symmetric stand beside each system",
            "cells": "the formula is the cell; the same for all rows",
            "volumes": "as chggen: those of the paper; otherwise predicted",
            "not as in the paper": "score model and its training data, 5 Å as the largest noise, "
            "framework in its own cell with the operations averaged over",
            "in_sample": "CHGNet was trained on Materials Project data; E_d by gencsp's hull",
        },
        results={"summary": summaries(runs, cases), "runs": runs},
    )


if __name__ == "__main__":
    main()
