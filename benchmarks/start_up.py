"""Seconds from a command to its first result: an answer, a stored relaxation, an error.

    python benchmarks/start_up.py --before OTHER_CHECKOUT

Every round starts each command anew, with this checkout and, where it is given, with another one,
in turn; nothing else should run. The other checkout needs its extensions built in place.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from ase.build import bulk
from ase.io import write

from gencsp.measure.record import record

HERE = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "start_up.json"
SEARCH = ("search", "TiO2", "--atoms", "6", "--budget", "8", "--seed", "1", "--no-report")
#: What the line of a stored trial says on the way.
FIRST = "trial 0"
#: A structure for the commands that are given one, and its file in the folder of the runs.
CRYSTAL, FILE = bulk("TiO", "rocksalt", a=4.2, cubic=True), "crystal.extxyz"
#: Seconds between two looks at the results of a run.
GLANCE = 0.01
#: Commands that keep their results, and how the names of the tasks begin that are waited for.
STORED = {
    "cycle": ("relaxed", ("cycle", "TiO2", "--n", "4", "--atoms", "6", "--seed", "1")),
    "cycle of a system": (
        "relaxed",
        ("cycle", "Ti-O", "--n", "4", "--compositions", "2", "--atoms", "6", "--seed", "1"),
    ),
    "cycle in a host": ("inpainted", ("cycle", "--host", FILE, "--guests", "Ti", "--n", "2")),
    "discover": ("filtered", ("discover", "--n", "4", "--seed", "1")),
    "discover, of a file": ("relaxed", ("discover", "--pool", FILE, "--filters", "distances")),
    "synergy": ("generated", ("synergy", "--n", "2", "--generate", "4", "--model", "plain")),
    "intercalate": (
        "",
        ("intercalate", FILE, "--guest", "Li", "--x", "0:1:0.5", "--n", "1", "--atoms", "16"),
    ),
    "bench": ("", ("bench", "chggen", "--quick", "--compositions", "1")),
}
#: Commands that are waited for to the end, and their exit status.
ENDED = {
    "gencsp info": (0, ("info",)),
    "refine": (
        0,
        (
            "refine",
            FILE,
            "--guests",
            "Ti",
            "--inpaintings",
            "1",
            "--steps",
            "2",
            "--out",
            "refined",
        ),
    ),
    "discover to its end": (
        0,
        (
            *("discover", "--pool", FILE, "--filters", "distances", "--within", "9", "--no-seeds"),
            *("--budget", "2", "--steps", "2", "--out", "{out}"),
        ),
    ),
    "an error of cycle": (2, ("cycle", "Xx2")),
    "an error of discover": (1, ("discover", "--elements", "Xx")),
    "an error of bench": (2, ("bench", "no-suite")),
    "an error of intercalate": (2, ("intercalate", "no-file", "--guest", "Li")),
}


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


def until_ended(checkout: Path, folder: Path, *, arguments: tuple[str, ...], status: int) -> float:
    out = tempfile.mkdtemp(dir=folder)
    begun = time.perf_counter()
    process = started(checkout, tuple(one.format(out=f"{out}/run") for one in arguments), folder)
    said, _ = process.communicate()
    if process.returncode != status:
        sys.exit(f"gencsp {' '.join(arguments)} failed in {checkout}:\n{said}")
    return time.perf_counter() - begun


def until_first_trial(checkout: Path, folder: Path, *, workers: int) -> float:
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


def until_stored(checkout: Path, folder: Path, *, arguments: tuple[str, ...], prefix: str) -> float:
    """Seconds until a task whose name begins with a text is stored; the run is then stopped."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    begun = time.perf_counter()
    process = started(checkout, (*arguments, "--workers", "2", "--out", str(out)), folder)
    while not is_stored(out, prefix):
        if process.poll() is not None:
            said, _ = process.communicate()
            sys.exit(f"gencsp {' '.join(arguments)} failed in {checkout}:\n{said}")
        time.sleep(GLANCE)
    seconds = time.perf_counter() - begun
    process.send_signal(signal.SIGINT)
    process.communicate()
    return seconds


def is_stored(out: Path, prefix: str) -> bool:
    """Whether a folder has a run with such a task; ``gencsp synergy`` has a run in each folder."""
    query = "SELECT COUNT(*) FROM gencsp_tasks WHERE task LIKE ?"
    for path in out.glob("**/run.db"):
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                if connection.execute(query, (f"{prefix}%",)).fetchone()[0]:
                    return True
        except sqlite3.OperationalError:
            continue  # it is being made
    return False


#: What is measured: from a checkout and a folder to seconds.
WHAT: dict[str, Callable[[Path, Path], float]] = {
    "first trial, 1 worker": partial(until_first_trial, workers=1),
    "first trial, 2 workers": partial(until_first_trial, workers=2),
    **{
        f"{name}: first task '{prefix}'" if prefix else f"{name}: first task": partial(
            until_stored, arguments=arguments, prefix=prefix
        )
        for name, (prefix, arguments) in STORED.items()
    },
    **{
        name: partial(until_ended, arguments=arguments, status=status)
        for name, (status, arguments) in ENDED.items()
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="measure what has this text in its name")
    options = parser.parse_args()
    checkouts = {"after": HERE}
    if options.before is not None:
        checkouts = {"before": options.before.resolve(), **checkouts}
    seconds: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder / FILE, CRYSTAL)
        for k in range(options.rounds + 1):
            for what, measure in WHAT.items():
                for name, checkout in checkouts.items():
                    if options.only not in what:
                        continue
                    spent = measure(checkout, folder)
                    print(f"{what}, {name}: {spent:.2f}", flush=True)
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
    if options.only:
        print(results)
        return
    record(
        RESULT,
        measured="wall seconds from a command to its first result, or to its end",
        command=f"python benchmarks/{Path(__file__).name} --before OTHER_CHECKOUT",
        sample_size={"rounds": options.rounds},
        seed=1,
        intervals=(),
        protocol={
            "search": " ".join(("gencsp", *SEARCH)),
            **{
                name: " ".join(("gencsp", *arguments))
                for name, (_, arguments) in (STORED | ENDED).items()
            },
            "before": "the commit before",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
