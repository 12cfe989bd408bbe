"""How long the shipped hull takes to load and to look up, and what memory it takes.

    python benchmarks/hull_speed.py

Loading is timed in fresh processes, after the modules that every command imports. A look-up is E_d:
the first in a chemical system, which makes its phase diagram, and the ones after it. Formulas are
drawn from the shipped references, so that larger systems have as many sub-systems with phases as
real ones.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from gencsp.convex_hull.crystals import reference_crystal
from gencsp.convex_hull.entries import HullEntry, shipped_references
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record

RECORD = Path(__file__).parent / "results" / "hull_speed.json"
#: Bars: s for loading, ms for a look-up.
BARS = {"loading, s": 0.5, "look-up, ms": 1.0}
#: Numbers of elements of the formulas that are looked up.
ELEMENTS = (2, 3, 4, 5)
#: Run in a process of its own: prints seconds and bytes as JSON.
LOADING = """
import json, resource, time
import gencsp.cli, gencsp.convex_hull.hull
def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = memory()
wall, processor = time.perf_counter(), time.process_time()
hull = gencsp.convex_hull.hull.Hull.load()
wall, processor = time.perf_counter() - wall, time.process_time() - processor
print(json.dumps([wall, processor, memory() - before, len(hull)]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--systems", type=int, default=50, help="of each number of elements")
    parser.add_argument("--processes", type=int, default=5, help="in which it is loaded")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    loads = [load() for _ in range(options.processes)]
    hull = Hull.load()
    results = {
        "references": loads[0][3],
        "loading, s": round(statistics.median(one[0] for one in loads), 3),
        "loading, s of processor time": round(statistics.median(one[1] for one in loads), 3),
        "memory, MB": round(statistics.median(one[2] for one in loads) / 1e6, 1),
        "look-up, ms": {
            f"{n} elements": look_up(hull, n, options.systems, options.seed) for n in ELEMENTS
        },
        "peak memory with all these diagrams and crystals, MB": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        ),
    }
    record(
        options.out,
        measured="time to load the shipped hull and to look up a relaxed crystal in it",
        sample_size={"processes": options.processes, "systems of each size": options.systems},
        seed=options.seed,
        intervals=(),
        protocol={
            "loading": "Hull.load() in a fresh process, modules imported before; medians",
            "first": "E_d, the first look-up in a chemical system, processor time, median",
            "again": "the same once more, processor time, median",
            "products and phase": "what a structure decomposes into and which reference phase it "
            "is, by the structure matcher; for reference phases, so that the matcher always runs",
            "bars": BARS,
        },
        results=results,
    )
    print(json.dumps(results, indent=1))


def load() -> list[float]:
    """Wall and processor seconds, bytes and rows of one loading in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING], check=True, capture_output=True, text=True
    )
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def look_up(hull: Hull, n_elements: int, systems: int, seed: int) -> dict[str, float]:
    """Median processor times, ms, of first and later look-ups in systems of so many elements."""
    found: dict[tuple[str, ...], HullEntry] = {}
    entries = [e for e in shipped_references().entries if len(e.composition.elements) == n_elements]
    random.Random(seed).shuffle(entries)
    for entry in entries:
        if len(found) < systems and reference_crystal(entry) is not None:
            found.setdefault(tuple(sorted(entry.composition.elements)), entry)
    first: list[float] = []
    again: list[float] = []
    basis: list[float] = []
    for entry in found.values():
        crystal = reference_crystal(entry)
        assert crystal is not None
        for times in (first, again):
            started = time.process_time()
            hull.decomposition_energy(entry.composition, entry.energy_per_atom)
            times.append(1000 * (time.process_time() - started))
        started = time.process_time()
        hull.basis(crystal, entry.energy_per_atom)
        basis.append(1000 * (time.process_time() - started))
    return {
        "first": round(statistics.median(first), 3),
        "again": round(statistics.median(again), 3),
        "slowest first": round(max(first), 1),
        "products and phase": round(statistics.median(basis), 1),
    }


if __name__ == "__main__":
    main()
