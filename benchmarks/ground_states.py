"""Share of known ground states found within a number of relaxed proposals, proposer by proposer.

    python benchmarks/ground_states.py CSPBENCH_DEV.extxyz.gz
    python benchmarks/ground_states.py SHOTGUNCSP_DEV.extxyz.gz \\
        --formulas-of tools/reported_formulas.json --out ground_states_reported.json

Every proposer gets the composition with the number of atoms of the known primitive cell, and
nothing else.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import reported
import torch
from ase import Atoms

from gencsp.composition import Composition
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.minimise import Relaxed
from gencsp.proposers import Request, get_proposer
from gencsp.runs.relaxing import relax
from gencsp.similarity import LOOSE, STANDARD, Tolerances, same_crystal
from gencsp.symmetry.refinement import space_group

SEED = 0
TOLERANCES = {"default": STANDARD, "loose": LOOSE}
#: Name in the results: proposer and its share of invented symmetries.
PROPOSERS = {
    "mixed": ("mixed", None),
    "pyxtal": ("pyxtal", None),
    "random": ("random", None),
    "score (no symmetry)": ("score", None),
    "symmetric, symmetries invented": ("symmetric", 1.0),
    "pigen": ("pigen", None),
}


def proposals(name: str, novelty: float | None, truth: Atoms, n: int, seed: int) -> list[Atoms]:
    composition = Composition.of(truth)
    request = Request(composition=composition, n=n, units=(len(truth) // composition.size,))
    options = {} if novelty is None else {"novelty": novelty}
    return list(get_proposer(name, options).propose(request, rng=np.random.default_rng(seed)))


def as_they_are(proposed: Sequence[Atoms]) -> list[tuple[int, Atoms]]:
    return list(enumerate(proposed))


def converged(relaxed: Sequence[Relaxed]) -> list[tuple[int, Atoms]]:
    return [(r.index, r.atoms) for r in sorted(relaxed, key=lambda r: r.index) if r.converged]


def first_match(
    candidates: Sequence[tuple[int, Atoms]], truth: Atoms, tolerances: Tolerances
) -> int | None:
    """Number of the first candidate that matches, counted from 1."""
    for index, atoms in candidates:
        if same_crystal(atoms, truth, tolerances=tolerances):
            return index + 1
    return None


def measure(name: str, truths: Sequence[Atoms], n: int) -> dict[str, object]:
    proposer, novelty = PROPOSERS[name]
    rows = []
    propose_seconds = relax_seconds = 0.0
    for k, truth in enumerate(truths):
        begun = time.process_time()
        made = proposals(proposer, novelty, truth, n, SEED + k)
        propose_seconds += time.process_time() - begun
        begun = time.process_time()
        relaxed = list(relax(made))
        relax_seconds += time.process_time() - begun
        ended = converged(relaxed)
        rows.append(
            {
                "formula": truth.get_chemical_formula(),
                "space_group": space_group(truth).number,
                "proposed": len(made),
                "converged": sum(r.converged for r in relaxed),
                "lowest_energy": min(
                    (r.energy_per_atom for r in relaxed if r.converged), default=float("nan")
                ),
                "first_match": {m: first_match(ended, truth, f) for m, f in TOLERANCES.items()},
                "first_match_unrelaxed": {
                    m: first_match(as_they_are(made), truth, f) for m, f in TOLERANCES.items()
                },
            }
        )
        print(name, rows[-1], flush=True)
    found, unrelaxed = (
        {m: share(sum(row[when][m] is not None for row in rows), len(rows)) for m in TOLERANCES}
        for when in ("first_match", "first_match_unrelaxed")
    )
    return {
        "found": found,
        "found_unrelaxed": unrelaxed,
        "propose_cpu_seconds": propose_seconds,
        "relax_cpu_seconds": relax_seconds,
        "compositions": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="known crystals, extxyz")
    parser.add_argument("--compositions", type=int, default=20)
    reported.add_options(parser)
    parser.add_argument("-n", type=int, default=20, help="proposals for each composition")
    parser.add_argument("--proposers", nargs="*", default=list(PROPOSERS), choices=list(PROPOSERS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ground_states.json"))
    args = parser.parse_args()

    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    pool = reported.chosen(stream_extxyz(args.data), args)
    order = np.random.default_rng(SEED).permutation(len(pool))[: args.compositions]
    truths = [pool[k] for k in sorted(order)]
    results = {name: measure(name, truths, args.n) for name in args.proposers}
    measured = (
        f"share of compositions whose known crystal is matched among {args.n} proposals, "
        "each relaxed once with CHGNet (fmax 0.1 eV/Å, 200 steps); first_match counts from 1"
    )
    protocol = {
        "matchers": "default: StructureMatcher(); loose: stol 0.5, ltol 0.3, "
        "angle_tol 10; unrelaxed: the proposals themselves",
        "given": "composition and number of atoms of the known primitive cell",
        "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals; "
        "their formulas were held out from score model, volume fit and symmetry prior",
        "prior": "'mixed' draws three quarters of its symmetric skeletons (space group, Wyckoff "
        "positions, cell shape) from known crystals of other formulas with like elements",
        "data": args.data.name,
        "compositions": f"{len(truths)} drawn with seed {SEED}",
    }
    record(
        args.out,
        measured=measured,
        sample_size={"compositions": len(truths), "proposals for each": args.n},
        seed=SEED,
        intervals=(WILSON,),
        protocol=protocol,
        results=results,
    )
    for name, row in results.items():
        print(name, row["found"])


if __name__ == "__main__":
    main()
