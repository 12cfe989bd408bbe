"""Memory of a process that relaxes 10⁵ small cells, failing ones among them.

python benchmarks/relax_leak.py
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from scipy.stats import linregress, t

from gencsp.measure.record import record
from gencsp.minimise import Outcome, RelaxSettings
from gencsp.minimise.settings import Minimiser
from gencsp.potentials.chgnet.native import NativeEngine

SAMPLES = 100
#: Share of the run whose samples are left out: memory is still finding its level.
WARMUP = 0.1
#: A force call among hundreds of neighbours takes a hundred times as long as the others.
CROWDED_EVERY = 1000
MINIMISERS: tuple[Minimiser, ...] = ("quasi-newton", "fire")


def crystals() -> list[tuple[str, Atoms]]:
    """One of each kind of input, cheap to relax or to refuse."""
    not_a_number = bulk("Si")
    not_a_number.positions[0, 1] = np.nan
    flat = Atoms("Si2", [[0, 0, 0], [1, 1, 0]], cell=[[3, 0, 0], [0, 3, 0], [3, 3, 0]], pbc=True)
    on_top = Atoms("Si2", [[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True)
    crowded = Atoms("H", cell=[0.55, 0.55, 4.0], pbc=True)  # 750 neighbours in 6 Å
    return [
        ("salt", bulk("NaCl", "rocksalt", a=5.9)),
        ("metal", bulk("Cu", a=3.8)),
        ("oxide", bulk("MgO", "rocksalt", a=4.0)),
        ("not a number", not_a_number),
        ("no volume", flat),
        ("unknown element", Atoms([0, 1], cell=[3, 3, 3], pbc=True)),
        ("empty", Atoms()),
        ("isolated", Atoms("Na", cell=[20, 20, 20], pbc=True)),
        ("collapsed", Atoms("Na", cell=[0.6, 0.6, 0.6], pbc=True)),
        ("atoms on top of each other", on_top),
        ("750 neighbours an atom", crowded),
    ]


def stream(first: int, last: int) -> Iterator[Atoms]:
    """Inputs number ``first`` to ``last`` - 1 in turn, each a little different."""
    *kinds, (_, crowded) = crystals()
    for k in range(first, last):
        rare = k % CROWDED_EVERY == CROWDED_EVERY - 1
        atoms = crowded.copy() if rare else kinds[k % len(kinds)][1].copy()
        if len(atoms) > 1 and atoms.cell.volume > 1:
            atoms.positions[-1] += 1e-3 * (k % 97)
        yield atoms


def resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    engine = NativeEngine()
    outcomes: Counter[str] = Counter()
    counts, memory = [], []
    begun = time.process_time()
    edges = np.linspace(0, options.n, SAMPLES + 1).astype(int)
    for k, (first, last) in enumerate(pairwise(edges)):
        settings = RelaxSettings(steps=2, minimiser=MINIMISERS[k % 2])
        # Every other round with what also keeps Python objects: a callback and whole paths.
        ignore = _ignore if k % 4 > 1 else None
        for result in engine.relax(
            stream(first, last),
            settings,
            workers=options.workers,
            on_path=ignore,
            on_step=ignore,
        ):
            outcomes[result.outcome.name] += 1
        gc.collect()
        counts.append(int(last))
        memory.append(resident())
        if k % 10 == 9:
            print(f"{last} relaxations, {memory[-1]:.1f} MB", flush=True)
    assert sum(outcomes.values()) == options.n
    assert set(outcomes) <= {o.name for o in Outcome}
    settled = np.array(counts) > WARMUP * options.n
    fit = linregress(np.array(counts)[settled], 1e6 * np.array(memory)[settled])
    half = float(t.ppf(0.975, int(settled.sum()) - 2)) * fit.stderr
    protocol: dict[str, object] = {
        "inputs": "in turn: "
        + ", ".join(name for name, _ in crystals()[:-1])
        + f"; every {CROWDED_EVERY}th: {crystals()[-1][0]}",
        "settings": "2 steps; the two minimisers in turn; half of the rounds with callbacks",
        "workers": options.workers,
        "slope": f"least squares over {int(settled.sum())} samples after the first "
        f"{WARMUP:.0%}; 95 % interval, samples taken as independent",
    }
    results: dict[str, object] = {
        "outcomes": dict(sorted(outcomes.items())),
        "processor_seconds": round(time.process_time() - begun, 1),
        "resident_MB": {
            "after warm-up": round(memory[int(np.argmax(settled))], 2),
            "at the end": round(memory[-1], 2),
            "largest": round(max(memory), 2),
            "rise over the last half": round(memory[-1] - memory[len(memory) // 2], 2),
        },
        "slope_bytes_per_relaxation": {
            "value": round(float(fit.slope), 3),
            "low": round(float(fit.slope) - half, 3),
            "high": round(float(fit.slope) + half, 3),
        },
        "samples_MB": [round(m, 2) for m in memory],
    }
    path = record(
        Path(__file__).parent / "results" / "relax_leak.json",
        measured="resident memory (MB) of a process over relaxations, failing inputs among them, "
        "and its slope in bytes a relaxation",
        sample_size={"relaxations": options.n},
        seed=None,
        intervals=("95 %, Student's t, of the slope",),
        protocol=protocol,
        results=results,
    )
    print(path.read_text("utf-8"))


def _ignore(*_: object) -> None:
    pass


if __name__ == "__main__":
    main()
