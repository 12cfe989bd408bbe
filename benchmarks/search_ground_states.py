"""Relaxations and time until the known ground state is found, search by search.

    python benchmarks/search_ground_states.py CSPBENCH_DEV.extxyz.gz --cryspy ENVIRONMENT

Every search gets the composition with the number of atoms of the known primitive cell, and nothing
else. Seeded and unseeded searches differ in their seeds alone: the moves of the score model are
left out of both. ENVIRONMENT is a virtual environment with csp-cryspy. Searches that the file of
results has already are not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import reported
import torch
from ase import Atoms
from cryspy_host import KINDS, Client, deck_of

from gencsp.composition import Composition
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.executors import ThisProcess
from gencsp.io.structures import write_extxyz
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.minimise import RelaxSettings
from gencsp.minimise.result import Relaxed
from gencsp.proposers import Request, get_proposer
from gencsp.runs.decks import SearchDeck
from gencsp.runs.parts import NamedRelaxer
from gencsp.runs.relaxing import relax
from gencsp.runs.search import Plan
from gencsp.searches.basin_hopping import HOP_MOVES
from gencsp.searches.genetic import GENETIC_MOVES
from gencsp.searches.moves import get_move
from gencsp.similarity import same_crystal
from gencsp.store import MemoryStore

DRAWN_WITH = 0
#: Searches of at most so many relaxations count as a success in the table.
MARKS = (50, 100)
#: A poor pool: so many structures without symmetry at a volume so many times too large.
POOR, POOR_VOLUME = 40, 1.6
#: How structures relax: freely, in their symmetry, or in it and then out of it.
FREE: dict[str, Any] = {}
KEPT: dict[str, Any] = {"keep_symmetry": True}
RELEASED: dict[str, Any] = {"keep_symmetry": True, "rattle": 0.01}
SHAKEN: dict[str, Any] = {"rattle": 0.01}


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

    @property
    def composition(self) -> Composition:
        return Composition.of(self.truth)

    @property
    def units(self) -> int:
        return len(self.truth) // self.composition.size


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of search: our method, its seeds, and how structures relax."""

    method: str
    seeds: tuple[str, ...] = ()
    relaxing: tuple[tuple[str, Any], ...] = ()


def kinds(how: dict[str, Any]) -> dict[str, Kind]:
    """All searches by name; ``how`` is how structures relax where that is not what is compared."""
    own = tuple(how.items())
    methods = ("random", "hop", "genetic")
    found = {f"{method}, unseeded": Kind(method, (), own) for method in methods}
    found |= {f"{method}, seeded": Kind(method, ("mixed",), own) for method in methods}
    found |= {name: Kind(name, (), own) for name in KINDS}
    found |= {f"{m}, poor seeds": Kind(m, ("POOR",), own) for m in ("random", "genetic")}
    for name, settings in (
        ("relaxed freely", FREE),
        ("symmetry kept", KEPT),
        ("kept, rattled, freed", RELEASED),
        ("rattled, freed", SHAKEN),
    ):
        if settings != how:
            found[f"random, unseeded, {name}"] = Kind("random", (), tuple(settings.items()))
    return found


def cases(path: Path, *, most_atoms: int, n: int | None, formulas: Sequence[str]) -> list[Case]:
    """Crystals of a file that are small enough, relaxed; n of them drawn, or those named."""
    pool = [atoms for atoms in stream_extxyz(path) if len(atoms) <= most_atoms]
    if formulas:
        wanted = {Composition.parse(f).reduced for f in formulas}
        pool = [a for a in pool if Composition.of(a) in wanted]
    elif n is not None:
        order = np.random.default_rng(DRAWN_WITH).permutation(len(pool))[:n]
        pool = [pool[k] for k in sorted(order)]
    done = relax(pool, minimiser="quasi-newton", keep_symmetry=True)
    return [
        Case(pool[r.index], r.atoms, r.energy_per_atom)
        for r in sorted(done, key=lambda r: r.index)
        if r.converged
    ]


