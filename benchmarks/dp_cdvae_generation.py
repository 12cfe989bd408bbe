"""DP-CDVAE's Table II: validity, coverage and property distances of generated crystals.

    python benchmarks/dp_cdvae_generation.py TEST.extxyz.gz --name perov_5 --weights WEIGHTS

10,240 crystals are decoded from z ~ N(0, I), nothing dropped; validity and coverage are of all of
them, the property distances of 1,000 drawn from the valid ones. Crystals, fingerprints and energies
are kept under ``runs/dp_cdvae``, so that the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from ase import Atoms
from dp_cdvae_crystals import (
    Kept,
    add_options,
    add_set_options,
    folder_of,
    generated,
    protocol_of,
    set_of,
    variant_of,
)
from dp_cdvae_paper import COLUMNS_II, DATA, TABLE_II

from gencsp.composition import Composition
from gencsp.convex_hull.ends import formation_energy
from gencsp.convex_hull.hull import Hull
from gencsp.diffusion.dp_cdvae.choices import Rule
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.coverage import CUTOFFS, Fingerprints, coverage
from gencsp.measure.property_distances import (
    density,
    element_count,
    property_distance,
)
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.measure.structure_fingerprint import structure_fingerprint
from gencsp.measure.validity import compositionally_valid, structurally_valid
from gencsp.potentials import get_potential
from gencsp.potentials.base import Engine

RESULTS = Path(__file__).parent / "results"
#: Crystals between two writes of a file.
CHUNK = 100


def fingerprint(atoms: Atoms) -> list[float] | None:
    """Structure fingerprint, as JSON has it."""
    warnings.simplefilter("ignore")
    found = structure_fingerprint(atoms)
    return None if found is None else found.tolist()


def fingerprints(path: Path, crystals: Sequence[Atoms], workers: int) -> Fingerprints:
    """Those of crystals, those in the file among them."""
    kept = Kept(path)
    with ExitStack() as stack:
        mapped: Callable[..., Iterable[list[float] | None]] = map
        if workers > 1:
            # What has threads must not be forked.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            mapped = partial(pool.map, chunksize=10)
        while (begun := len(kept.rows)) < len(crystals):
            some = mapped(fingerprint, crystals[begun : begun + CHUNK])
            kept.add([{"structure": one} for one in some])
            print(path.name, len(kept.rows), flush=True)
    return Fingerprints.join(crystals, [row["structure"] for row in kept.rows[: len(crystals)]])


def formation_energies(
    path: Path, crystals: Sequence[Atoms], engine: Engine, hull: Hull, workers: int
) -> list[float]:
    """eV/atom of crystals as they are, those in the file among them; NaN where there is none."""
    kept = Kept(path)
    while (begun := len(kept.rows)) < len(crystals):
        some = crystals[begun : begun + CHUNK]
        found = engine.evaluate(some, workers=workers)
        kept.add([{"energy": one.energy / len(a)} for one, a in zip(found, some, strict=True)])
    return [
        formation_energy(hull, Composition.of(atoms), row["energy"])
        for atoms, row in zip(crystals, kept.rows, strict=False)
    ]


def distances(
    folder: Path, made: Sequence[Atoms], known: Sequence[Atoms], options: argparse.Namespace
) -> dict[str, Any]:
    """Wasserstein distances of the three properties."""
    engine, hull = get_potential("chgnet"), Hull.load()
    hull.require_model(engine.model)
    drawn = folder / f"energies-{options.rule}-{options.samples}-{options.valid}.jsonl"
    truth = options.folder / f"energies-{set_of(options)}-{engine.digest}.jsonl"
    sides: dict[str, tuple[Sequence[float], Sequence[float]]] = {
        "density": ([density(a) for a in made], [density(a) for a in known]),
        "formation_energy": (
            formation_energies(drawn, made, engine, hull, options.workers),
            formation_energies(truth, known, engine, hull, options.workers),
        ),
        "elements": ([element_count(a) for a in made], [element_count(a) for a in known]),
    }
    rng = np.random.default_rng(options.seed)
    return {
        name: asdict(property_distance(some, others, rng=rng))
        for name, (some, others) in sides.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_set_options(parser)
    parser.add_argument("--samples", type=int, default=10_240)
    parser.add_argument("--valid", type=int, default=1000, help="for the property distances")
    parser.add_argument("--rule", choices=get_args(Rule), default="modified")
    parser.add_argument("--workers", type=int, default=1, help="processes for fingerprints")
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    model = load_dp_cdvae(options.weights, device=options.device)
    folder = folder_of(options, model)
    known = list(islice(stream_extxyz(options.data), options.structures))
    made, seconds = generated(model, options.samples, rule=options.rule, options=options)
    by_structure = [structurally_valid(atoms) for atoms in made]
    by_composition = [compositionally_valid(atoms.numbers) for atoms in made]
    workers = options.workers
    prints = fingerprints(folder / f"fingerprints-{options.rule}.jsonl", made, workers)
    path = options.folder / f"fingerprints-{set_of(options)}.jsonl"
    known_prints = fingerprints(path, known, workers)
    covered = coverage(prints, known_prints, CUTOFFS[options.name])
    # A crystal without a fingerprint is not valid to CDVAE's program either.
    whole = np.isfinite(prints.structure).all(axis=1)
    valid = np.flatnonzero(np.array(by_structure) & np.array(by_composition) & whole)
    rng = np.random.default_rng(options.seed)
    drawn = rng.choice(valid, min(options.valid, len(valid)), replace=False)
    results: dict[str, Any] = {
        "structure": share(sum(by_structure), len(made)),
        "composition": share(sum(by_composition), len(made)),
        "valid": share(len(valid), len(made)),
        "COV-R": share(covered.known_covered, covered.known),
        "COV-P": share(covered.generated_covered, covered.generated),
        "coverage": asdict(covered),
        **(distances(folder, [made[k] for k in drawn], known, options) if len(drawn) else {}),
        "processor_seconds": round(seconds, 3),
        "columns": COLUMNS_II,
        "published": TABLE_II[options.name],
    }
    print(json.dumps(results, indent=1, default=str))
    if not options.trial:
        _record(options, protocol_of(options, model), variant_of(model), len(known), results)


def _record(
    options: argparse.Namespace,
    protocol: dict[str, object],
    variant: str,
    known: int,
    results: dict[str, Any],
) -> None:
    cutoffs = CUTOFFS[options.name]
    record(
        RESULTS / f"dp_cdvae_generation_{options.name}_{variant}.json",
        measured="shares of crystals of z ~ N(0, I) that are valid by structure and composition, "
        "COV-R and COV-P, and Wasserstein distances of density (g/cm³), formation energy (eV/atom) "
        "and number of elements to the known crystals",
        sample_size={
            "crystals": options.samples,
            "valid ones for the distances": options.valid,
            "known crystals": known,
        },
        seed=options.seed,
        intervals=(WILSON, "95 %, percentile bootstrap of the generated ones, of distances"),
        protocol={
            "set": options.name,
            "data": DATA[options.name],
            **protocol,
            "rule": options.rule,
            "validity": "no two atoms within 0.5 Å, cell of 0.1 Å³ or more; SMACT's rules as CDVAE "
            "applies them, one element and metals alone exempt",
            "coverage": f"cut-offs {cutoffs.structure} of CrystalNN fingerprints and "
            f"{cutoffs.composition} of Magpie's on CDVAE's scale",
            "formation energy": "by CHGNet, of structures as they are, against CHGNet's elements "
            "(the paper: a network of CDVAE's authors, of MP-20's formation energies, Perov-5's "
            "heat_ref against reference phases, and Carbon-24's energies per atom); CHGNet was "
            "trained on Materials Project data, so its errors on such crystals are in-sample",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
