"""What every engine benchmark records beside its numbers: versions, processor, load."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from gencsp.benchmark import record

RESULTS = Path(__file__).parent / "results"


def environment() -> dict[str, Any]:
    """Versions and hardware, and how busy the machine is: timings depend on it."""
    return {**record.environment(), "load_average_at_start": round(os.getloadavg()[0], 2)}


def gemm_rate(*, size: int = 768, repeats: int = 20) -> float:
    """Single-precision matrix products of this process's BLAS, Gflop/s (best of some)."""
    a = np.random.default_rng(0).random((size, size)).astype(np.float32)
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return float(2 * size**3 / best / 1e9)


def write(name: str, results: dict[str, object]) -> Path:
    """Write results to benchmarks/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(results, indent=2, default=float) + "\n")
    return path
