"""Seconds from a command to its first result: ``gencsp info``, and the first stored relaxation.

    python benchmarks/start_up.py --before OTHER_CHECKOUT

Every round starts each command anew, with this checkout and, where it is given, with another one,
in turn; nothing else should run. The other checkout needs its extensions built in place.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gencsp.measure.record import record

HERE = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "start_up.json"
SEARCH = ("search", "TiO2", "--atoms", "6", "--budget", "8", "--seed", "1", "--no-report")
#: What the line of a stored trial says on the way.
FIRST = "trial 0"


def started(checkout: Path, arguments: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    """A command of a checkout, its messages on one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "gencsp", *arguments],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_ended(checkout: Path, folder: Path) -> float:
    begun = time.perf_counter()
    process = started(checkout, ("info",), folder)
    process.communicate()
    if process.returncode:
        sys.exit(f"gencsp info failed in {checkout}")
    return time.perf_counter() - begun


def until_first(checkout: Path, folder: Path, workers: int) -> float:
    """Seconds until the first trial is stored and told; the rest of the run is awaited."""
    out = tempfile.mkdtemp(dir=folder)
    begun = time.perf_counter()
    arguments = (*SEARCH, "--workers", str(workers), "--verbose", "--out", f"{out}/run")
    process = started(checkout, arguments, folder)
    assert process.stdout is not None
    seconds = None
    for line in process.stdout:
        if seconds is None and line.startswith(FIRST):
            seconds = time.perf_counter() - begun
    if process.wait() or seconds is None:
        sys.exit(f"the search failed in {checkout}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    checkouts = {"after": HERE}
    if options.before is not None:
        checkouts = {"before": options.before.resolve(), **checkouts}
    seconds: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for k in range(options.rounds + 1):
            for name, checkout in checkouts.items():
                found = {
                    "gencsp info": until_ended(checkout, folder),
                    "first trial, 1 worker": until_first(checkout, folder, 1),
                    "first trial, 2 workers": until_first(checkout, folder, 2),
                }
                print(name, {what: round(s, 2) for what, s in found.items()}, flush=True)
                for what, spent in found.items():
                    # The first round warms the file system.
                    if k:
                        seconds.setdefault(what, {}).setdefault(name, []).append(spent)
    results: dict[str, Any] = {
        what: {
            name: {
                "median": round(statistics.median(some), 2),
                "least_and_most": [round(min(some), 2), round(max(some), 2)],
            }
            for name, some in by.items()
        }
        for what, by in seconds.items()
    }
    record(
        RESULT,
        measured="wall seconds from a command to its end (info) or its first stored trial",
        command=f"python benchmarks/{Path(__file__).name} --before OTHER_CHECKOUT",
        sample_size={"rounds": options.rounds},
        seed=1,
        intervals=(),
        protocol={"search": " ".join(("gencsp", *SEARCH)), "before": "the commit before"},
        results=results,
    )


if __name__ == "__main__":
    main()
