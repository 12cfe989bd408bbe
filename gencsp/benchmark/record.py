"""Results of benchmarks as JSON files that say how and on what they were measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Packages whose versions can change a result.
PACKAGES = ("gencsp", "ase", "chgnet", "numpy", "pymatgen", "pyxtal", "scipy", "spglib", "torch")


def environment() -> dict[str, Any]:
    """Versions and hardware."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": platform.python_version(),
        "versions": versions,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def record(path: Path, *, protocol: Mapping[str, Any], results: Any) -> Path:
    """Write protocol, environment and results to ``path`` as readable JSON; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"protocol": dict(protocol), "environment": environment(), "results": results}
    path.write_text(json.dumps(content, indent=1, default=float) + "\n")
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    widest = next((f for f in ("avx512f", "avx2", "avx") if f" {f} " in f"{flags} "), "no AVX")
    return f"{names[0] if names else platform.machine()} ({widest})"
