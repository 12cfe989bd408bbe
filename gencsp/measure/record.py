"""Records of benchmarks: JSON files that say what was measured, how, and on what machine.

Their form is ``benchmarks/record.schema.json``; the tests hold every record to it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

#: Packages whose versions can change a result.
PACKAGES = ("gencsp", "ase", "chgnet", "numpy", "pymatgen", "pyxtal", "scipy", "spglib", "torch")
#: Stands where a record made earlier did not keep something.
UNKNOWN = "unknown"
#: A record that has no intervals, or whose numbers no random number touches, says so.
NONE = "none"
#: Flags of /proc/cpuinfo and their names here, the widest first.
INSTRUCTION_SETS = {"avx512f": "avx512", "avx2": "avx2", "avx": "avx"}

# How busy the machine was before the benchmark, which imports this first, put its own load on it.
_LOAD_AT_START = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else UNKNOWN


def environment() -> dict[str, Any]:
    """Versions and hardware, and how busy the machine was: timings depend on it."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    processor, instructions = _processor()
    return {
        "python": platform.python_version(),
        "versions": versions,
        "processor": processor,
        "instruction_set": instructions,
        "cores": os.cpu_count(),
        "load_average_at_start": _LOAD_AT_START,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def record(
    path: Path,
    *,
    measured: str,
    sample_size: Mapping[str, int],
    seed: int | Sequence[int] | None,
    intervals: Sequence[str],
    protocol: Mapping[str, Any],
    results: Any,
    command: str | None = None,
    program: str | None = None,
) -> Path:
    """Write a record to ``path``, readable and whole or not at all; returns the path.

    Args:
        path: of the record.
        measured: what the numbers are, in a sentence, with units.
        sample_size: how many of what the numbers rest on.
        seed: of the random numbers, or all of them; ``None`` where none were drawn.
        intervals: how intervals were computed, such as :data:`.statistics.WILSON`; empty where
            the numbers have none.
        protocol: everything else that one must know to measure again, in-sample warnings too.
        results: the numbers. What is not finite is written as null.
        command: of the measurement; that of this process by default.
        program: that wrote the record; the running script by default.
    """
    content = {
        "measured": measured,
        "program": program or _program(),
        "command": command or command_line(),
        "seed": NONE if seed is None else seed,
        "sample_size": sample_size,
        "intervals": "; ".join(intervals) or NONE,
        "protocol": protocol,
        "environment": environment(),
        "results": results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(as_json(content), "utf-8")
    aside.replace(path)
    return path


def as_json(content: Mapping[str, Any]) -> str:
    """The text of a record."""
    text = json.dumps(_plain(content), indent=1, allow_nan=False, ensure_ascii=False)
    return f"{text}\n"


def command_line() -> str:
    """The command of this process; of files and folders only the names."""
    return shlex.join(["python", _program(), *map(_without_folders, sys.argv[1:])])


def gemm_rate(*, size: int = 768, repeats: int = 20) -> float:
    """Single-precision matrix products of this process's BLAS, Gflop/s (best of some)."""
    a = np.random.default_rng(0).random((size, size)).astype(np.float32)
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - started)
    return float(2 * size**3 / best / 1e9)


def _program() -> str:
    """Folder and name of the running script."""
    return "/".join(Path(sys.argv[0]).resolve().parts[-2:])


def _without_folders(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{Path(value).name}" if "/" in value else argument


def _plain(value: Any) -> Any:
    """The same of Python's own types, as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _processor() -> tuple[str, str]:
    """Name of the processor and its widest vector instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), UNKNOWN
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    widest = next((name for flag, name in INSTRUCTION_SETS.items() if flag in flags), NONE)
    return (names[0] if names else platform.machine()), widest
