"""The native engine's force call by number of atoms and threads, as a share of the BLAS's rate.

    OPENBLAS_NUM_THREADS=1 python benchmarks/engine_scaling.py --before OTHER_CHECKOUT

Rounds of this checkout and of another one, with its extension built in place, take turns; each
figure is the best of all rounds. Two threads take two batches side by side, or share one structure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from gencsp.measure.record import gemm_rate, record
from gencsp.potentials.chgnet.native import NativeEngine, instruction_sets

HERE = Path(__file__).resolve()
#: Of rock salt's cubic cell: 8 to 1,000 atoms.
REPEATS = (
    (1, 1, 1),
    (2, 1, 1),
    (2, 2, 1),
    (2, 2, 2),
    (4, 2, 2),
    (3, 3, 3),
    (4, 4, 4),
    (5, 5, 5),
)
ROUNDS = 3
# Multiplications of the matrix products, forward and backward; activations come on top.
PER_EDGE = 4 * 4 * 64 * 64  # a directed edge, four atom convolutions, second layer
PER_PAIR = 4 * 2 * 31 * 128  # an undirected edge, its basis in four first layers
PER_ANGLE = 3 * 4 * 64 * 64 + 3 * 4 * 64 * 64  # second layers; first layers but the first two
PER_CORNER = 4 * 31 * 128 + 2 * 31 * 64  # two angles: the first two first layers, the embedding


def multiplications(atoms: Atoms) -> tuple[int, int, int]:
    """Directed edges, angles, and multiplications of one force call (no symmetry used)."""
    i, distance = neighbor_list("id", atoms, 6.0)
    bonds = np.bincount(i[distance < 3.0], minlength=len(atoms))
    angles = int((bonds * (bonds - 1)).sum())
    count = len(i) * PER_EDGE + len(i) // 2 * PER_PAIR + angles * PER_ANGLE
    return len(i), angles, count + angles // 2 * PER_CORNER


def crystal(repeat: tuple[int, int, int]) -> Atoms:
    """Displaced rock salt."""
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(repeat)
    atoms.rattle(0.05, seed=1)
    return atoms


def seconds_of(engine: NativeEngine, batch: list[Atoms], workers: int) -> float:
    """Wall time of one pass over a batch, a structure; best of some."""
    engine.evaluate(batch, workers=workers)
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        engine.evaluate(batch, workers=workers)
        best = min(best, time.perf_counter() - started)
    return float(best) / len(batch)


def measure() -> dict[str, Any]:
    """Seconds a structure by case, and the BLAS's rate in Gflop/s."""
    seconds: dict[str, float] = {}
    isas = instruction_sets()
    engines = {isa: NativeEngine(isa=isa) for isa in isas}
    for repeat in REPEATS:
        atoms = crystal(repeat)
        batch = [atoms] * max(1, 400 // len(atoms))
        for isa in isas:
            seconds[f"{len(atoms)} {isa} 1"] = seconds_of(engines[isa], batch, 1)
        best = engines[isas[0]]
        # The same number of structures for every thread, so that none waits at the end.
        seconds[f"{len(atoms)} {isas[0]} 2"] = seconds_of(best, batch * 2, 2)
        seconds[f"{len(atoms)} {isas[0]} together"] = seconds_of(best, [atoms], 2)
    return {"blas": gemm_rate(), "seconds": seconds, "isas": isas}


def measured_by(checkout: Path) -> dict[str, Any]:
    """What :func:`measure` finds with the package of a checkout, in a process of its own."""
    found = subprocess.run(
        [sys.executable, str(HERE), "--measure"],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(found.stdout))


def least(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """The shortest time of every case."""
    return {case: min(one["seconds"][case] for one in rounds) for case in rounds[0]["seconds"]}


def rows_of(seconds: Mapping[str, float], rate: float, isas: list[str]) -> list[dict[str, Any]]:
    """A row for every number of atoms and instruction set."""
    rows = []
    for repeat in REPEATS:
        edges, angles, count = multiplications(crystal(repeat))
        atoms = 8 * int(np.prod(repeat))
        for isa in isas:
            alone = seconds[f"{atoms} {isa} 1"]
            row = {
                "atoms": atoms,
                "directed_edges": edges,
                "angles": angles,
                "instruction_set": isa,
                "milliseconds_per_structure": round(1e3 * alone, 3),
                "microseconds_per_atom": round(1e6 * alone / atoms, 1),
                "gflops": round(2 * count / alone / 1e9, 1),
                "share_of_one_core_blas": round(2 * count / alone / 1e9 / rate, 3),
            }
            if isa == isas[0]:
                for name, case in (("side_by_side", "2"), ("together", "together")):
                    both = seconds[f"{atoms} {isa} {case}"]
                    row[f"speed_up_two_threads_{name}"] = round(alone / both, 2)
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--measure", action="store_true", help="one round, as JSON")
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure()))
        return
    checkouts = {"force_calls": HERE.parent.parent}
    if options.before is not None:
        checkouts["before"] = options.before.resolve()
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
    for _ in range(ROUNDS):
        for name, checkout in checkouts.items():
            rounds[name].append(measured_by(checkout))
    rate = max(one["blas"] for each in rounds.values() for one in each)
    results: dict[str, Any] = {
        name: rows_of(least(each), rate, each[0]["isas"]) for name, each in rounds.items()
    }
    record(
        HERE.parent / "results" / "engine_scaling.json",
        command=f"python benchmarks/{HERE.name} --before OTHER_CHECKOUT",
        measured="time and Gflop/s of the native engine's force call by number of atoms and "
        "instruction set, its share of the rate of one core's BLAS, and what a second thread adds",
        sample_size={"sizes of cells": len(REPEATS), "rounds": ROUNDS},
        seed=1,
        intervals=(),
        protocol={
            "structures": "rock salt, displaced by 0.05 Å",
            "time": "wall time, best of five passes in each of the rounds; rounds of the two "
            "checkouts take turns",
            "two threads": "two batches side by side, or one structure together",
        },
        results={"blas_gemm_gflops": round(rate, 1), **results},
    )


if __name__ == "__main__":
    main()
