"""What every engine benchmark records beside its numbers: versions, processor, protocol."""

from __future__ import annotations

import json
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("gencsp", "chgnet", "torch", "ase", "pymatgen", "pyxtal", "numpy")


def environment() -> dict[str, object]:
    """Versions and hardware, without anything that names this machine."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": _processor(),
        "logical_cores": os.cpu_count(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def gemm_rate(*, size: int = 768, repeats: int = 20) -> float:
    """Single-precision matrix products of this process's BLAS, Gflop/s (best of some)."""
    a = np.random.default_rng(0).random((size, size)).astype(np.float32)
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return float(2 * size**3 / best / 1e9)


def write(name: str, record: dict[str, object]) -> Path:
    """Write a record to benchmarks/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2, default=_plain) + "\n")
    return path


def _plain(number: np.generic) -> object:
    """Numbers of numpy as Python's own."""
    return number.item()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    lines = info.read_text().split("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    family = f"family {fields.get('cpu family')} model {fields.get('model')}"
    sets = [s for s in ("avx2", "avx512f") if s in fields.get("flags", "").split()]
    return f"{fields.get('model name')} ({family}; {', '.join(sets)})"
