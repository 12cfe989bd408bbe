"""How many workers a search can feed: runs on 1 and 2 workers, simulated runs on 64 and 1,024.

    python benchmarks/many_workers.py

For each case the first trials of a search are timed on one worker, as ``gencsp estimate`` does; by
these times runs on any number of workers are simulated. Runs on 1 and 2 workers are done as well,
by each executor that is installed (local processes, Dask, Parsl), and stand beside the simulated
ones. Rates are counted once every worker has loaded its models. What a trial costs the process that
holds the loop is measured for each executor, and the simulation of many workers uses it.
"""

from __future__ import annotations

import argparse
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from gencsp.executors.named import open_executor
from gencsp.measure.record import record
from gencsp.runs.decks import SearchDeck
from gencsp.runs.estimating import AHEAD, Estimate, estimate
from gencsp.runs.search import open_search

#: Composition, most atoms in its cells, method, options.
CASES: dict[str, dict[str, Any]] = {
    "TiO2, random": {"formula": "TiO2", "atoms": 12, "method": "random"},
    "CaTiO3, hop": {"formula": "CaTiO3", "atoms": 10, "method": "hop"},
    "Mg2SiO4, random": {"formula": "Mg2SiO4", "atoms": 28, "method": "random", "seeds": ()},
}
PACKAGES = {"local": "gencsp", "dask": "distributed", "parsl": "parsl"}
REAL = (1, 2)
MANY = (64, 1024)
#: Trials of the runs that are simulated on many workers.
TRIALS = 1_000_000


def real_run(options: dict[str, Any], executor: str, workers: int, trials: int) -> dict[str, Any]:
    """A run on workers here: its rate and what its trials cost, once all workers have begun."""
    ahead = AHEAD * max(REAL)
    deck = SearchDeck.make(**options, budget=trials + 2 * ahead, workers=workers, ahead=ahead)
    with (
        open_executor(executor, workers=workers) as tasks,
        open_search(deck, executor=tasks, in_memory=True) as search,
    ):
        began = ended = (0.0, 0.0, 0.0)
        done = 0
        for step in search.irun():
            now = (
                time.perf_counter(),
                time.process_time(),
                sum(search.runner.seconds.values()),
            )
            if step.done == 2 * ahead:
                began, done = now, step.done
            ended = now
        counted = len(search.results) - done
    wall, main, working = (b - a for a, b in zip(began, ended, strict=True))
    return {
        "trials_per_second": counted / wall,
        "workers_busy": working / (workers * wall),
        "main_ms_a_trial": 1000 * main / counted,
        "trials": counted,
    }


def simulated(found: Estimate) -> list[dict[str, Any]]:
    return [
        {
            "workers": run.workers,
            "searches": run.searches,
            "ahead": run.run.ahead,
            "trials_per_second": run.searches * run.run.trials_per_second,
            "workers_busy": run.run.busy,
            "main_busy": run.run.main_busy,
            "messages_per_second": 2 * run.searches * run.run.tasks_per_second,
            "hours": run.seconds / 3600,
            "core_hours": run.core_hours,
        }
        for run in found.runs
    ]


def measured(options: dict[str, Any], executors: list[str], sample: int) -> dict[str, Any]:
    """One case: timed, run on workers here, and simulated on many."""
    found = estimate(SearchDeck.make(**options, budget=TRIALS), on=(*REAL, *MANY), sample=sample)
    times = found.measured.times
    row: dict[str, Any] = {
        "trial_task_seconds": sum(times.trials) / len(times.trials),
        "longest_trial_task_seconds": max(times.trials),
        "proposal_seconds": dict(times.proposals),
        "main_ms_a_trial": 1000 * times.main,
        "bytes_to_a_worker": found.measured.sent,
        "bytes_from_a_worker": found.measured.received,
        "bytes_stored_a_trial": found.measured.stored,
        "worker_memory_bytes": found.measured.worker_memory,
        "simulated": simulated(found),
        "real": {},
    }
    for executor in executors:
        row["real"][executor] = {
            str(workers): real_run(options, executor, workers, sample) for workers in REAL
        }
        print(executor, row["real"][executor], flush=True)
    for one in row["simulated"]:
        print(one, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=200, help="trials of each run")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--executors", nargs="+", default=list(PACKAGES), choices=PACKAGES)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/many_workers.json"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    torch.set_num_threads(1)
    there = [name for name in options.executors if find_spec(PACKAGES[name]) is not None]
    results: dict[str, Any] = {}
    for name in options.cases:
        results[name] = measured(CASES[name], there, options.sample)
        record(
            options.out,
            measured="trials a second and busy workers of searches: run on 1 and 2 workers by "
            "several executors, simulated on 1, 2, 64 and 1,024",
            sample_size={"trials of each run": options.sample},
            seed=0,
            intervals=(),
            protocol={
                "simulated": "the loop of real searches in simulated time, its tasks taking times "
                "drawn from those recorded on one worker; rates once every worker has begun",
                "real": "counted after the first trials, once every worker has loaded its models; "
                "nothing is stored; the process that holds the loop shares the two cores with the "
                "workers",
                "ahead": f"{AHEAD} tasks for each worker",
                "trials_of_simulated_runs": TRIALS,
                "executors": there,
            },
            results=results,
        )


if __name__ == "__main__":
    main()
