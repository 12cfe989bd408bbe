"""PIGEN's Extended Data Tables 1 and 2 (A' to D, K; A to D in sequence) on real pools.

    python benchmarks/filters.py POOLS --crystals MP20_SAMPLE

POOLS is a folder with one folder of CIF files for each generator (files that end in
``_symmetrized.cif`` are left out, so that no structure counts twice). Beside them stand known
crystals and pseudo-random structures made as the paper's baseline. M_LED is slow on cells without
symmetry, so that alone it judges at most ``--diverse`` structures of a set; in sequence it judges
all that pass A to C. Fig. 3d: the share of structures that match none of the first N prototypes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from math import inf
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.cell import Cell

from gencsp.benchmark.record import record
from gencsp.benchmark.statistics import share
from gencsp.composition import ELEMENTS
from gencsp.filters import get_filter
from gencsp.filters.neighbours import pairs_within
from gencsp.filters.pair_potential import PAPER_THRESHOLD, shipped_potential
from gencsp.filters.plots import draw_curves
from gencsp.filters.prototypes import unmatched_shares
from gencsp.io import read_structures

#: Column of the paper, filter.
COLUMNS = {
    "A'": "distances",
    "A": "pair_potential",
    "B": "compositional_novelty",
    "C": "compactness",
    "D": "local_diversity",
    "K": "complexity",
}
#: Extended Data Table 1 (A' to K alone) and Table 2 or Fig. 4 (A-D in sequence), %.
PAPER = {
    "pseudo-random": {
        "A'": 100.0,
        "A": 5.1,
        "B": 90.6,
        "C": 11.2,
        "D": 76.6,
        "K": 14.5,
        "A-D": 0.03,
    },
    "DiffCSP": {"A'": 99.9, "A": 82.8, "B": 73.6, "C": 61.8, "D": 47.0, "K": 34.0, "A-D": 15.6},
    "MatterGen": {"A'": 100.0, "A": 87.9, "B": 65.2, "C": 67.4, "D": 37.8, "K": 27.7, "A-D": 16.4},
}
#: Ranks that the prototype curve looks at, and those that are recorded.
TOP = 100
RANKS = (0, 1, 5, *range(10, TOP + 1, 10))
#: Å: least distance of the paper's pseudo-random structures.
SEPARATION = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pools", type=Path)
    parser.add_argument("--crystals", type=Path, required=True, help="known crystals, extxyz")
    parser.add_argument("--random", type=int, default=1000, help="pseudo-random structures")
    parser.add_argument("--diverse", type=int, default=200, help="structures for D alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/filters.json"))
    parser.add_argument("--plot", type=Path, help="PNG of the prototype curve")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    sets = {folder.name: _pool(folder) for folder in sorted(options.pools.iterdir())}
    sets["known crystals"] = read_structures([options.crystals])
    sets["pseudo-random"] = [pseudo_random(rng) for _ in range(options.random)]
    results, curves = {}, {}
    for name, structures in sets.items():
        # Drawn, because files are in order of composition.
        order = rng.permutation(len(structures))
        row, curve = judge(structures, order[: options.diverse].tolist())
        results[name] = row
        if curve:
            curves[name] = curve
            row["unmatched_after_prototypes"] = {str(n): curve[n] for n in RANKS}
        print(name, {key: _percent(row[key]) for key in (*COLUMNS, "A-D")}, flush=True)
        protocol = {
            "command": f"python benchmarks/filters.py POOLS --crystals CRYSTALS --random "
            f"{options.random} --diverse {options.diverse} --seed {options.seed}",
            "spp_threshold": shipped_potential().threshold,
            "spp_threshold_paper": PAPER_THRESHOLD,
            "reference": "OQMD-ICSD for A and B (the paper: ICSD for A, Alex-MP-20 for B)",
            "pseudo_random": (pseudo_random.__doc__ or "").split("\n")[0],
            "paper_percent": PAPER,
        }
        record(options.out, protocol=protocol, results=results)
    if options.plot:
        draw_curves(
            {name: [100 * v for v in curve] for name, curve in curves.items()},
            options.plot,
            xlabel="first N prototypes",
            ylabel="not matched (%), of those that pass A-C",
        )


def judge(
    structures: Sequence[Atoms], diverse: Sequence[int]
) -> tuple[dict[str, object], list[float]]:
    """Counts of each filter alone and in sequence, and the prototype curve of one set, empty where
    nothing passes A to C."""
    passed: dict[str, list[bool]] = {}
    for column, name in COLUMNS.items():
        judged = [structures[k] for k in diverse] if column == "D" else structures
        passed[column] = _passes(name, judged)
    row: dict[str, object] = {
        column: share(sum(verdicts), len(verdicts)) for column, verdicts in passed.items()
    }
    left = [k for k in range(len(structures)) if all(passed[c][k] for c in "ABC")]
    row["A-C"] = share(len(left), len(structures))
    known = dict(zip(diverse, passed["D"], strict=True))
    rest = [k for k in left if k not in known]
    known |= dict(zip(rest, _passes(COLUMNS["D"], [structures[k] for k in rest]), strict=True))
    row["A-D"] = share(sum(known[k] for k in left), len(structures))
    prototypes = get_filter("prototypes", {"top": TOP})
    ranks = [prototypes.judge(structures[k]).value for k in left]
    row["prototype_matched"] = share(sum(rank < inf for rank in ranks), len(ranks))
    row["charge_balance"] = _share_of("charge_balance", structures)
    for name in ("uniqueness", "novelty"):
        if len(structures) <= 200:
            row[name] = _share_of(name, structures)
    return row, unmatched_shares(ranks, top=TOP) if ranks else []


def pseudo_random(rng: np.random.Generator) -> Atoms:
    """1-20 atoms, each of any of 89 elements; no two within 1 Å; random cell of 5-30 Å³ per atom.

    PIGEN, Methods, "Random structure generation", made there with AIRSS. The paper gives the
    number of atoms, the separation and the elements. Lengths (ratios of 0.4 to 1) and angles (60 to
    120 degrees) of the cell, and its volume, are a choice of this benchmark.
    """
    size = int(rng.integers(1, 21))
    while True:
        cell = Cell.fromcellpar([*rng.uniform(0.4, 1, 3), *rng.uniform(60, 120, 3)])
        if not cell.volume > 0.05:
            continue
        volume = size * rng.uniform(5, 30)
        atoms = Atoms(cell=cell.array * (volume / cell.volume) ** (1 / 3), pbc=True)
        for symbol in rng.choice(ELEMENTS, size):
            if not _place(atoms, symbol, rng):
                break
        else:
            return atoms


def _place(atoms: Atoms, symbol: str, rng: np.random.Generator) -> bool:
    for _ in range(100):
        atoms.append(symbol)
        atoms.positions[-1] = rng.random(3) @ atoms.cell.array
        if len(pairs_within(atoms, SEPARATION).distances) == 0:
            return True
        del atoms[-1]
    return False


def _pool(folder: Path) -> list[Atoms]:
    files: Iterable[Path] = sorted(folder.glob("*.cif"))
    return [ase.io.read(file) for file in files if not file.stem.endswith("_symmetrized")]


def _passes(name: str, structures: Sequence[Atoms]) -> list[bool]:
    one = get_filter(name)
    return [one.judge(atoms).passed for atoms in structures]


def _share_of(name: str, structures: Sequence[Atoms]) -> dict[str, float]:
    return share(sum(_passes(name, structures)), len(structures))


def _percent(counts: object) -> str:
    assert isinstance(counts, dict)
    return f"{100 * counts['share']:.1f} ({counts['successes']}/{counts['trials']})"


if __name__ == "__main__":
    main()