def our_search(case: Case, kind: Kind, seed: int, budget: int) -> dict[str, Any]:
    """One of our searches, in this process, on one thread."""
    own = {"hop": HOP_MOVES, "genetic": GENETIC_MOVES}.get(kind.method, ())
    with TemporaryDirectory() as folder:
        target = Path(folder) / "target.extxyz"
        write_extxyz(target, [case.truth, case.relaxed])
        seeds = kind.seeds
        if seeds == ("POOR",):
            pool = Path(folder) / "poor.extxyz"
            write_extxyz(pool, poor_pool(case, seed))
            seeds = (str(pool),)
        deck = SearchDeck.make(
            formula=str(case.composition),
            units=(case.units,),
            atoms=len(case.truth),
            method=kind.method,
            seeds=seeds,
            moves=tuple(name for name in own if not get_move(name).needs_model) or None,
            budget=budget,
            seed=seed,
            target=target,
            **dict(kind.relaxing),
        )
        plan = Plan.of(deck)
    run = plan.search(MemoryStore(), ThisProcess())
    begun, cpu, lower = time.perf_counter(), time.process_time(), None
    for step in run.irun():
        result = step.result
        if lower is None and result is not None and result.fitness < case.energy - 1e-3:
            lower = run.ledger.relaxed
    best = run.ledger.best
    return {
        "found": run.ledger.relaxed if run.ledger.target else None,
        "lower_than_known": lower,
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": time.process_time() - cpu,
        "stages": {stage: round(s, 2) for stage, s in run.runner.seconds.items()},
        "relaxations": run.ledger.relaxed,
        "best_above_known": None
        if best is None
        else float(best.info["energy_per_atom"]) - case.energy,
    }


def poor_pool(case: Case, seed: int) -> list[Atoms]:
    """Seeds of the right composition that lead nowhere in particular."""
    request = Request(composition=case.composition, n=POOR, units=(case.units,), space_groups=(1,))
    proposer = get_proposer("random")
    made = list(proposer.propose(request, rng=np.random.default_rng([seed, POOR])))
    for atoms in made:
        atoms.set_cell(atoms.cell.array * POOR_VOLUME ** (1 / 3), scale_atoms=True)
    return made


def cryspy_search(case: Case, kind: Kind, seed: int, budget: int, client: Client) -> dict[str, Any]:
    """One of CrySPY's, its structures relaxed here one by one."""
    relaxer = NamedRelaxer()()
    settings = RelaxSettings(keep_symmetry=bool(dict(kind.relaxing).get("keep_symmetry")))
    rattle = float(dict(kind.relaxing).get("rattle", 0.0))
    rng = np.random.default_rng(seed)
    spent, cpu, before = [0.0], [0.0], client.cpu_seconds

    def relax_one(atoms: Atoms) -> Relaxed:
        begun, used = time.perf_counter(), time.process_time()
        if not settings.keep_symmetry and rattle:
            atoms.positions += rng.normal(scale=rattle, size=atoms.positions.shape)
        (done,) = relaxer([atoms], settings)
        if settings.keep_symmetry and rattle and done.converged:
            again = Atoms(done.atoms.numbers, cell=done.atoms.cell, pbc=True)
            again.positions = done.atoms.positions + rng.normal(
                scale=rattle, size=done.atoms.positions.shape
            )
            (done,) = relaxer([again], RelaxSettings())
        spent[0] += time.perf_counter() - begun
        cpu[0] += time.process_time() - used
        return done

    targets = (case.truth, case.relaxed)
    deck = deck_of(kind.method, case.composition, case.units, seed=seed)
    begun, lower, best, number = time.perf_counter(), None, float("inf"), 0
    found = None
    with TemporaryDirectory() as folder:
        search = client.search(Path(folder), deck, relax_one)
        for number, done in enumerate(search, start=1):
            if done.converged:
                best = min(best, done.energy_per_atom)
                if lower is None and done.energy_per_atom < case.energy - 1e-3:
                    lower = number
                if any(same_crystal(done.atoms, target) for target in targets):
                    found = number
            if found or number == budget:
                break
        search.close()
    return {
        "found": found,
        "lower_than_known": lower,
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": cpu[0] + client.cpu_seconds - before,
        "stages": {"relax": round(spent[0], 2)},
        "relaxations": number,
        "best_above_known": best - case.energy if np.isfinite(best) else None,
    }


