"""The native engine's force call by number of atoms and threads, as a share of the BLAS's rate.

OPENBLAS_NUM_THREADS=1 python benchmarks/engine_scaling.py
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from gencsp.measure.record import gemm_rate, record
from gencsp.potentials.chgnet.native import NativeEngine, instruction_sets

REPEATS = ((1, 1, 1), (2, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5))  # 8 to 1,000 atoms
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


def seconds_of(engine: NativeEngine, batch: list[Atoms], workers: int) -> float:
    """Processor-bound wall time of one pass over a batch; best of some."""
    engine.evaluate(batch, workers=workers)
    best = np.inf
    for _ in range(5):
        started = time.perf_counter()
        engine.evaluate(batch, workers=workers)
        best = min(best, time.perf_counter() - started)
    return float(best)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rate = gemm_rate()
    rows = []
    for repeat in REPEATS:
        atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(repeat)
        atoms.rattle(0.05, seed=1)
        edges, angles, count = multiplications(atoms)
        for isa in instruction_sets():
            engine = NativeEngine(isa=isa)
            # The same number of structures for every thread, so that none waits at the end.
            each = max(1, 200 // len(atoms))
            for threads in options.threads:
                batch = [atoms] * (each * threads)
                spent = seconds_of(engine, batch, threads) / len(batch)
                rows.append(
                    {
                        "atoms": len(atoms),
                        "directed_edges": edges,
                        "angles": angles,
                        "instruction_set": isa,
                        "threads": threads,
                        "milliseconds_per_structure": round(1e3 * spent, 3),
                        "gflops": round(2 * count / spent / 1e9, 1),
                        "share_of_one_core_blas": round(2 * count / spent / 1e9 / rate, 3),
                    }
                )
                print(rows[-1], flush=True)
    record(
        Path(__file__).parent / "results" / "engine_scaling.json",
        measured="milliseconds and Gflop/s of the native engine's force call by number of atoms "
        "and threads, and its share of the rate of one core's BLAS",
        sample_size={"sizes of cells": len(REPEATS)},
        seed=1,
        intervals=(),
        protocol={
            "structures": "rock salt, displaced by 0.05 Å",
            "time": "wall time, best of five passes",
        },
        results={"blas_gemm_gflops": round(rate, 1), "force_calls": rows},
    )


if __name__ == "__main__":
    main()
