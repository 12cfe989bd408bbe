"""Structures a second that the filters judge, on one core.

    python benchmarks/filter_speed.py

Crystals of exactly 20 atoms from the reference structures that ship with gencsp; times are of the
processor, so that other programs on the machine count little. Each filter is timed alone, once its
tables are loaded; M_LED is also profiled.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from ase import Atoms

from gencsp.filters import get_filter
from gencsp.io.packed import PackedStructures
from gencsp.measure.record import record

ATOMS = 20
CHEAP = ("distances", "pair_potential", "compositional_novelty", "compactness")
OTHERS = ("charge_balance", "pair_separations", "complexity", "local_diversity")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--n", type=int, default=400, help="crystals for the cheap filters")
    parser.add_argument("--costly", type=int, default=40, help="crystals for the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/filter_speed.json"))
    options = parser.parse_args()
    crystals = crystals_of(ATOMS, options.n, np.random.default_rng(options.seed))
    results: dict[str, object] = {"crystals": len(crystals), "crystals_costly": options.costly}
    # A to C, and A to C behind the usual test of distances.
    for label, names in (("A-C", CHEAP[1:]), ("A', A-C", CHEAP)):
        results[label] = timed(names, crystals)
    for name in (*CHEAP, *OTHERS):
        few = crystals if name in CHEAP else crystals[: options.costly]
        results[name] = timed((name,), few)
    results["local_diversity_profile"] = profile("local_diversity", crystals[: options.costly])
    protocol = {
        "crystals": f"OQMD-ICSD crystals of {ATOMS} atoms, as they ship with gencsp",
        "time": "processor time of one process with one thread, tables loaded before",
    }
    for key, value in results.items():
        print(key, value)
    record(
        options.out,
        measured="structures a second and milliseconds a structure of each filter on one core; "
        "share (%) of the time of M_LED in its parts",
        sample_size={"crystals": len(crystals), "crystals for costly filters": options.costly},
        seed=options.seed,
        intervals=(),
        protocol=protocol,
        results=results,
    )


def crystals_of(size: int, n: int, rng: np.random.Generator) -> list[Atoms]:
    """Up to n shipped crystals of this many atoms, drawn without repetition."""
    with resources.files("gencsp").joinpath("data/reference_structures.npz").open("rb") as file:
        packed = PackedStructures(dict(np.load(file, allow_pickle=False)))
    places = np.flatnonzero(packed.sizes == size)
    drawn = rng.choice(places, min(n, len(places)), replace=False)
    return [packed[int(place)] for place in drawn]


def timed(names: Sequence[str], crystals: Sequence[Atoms]) -> dict[str, float]:
    """Structures a second and milliseconds a structure, all filters of ``names`` together."""
    filters = [get_filter(name) for name in names]
    for one in filters:
        one.judge(crystals[0])
    begin = time.process_time()
    for atoms in crystals:
        for one in filters:
            one.judge(atoms)
    spent = (time.process_time() - begin) / len(crystals)
    return {"per_second": round(1 / spent, 1), "milliseconds": round(1000 * spent, 3)}


def profile(name: str, crystals: Sequence[Atoms]) -> dict[str, float]:
    """Share (%) of the time of a filter in its parts, those below one another included."""
    one = get_filter(name)
    one.judge(crystals[0])
    watch = cProfile.Profile(time.process_time)
    watch.enable()
    for atoms in crystals:
        one.judge(atoms)
    watch.disable()
    stats = pstats.Stats(watch).get_stats_profile()
    parts = ("judge", "orbits", "pairs_within", "_shells", "get_order_parameters")
    times = {key: part.cumtime for key, part in stats.func_profiles.items() if key in parts}
    return {key: round(100 * times[key] / times["judge"], 1) for key in parts if key in times}


if __name__ == "__main__":
    main()