def summary(runs: Sequence[dict[str, Any]], budget: int) -> dict[str, Any]:
    """Median over runs (one that found nothing counts as more than the budget), and successes.

    Intervals are over the runs, drawn anew with all their seeds composition by composition.
    """
    by_case = list(_by_formula(runs).values())
    return {
        "runs": len(runs),
        "median_relaxations": _median(runs, "found"),
        "median_relaxations_95": _resampled(by_case, lambda rows: _median(rows, "found")),
        "median_wall_seconds": _median(runs, "seconds"),
        **_processor_time([run for run in runs if "cpu_seconds" in run]),
        **{
            f"within_{mark}": share(
                sum(run["found"] is not None and run["found"] <= mark for run in runs), len(runs)
            )
            for mark in MARKS
            if mark <= budget
        },
    }


def _processor_time(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not runs:
        return {}
    by_case = list(_by_formula(runs).values())
    relaxations = max(1, sum(run["relaxations"] for run in runs))
    return {
        "timed_runs": len(runs),
        "median_cpu_seconds": _median(runs, "cpu_seconds"),
        "median_cpu_seconds_95": _resampled(by_case, lambda rows: _median(rows, "cpu_seconds")),
        "cpu_ms_a_relaxation": 1000 * sum(run["cpu_seconds"] for run in runs) / relaxations,
    }


def _by_formula(runs: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(run["formula"], []).append(run)
    return groups


def _median(runs: Sequence[dict[str, Any]], key: str) -> float | None:
    """``None`` where half of them found nothing."""
    numbers = [float("inf") if run["found"] is None else float(run[key]) for run in runs]
    middle = statistics.median_low(numbers)
    return None if middle == float("inf") else middle


def _resampled(
    groups: list[list[dict[str, Any]]], of: Callable[[list[dict[str, Any]]], float | None]
) -> list[float | None]:
    """Percentile interval over compositions; ``None`` for more than the budget."""

    def statistic(chosen: np.ndarray) -> float:
        found = of([run for k in chosen for run in groups[int(k)]])
        return 1e9 if found is None else found

    rng = np.random.default_rng(0)
    bounds = bootstrap_interval(range(len(groups)), statistic, rng=rng, resamples=500)
    return [None if bound > 1e8 else bound for bound in bounds]


def compared(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """In how many compositions one search needs fewer relaxations, by the median of its seeds."""
    keys = [{(run["formula"], run["seed"]) for run in runs} for runs in (one, other)]
    both = keys[0] & keys[1]
    first, second = (
        _by_formula([run for run in runs if (run["formula"], run["seed"]) in both])
        for runs in (one, other)
    )
    ahead, behind = 0, 0
    for formula in first:
        a, b = (_median(runs[formula], "found") for runs in (first, second))
        a, b = (1e9 if x is None else x for x in (a, b))
        ahead += a < b
        behind += a > b
    return {"compositions": len(first), **share(ahead, ahead + behind)}


def all_compared(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Who is ahead of whom, among the pairs that are of interest."""
    methods = ("random", "hop", "genetic")
    pairs = [(f"{m}, seeded", f"{m}, unseeded") for m in methods]
    pairs += [(f"{m}, poor seeds", f"{m}, unseeded") for m in methods]
    pairs += [(f"{m}, {s}", c) for m in methods for s in ("unseeded", "seeded") for c in KINDS]
    pairs += [(name, "random, unseeded") for name in runs if name.startswith("random, unseeded,")]
    return {
        f"{one} ahead of {other}": compared(runs[one], runs[other])
        for one, other in pairs
        if runs.get(one) and runs.get(other)
    }


def missing(
    args: argparse.Namespace, chosen: Sequence[Case], known: dict[str, list[dict[str, Any]]]
) -> Iterator[tuple[str, Kind, Case, int]]:
    """The searches to run: seed by seed, so that what is there at any time is balanced."""
    wanted = {n: k for n, k in kinds(_how(args)).items() if not args.searches or n in args.searches}
    for seed in range(args.seeds):
        for case in chosen:
            for name, kind in wanted.items():
                if kind.method in KINDS and args.cryspy is None:
                    continue
                done = {(run["formula"], run["seed"]) for run in known.get(name, [])}
                if (case.formula, seed) not in done:
                    yield name, kind, case, seed


def _how(args: argparse.Namespace) -> dict[str, Any]:
    return {"free": FREE, "kept": KEPT, "released": RELEASED, "shaken": SHAKEN}[str(args.relaxing)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="known crystals, extxyz")
    parser.add_argument("--compositions", type=int, default=12)
    parser.add_argument("--formulas", nargs="*", default=[], help="these instead of drawn ones")
    reported.add_options(parser)
    parser.add_argument("--most-atoms", type=int, default=12)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each search")
    parser.add_argument("--searches", nargs="*", default=[], help="these alone")
    parser.add_argument(
        "--relaxing", choices=["free", "kept", "released", "shaken"], default="free"
    )
    parser.add_argument("--cryspy", type=Path, help="environment with csp-cryspy")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/search_ground_states.json")
    )
    args = parser.parse_args()

    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
    named = args.formulas
    if args.formulas_of is not None:
        named = reported.formulas(args.formulas_of, args.part)
    chosen = cases(args.data, most_atoms=args.most_atoms, n=args.compositions, formulas=named)
    runs = json.loads(args.out.read_text())["results"]["runs"] if args.out.exists() else {}
    # What loads once is no part of a search.
    NamedRelaxer()()
    client: Client | None = None
    for name, kind, case, seed in missing(args, chosen, runs):
        if kind.method in KINDS:
            client = Client(args.cryspy / "bin" / "python") if client is None else client
            found = cryspy_search(case, kind, seed, args.budget, client)
        else:
            found = our_search(case, kind, seed, args.budget)
        runs.setdefault(name, []).append({"formula": case.formula, "seed": seed, **found})
        print(name, case.formula, seed, found["found"], f"{found['seconds']:.1f} s", flush=True)
        save(args, chosen, runs)
    if client is not None:
        client.close()
    save(args, chosen, runs)


def save(args: argparse.Namespace, chosen: Sequence[Case], runs: dict[str, Any]) -> None:
    results = {
        "summary": {name: summary(found, args.budget) for name, found in runs.items()},
        "compared": all_compared(runs),
        "runs": runs,
    }
    record(
        args.out,
        measured="relaxations (CHGNet, quasi-Newton, fmax 0.1 eV/Å, 200 steps) and seconds until "
        "the known crystal is found",
        sample_size={
            "compositions": len(chosen),
            "seeds": args.seeds,
            "relaxations of a run, at most": args.budget,
        },
        seed=range(args.seeds),
        intervals=(WILSON, f"{BOOTSTRAP}, compositions drawn anew"),
        protocol=_protocol(args, chosen),
        results=results,
    )


def _protocol(args: argparse.Namespace, chosen: Sequence[Case]) -> dict[str, Any]:
    return {
        "found": "once pymatgen's StructureMatcher at its defaults takes a relaxed structure for "
        "the known crystal, as it is or relaxed by CHGNet; lower_than_known: until one lies "
        "1 meV/atom below that",
        "given": "composition and number of atoms of the known primitive cell",
        "relaxing": args.relaxing,
        "seeded": "structures without parents from 'mixed' and 'random', in turn at first, "
        "then by what came of them; moves of the score model left out everywhere",
        "poor seeds": f"{POOR} random structures in P1 at {POOR_VOLUME} times the volume",
        "CrySPY": "1.5.0 from PyPI in its own environment and with its own PyXtal; random search, "
        "and the evolutionary search with the population of its tutorial (20: crossover, 2 "
        "permutations, 2 strains, 6 random; 2 elite, 10 fittest, tournaments of 2); the same "
        "relaxations, one after another; its seconds include making its structures",
        "median": "over compositions and seeds; null where half of the runs found nothing; "
        "intervals resample compositions",
        "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals; "
        "their formulas were held out from score model, volume fit and symmetry prior",
        "data": args.data.name,
        "compositions": [case.formula for case in chosen],
        "settings": asdict(RelaxSettings()),
        "seconds": "of the processor, ours and CrySPY's together; wall time on a machine busy with "
        "other work is beside them, and says little",
        "threads": 1,
    }


if __name__ == "__main__":
    main()
