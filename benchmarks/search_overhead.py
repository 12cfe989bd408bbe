"""What a search costs beside its relaxations, and how busy it keeps its workers.

    python benchmarks/search_overhead.py

A store is filled by a search whose relaxer hands its structures back as they are, each with an
energy drawn at random: 10⁴ crystals of one formula, which is where telling them apart is hardest.
The same search then goes on with CHGNet, first in this process (processor time, of relaxation and
of all else), then on two workers (wall time that they spend in tasks). Unseeded, deck defaults.
How long a search takes to start, from its deck to the first trial that is submitted, to be resumed,
and how many bytes a trial costs to send, is measured apart, without relaxations; the models'
packages are imported before.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.convex_hull.entries import shipped_references
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.measure.record import record
from gencsp.minimise.result import Outcome, PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import Plan
from gencsp.searches.basin_hopping import HOP_MOVES
from gencsp.searches.contracts import Relaxer, RelaxerMaker
from gencsp.searches.genetic import GENETIC_MOVES
from gencsp.searches.loop import Search
from gencsp.searches.moves import get_move
from gencsp.searches.worker import run_trials
from gencsp.store import DiskStore, MemoryStore

#: Composition or chemical system, and most atoms in its cells.
CASES = (("CaTiO3", 10), ("TiO2", 6), ("Li-Zn-P-S-O", 20))
METHODS = ("random", "hop", "genetic")
WORKERS = 2
#: Spread of the energies of the stored structures, eV/atom.
SPREAD = 0.5
#: Trials whose size is measured.
SENT = 48


@dataclass(frozen=True)
class Unrelaxed:
    """Makes a relaxer that leaves structures as they are, with energies drawn at random."""

    def __call__(self) -> Relaxer:
        return _unrelaxed


@dataclass(frozen=True)
class Timed:
    """Makes the same relaxer as another maker, its processor time added up in ``CPU``."""

    make: RelaxerMaker

    def __call__(self) -> Relaxer:
        return partial(_timed, self.make())


#: Relaxations of this process, and their processor seconds.
RELAXED, CPU = [0], [0.0]


def _timed(
    relaxer: Relaxer, structures: Iterable[Atoms], settings: RelaxSettings
) -> Iterator[Relaxed]:
    begun = time.process_time()
    done = list(relaxer(structures, settings))
    CPU[0] += time.process_time() - begun
    RELAXED[0] += len(done)
    return iter(done)


def _unrelaxed(
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    *,
    on_path: PathCallback | None = None,  # noqa: ARG001
) -> Iterator[Relaxed]:
    for index, atoms in enumerate(structures):
        done = atoms.copy()
        number = int(str(atoms.info["structure_id"])[1:])
        energy = len(done) * (SPREAD * np.random.default_rng(number).standard_normal())
        done.calc = SinglePointCalculator(done, energy=energy)
        yield Relaxed(
            index=index,
            atoms=done,
            energy=energy,
            enthalpy=energy,
            fmax=settings.fmax,
            stress=np.zeros(6),
            steps=0,
            outcome=Outcome.CONVERGED,
        )


class Recording(Executor):
    """Runs calls at once; notes when the first trial comes and how many bytes each would take."""

    def __init__(self) -> None:
        self.inner = ThisProcess()
        self.begun = self.first = (0.0, 0.0)
        self.sent: list[int] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn.func is run_trials:
            if not self.sent:
                self.first = time.perf_counter(), time.process_time()
            self.sent.append(len(pickle.dumps((fn, args, kwargs))))
        return self.inner.submit(fn, *args, **kwargs)


def deck_of(name: str, atoms: int, method: str, budget: int) -> SearchDeck:
    own = {"hop": HOP_MOVES, "genetic": GENETIC_MOVES}.get(method, ())
    moves = tuple(name for name in own if not get_move(name).needs_model) or None
    return SearchDeck.make(
        formula=None if "-" in name else name,
        system=name if "-" in name else None,
        atoms=atoms,
        method=method,
        budget=budget,
        seeds=(),
        moves=moves,
    )


def opened(deck: SearchDeck, store: DiskStore, executor: Executor, *, real: bool) -> Search:
    search = Plan.of(deck).search(store, executor)
    maker: RelaxerMaker = Timed(search.context.relaxer) if real else Unrelaxed()
    search.context = replace(search.context, relaxer=maker)
    return search


def started(case: tuple[str, int], method: str) -> dict[str, Any]:
    """Wall and processor seconds until the first trial is submitted, and bytes of a trial."""
    shipped_references.cache_clear()
    executor = Recording()
    executor.begun = time.perf_counter(), time.process_time()
    search = Plan.of(deck_of(*case, method, SENT)).search(MemoryStore(), executor)
    search.context = replace(search.context, relaxer=Unrelaxed())
    search.run()
    return {
        "start_seconds": executor.first[0] - executor.begun[0],
        "start_processor_seconds": executor.first[1] - executor.begun[1],
        "mean_bytes_a_trial": float(np.mean(executor.sent)),
        "most_bytes_a_trial": max(executor.sent),
    }


def measured(case: tuple[str, int], method: str, stored: int, trials: int) -> dict[str, Any]:
    """One search: filled, then continued in this process, then on workers."""
    with tempfile.TemporaryDirectory() as folder:
        row: dict[str, Any] = {"stored": stored, "trials": trials}
        with DiskStore(folder, {}) as store:
            opened(deck_of(*case, method, stored), store, ThisProcess(), real=False).run()
        row["resume_seconds"] = resumed(deck_of(*case, method, stored + 1), folder)
        with DiskStore(folder, {}) as store:
            deck = deck_of(*case, method, stored + trials)
            row |= alone(opened(deck, store, ThisProcess(), real=True), stored)
        with DiskStore(folder, {}) as store, LocalProcesses(WORKERS) as executor:
            more = opened(deck_of(*case, method, stored + 2 * trials), store, executor, real=True)
            row |= on_workers(more, stored + trials)
        row["database_megabytes"] = round((Path(folder) / "run.db").stat().st_size / 1e6, 1)
    return row


def resumed(deck: SearchDeck, folder: str) -> float:
    """Wall seconds from opening a store to the first trial that is not in it."""
    executor, begun = Recording(), time.perf_counter()
    with DiskStore(folder, {}) as store:
        for _ in opened(deck, store, executor, real=False).irun():
            if executor.sent:
                break
    return executor.first[0] - begun


def alone(search: Search, stored: int) -> dict[str, Any]:
    """Processor time of a trial in this process, beyond the first so many."""
    since, replayed = time.process_time(), 0.0
    for step in search.irun():
        if step.done == stored and not replayed:
            # What loads once is no part of a trial.
            search.context.relaxer()
            replayed = time.process_time() - since
            begun, CPU[0], RELAXED[0] = time.process_time(), 0.0, 0
    spent, relaxing, trials = time.process_time() - begun, CPU[0], RELAXED[0]
    return {
        "replay_ms_a_trial": 1000 * replayed / max(1, stored),
        "relaxation_ms_a_trial": 1000 * relaxing / trials,
        "else_ms_a_trial": 1000 * (spent - relaxing) / trials,
        "overhead_share": (spent - relaxing) / spent,
    }


def on_workers(search: Search, stored: int) -> dict[str, Any]:
    """Wall time that the workers spend in tasks, beyond the first so many trials."""
    warm = stored + search.settings.ahead
    begun, before, relaxed = 0.0, 0.0, 0.0
    for step in search.irun():
        if step.done == warm and not begun:
            # By now every worker has loaded its models.
            begun = time.perf_counter()
            before = sum(search.runner.seconds.values())
            relaxed = search.runner.seconds["relax"]
    wall = WORKERS * (time.perf_counter() - begun)
    return {
        "workers": WORKERS,
        "workers_busy": (sum(search.runner.seconds.values()) - before) / wall,
        "workers_relaxing": (search.runner.seconds["relax"] - relaxed) / wall,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stored", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    names = [name for name, _ in CASES]
    parser.add_argument("--cases", nargs="+", default=names, choices=names)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/search_overhead.json"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
    cases = [(name, atoms) for name, atoms in CASES if name in options.cases]
    protocol = {
        "store": "filled by a search whose relaxer hands its structures back as they are, each "
        "with an energy drawn at random: crystals of one formula, which is where telling them "
        "apart is hardest",
        "then": "the same search goes on with CHGNet, first in one process (processor time, of "
        "relaxation and of all else), then on two workers (wall time that they spend in tasks); "
        "unseeded, deck defaults",
        "cases": [f"{name}, at most {atoms} atoms" for name, atoms in cases],
        "energies_of_the_store": f"normal, {SPREAD} eV/atom",
        "else_ms_a_trial": "processor time: proposing, moves, symmetry, fingerprints, duplicates, "
        "store and loop",
        "workers_busy": "wall time in tasks (proposing, moving, relaxing, symmetry) over workers "
        "times wall time, once models are loaded",
        "resume_seconds": "wall time from opening the store to the first trial that is not in it",
        "start": "time from the deck to the first trial submitted, proposals included; size "
        f"of {SENT} trials as they are pickled, parents included",
    }
    results: dict[str, Any] = {}
    for name, atoms in cases:
        for method in options.methods:
            row = started((name, atoms), method)
            results.setdefault("start", {})[f"{name}, {method}"] = row
            print("start", name, method, row, flush=True)
            for stored in options.stored:
                row = measured((name, atoms), method, stored, options.trials)
                results.setdefault(f"{name}, {method}", []).append(row)
                print(name, method, row, flush=True)
            record(
                options.out,
                measured="what a search costs beside its relaxations, ms of the processor a "
                "trial, and the share of wall time that its workers are busy and relaxing",
                sample_size={"trials of each row": options.trials},
                seed=0,
                intervals=(),
                protocol=protocol,
                results=results,
            )


if __name__ == "__main__":
    main()
