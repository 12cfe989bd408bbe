"""Relaxations and time until the known ground state is found, search by search.

    python benchmarks/search_ground_states.py CSPBENCH_DEV.extxyz.gz

Every search gets the composition with the number of atoms of the known primitive cell, and nothing
else. Seeded and unseeded searches differ in their seeds alone, unless --generative-moves adds the
moves of the score model to the seeded ones.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from ase import Atoms

from gencsp.assembly_search import GENETIC_MOVES, HOP_MOVES, Plan
from gencsp.benchmark.record import record
from gencsp.benchmark.statistics import share
from gencsp.composition import Composition
from gencsp.decks import SearchDeck
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.engine.select import get_engine
from gencsp.execute import ThisProcess
from gencsp.io import write_extxyz
from gencsp.relax import relax
from gencsp.search.moves import get_move
from gencsp.store import MemoryStore

DRAWN_WITH = 0
METHODS = ("random", "hop", "genetic")
SEEDINGS = {"unseeded": (), "seeded": ("mixed",)}
#: Searches of at most so many relaxations count as a success in the table.
MARKS = (50, 100)


@dataclass(frozen=True, slots=True)
class Case:
    """A composition to search, and where its known crystal lies.

    Attributes:
        truth: the known crystal.
        relaxed: the same, relaxed by the potential of the search.
        energy: of that, eV/atom.
    """

    truth: Atoms
    relaxed: Atoms
    energy: float

    @property
    def formula(self) -> str:
        return str(self.truth.get_chemical_formula())


def cases(path: Path, *, most_atoms: int, n: int | None, formulas: Sequence[str]) -> list[Case]:
    """Crystals of a file that are small enough, relaxed; n of them drawn, or those named."""
    pool = [atoms for atoms in stream_extxyz(path) if len(atoms) <= most_atoms]
    if formulas:
        wanted = {Composition.parse(f).reduced.counts for f in formulas}
        names = {tuple(sorted(counts)) for counts in wanted}
        pool = [a for a in pool if tuple(sorted(Composition.of(a).counts)) in names]
    elif n is not None:
        order = np.random.default_rng(DRAWN_WITH).permutation(len(pool))[:n]
        pool = [pool[k] for k in sorted(order)]
    done = relax(pool, minimiser="quasi-newton", keep_symmetry=True)
    return [
        Case(pool[r.index], r.atoms, r.energy_per_atom)
        for r in sorted(done, key=lambda r: r.index)
        if r.converged
    ]


def search_once(
    case: Case, method: str, seeds: tuple[str, ...], moves: tuple[str, ...] | None, args: Any
) -> Iterator[dict[str, Any]]:
    """One line for each seed of the generators."""
    composition = Composition.of(case.truth)
    for seed in range(args.seeds):
        with TemporaryDirectory() as folder:
            target = Path(folder) / "target.extxyz"
            write_extxyz(target, [case.truth, case.relaxed])
            deck = SearchDeck.make(
                formula=str(composition),
                units=(len(case.truth) // composition.size,),
                atoms=len(case.truth),
                method=method,
                seeds=seeds,
                moves=moves,
                budget=args.budget,
                seed=seed,
                target=target,
            )
            plan = Plan.of(deck)
        run = plan.search(MemoryStore(), ThisProcess())
        begun, lower = time.perf_counter(), None
        for step in run.irun():
            result = step.result
            if lower is None and result is not None and result.fitness < case.energy - 1e-3:
                lower = run.books.relaxed
        found = run.books.relaxed if run.books.target else None
        best = run.books.best
        yield {
            "seed": seed,
            "found": found,
            "lower_than_known": lower,
            "seconds": time.perf_counter() - begun,
            "stages": {stage: round(s, 2) for stage, s in run.running.seconds.items()},
            "relaxations": run.books.relaxed,
            "best_above_known": None
            if best is None
            else float(best.info["energy_per_atom"]) - case.energy,
        }


def summary(rows: Sequence[dict[str, Any]], budget: int) -> dict[str, Any]:
    """Median over runs (one that found nothing counts as more than the budget), and successes."""
    found = [row["found"] for run in rows for row in run["runs"]]
    numbers = [float("inf") if n is None else float(n) for n in found]
    seconds = [row["seconds"] for run in rows for row in run["runs"]]
    median = statistics.median(numbers)
    return {
        "median_relaxations": None if median == float("inf") else median,
        "median_seconds": statistics.median(seconds),
        **{
            f"within_{mark}": share(sum(n <= mark for n in numbers), len(numbers))
            for mark in MARKS
            if mark <= budget
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="known crystals, extxyz")
    parser.add_argument("--compositions", type=int, default=12)
    parser.add_argument("--formulas", nargs="*", default=[], help="these instead of drawn ones")
    parser.add_argument("--most-atoms", type=int, default=12)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each search")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--generative-moves", action="store_true")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/search_ground_states.json")
    )
    args = parser.parse_args()

    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
    get_engine("auto")
    chosen = cases(
        args.data, most_atoms=args.most_atoms, n=args.compositions, formulas=args.formulas
    )
    results: dict[str, Any] = {}
    for method in args.methods:
        for seeding, seeds in SEEDINGS.items():
            moves = _moves(method, generative=args.generative_moves and bool(seeds))
            rows = []
            for case in chosen:
                runs = list(search_once(case, method, seeds, moves, args))
                rows.append({"formula": case.formula, "runs": runs})
                print(method, seeding, case.formula, [run["found"] for run in runs], flush=True)
            name = f"{method}, {seeding}"
            results[name] = {**summary(rows, args.budget), "compositions": rows}
            record(args.out, protocol=_protocol(args, chosen), results=results)
    for name, result in results.items():
        print(name, {key: value for key, value in result.items() if key != "compositions"})


def _moves(method: str, *, generative: bool) -> tuple[str, ...] | None:
    if method == "random":
        return None
    own = HOP_MOVES if method == "hop" else GENETIC_MOVES
    return own if generative else tuple(m for m in own if not get_move(m).needs_model)


def _protocol(args: Any, chosen: Sequence[Case]) -> dict[str, Any]:
    return {
        "what": "relaxations (CHGNet, quasi-Newton, fmax 0.1 eV/Å, 200 steps) until pymatgen's "
        "StructureMatcher at its defaults takes a relaxed structure for the known crystal, as it "
        "is or relaxed by CHGNet; lower_than_known: until one lies 1 meV/atom below that",
        "given": "composition and number of atoms of the known primitive cell",
        "seeded": "three structures without parents in four from 'mixed', the others from "
        "'random'; generative moves " + ("added" if args.generative_moves else "left out"),
        "median": "over compositions and seeds; null where half of the runs found nothing",
        "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals; "
        "their formulas were held out from score model, volume fit and symmetry prior",
        "data": args.data.name,
        "compositions": [case.formula for case in chosen],
        "budget": args.budget,
        "seeds": args.seeds,
        "threads": 1,
    }


if __name__ == "__main__":
    main()
