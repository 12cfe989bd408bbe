"""Proposals of 10 atoms a minute on two workers, at the default quality.

    python benchmarks/sampler_rate.py

Two workers of one thread, as a search starts them, propose at the same time with default options;
models are loaded before. ``per_minute`` counts processor time, each worker's its own: what two
free cores do. ``per_minute_of_wall_time`` is what they did beside whatever else ran, see ``load``.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from gencsp.composition import Composition
from gencsp.executors import LocalProcesses
from gencsp.measure.record import record
from gencsp.runs.parts import NamedProposer

WORKERS = 2
#: Formula, and formula units that make 10 atoms; worker k begins with the k-th.
CRYSTALS = (("CaTiO3", 2), ("Al2O3", 2))
PROPOSERS = ("score", "mixed")
#: What a minute should bring.
BAR = 100


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=16, help="proposals of each worker and proposer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "sampler_rate.json"
    )
    options = parser.parse_args()
    results: dict[str, Any] = {}
    protocol = {
        "workers": f"{WORKERS} processes of one thread",
        "crystals": [f"{formula} x {units}" for formula, units in CRYSTALS],
        "proposals": f"{options.n} of each worker by each proposer, default options",
        "bar": f"{BAR} a minute",
    }
    with LocalProcesses(WORKERS) as executor:
        for name in PROPOSERS:
            results[name] = rate(executor, name, options.n, options.seed)
            print(name, results[name])
            record(
                options.out,
                measured="proposals of 10 atoms a minute of two workers at default quality",
                sample_size={"proposals of each proposer": WORKERS * options.n},
                seed=options.seed,
                intervals=(),
                protocol=protocol,
                results=results,
            )


def rate(executor: LocalProcesses, name: str, n: int, seed: int) -> dict[str, Any]:
    """Proposals a minute of all workers together."""
    wait([executor.submit(propose, name, k, 1, seed) for k in range(2 * WORKERS)])
    load = os.getloadavg()[0]
    begun = time.perf_counter()
    futures = [executor.submit(propose, name, k, n, seed) for k in range(WORKERS)]
    done = [future.result() for future in futures]
    wall = time.perf_counter() - begun
    made = sum(part["made"] for part in done)
    per_minute = sum(60 * part["made"] / part["seconds"] for part in done)
    return {
        "made": made,
        "rejected": sum(part["rejected"] for part in done),
        "per_minute": round(per_minute, 1),
        "passes": per_minute >= BAR,
        "per_minute_of_wall_time": round(60 * made / wall, 1),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def propose(name: str, worker: int, n: int, seed: int) -> dict[str, Any]:
    """Make n proposals in this process; its processor time in seconds."""
    import numpy as np

    from gencsp.proposers.base import Request
    from gencsp.searches.tasks import cached_make

    proposer = cached_make(NamedProposer(name))
    failed = proposer.failures
    formula, units = CRYSTALS[worker % len(CRYSTALS)]
    request = Request(composition=Composition.parse(formula), n=n, units=(units,))
    begun = time.process_time()
    made = list(proposer.propose(request, rng=np.random.default_rng((seed, worker, n))))
    return {
        "made": len(made),
        "rejected": proposer.failures - failed,
        "seconds": time.process_time() - begun,
    }


if __name__ == "__main__":
    main()
