"""DP-CDVAE's Tables I and S1: match rate and mean δ_rms of reconstructed crystals.

    python benchmarks/dp_cdvae_reconstruction.py TEST.extxyz.gz --name perov_5 --weights WEIGHTS

Each crystal is encoded, z is drawn, and number of atoms, lattice, species and coordinates are
decoded from it, once. The coordinates go by eq. 7 (Table I), by eq. 6 (Table S1), and by gencsp's
own renewal of the noise. Crystals and distances are kept under ``runs/dp_cdvae``, so that the same
command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from dp_cdvae_crystals import (
    RULES,
    Kept,
    add_options,
    add_set_options,
    folder_of,
    protocol_of,
    reconstructed,
    set_of,
    variant_of,
    with_interval,
)
from dp_cdvae_paper import DATA, TABLE_I, TABLE_S1

from gencsp.composition import Composition
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.match_rate import distance
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, share
from gencsp.measure.validity import compositionally_valid

RESULTS = Path(__file__).parent / "results"
#: Pairs between two writes of the file.
CHUNK = 50


def distances(path: Path, crystals: Sequence[Atoms], made: Sequence[Atoms]) -> list[float]:
    """δ_rms of each pair, those in the file among them."""
    kept = Kept(path)
    while (begun := len(kept.rows)) < len(crystals):
        pairs = zip(made[begun : begun + CHUNK], crystals[begun : begun + CHUNK], strict=True)
        kept.add([{"distance": distance(one, crystal)} for one, crystal in pairs])
    return [row["distance"] for row in kept.rows[: len(crystals)]]


def summary(
    crystals: Sequence[Atoms], made: Sequence[Atoms], found: Sequence[float], seconds: float
) -> dict[str, Any]:
    """What the record says of one rule."""
    n, matched = len(crystals), [value for value in found if not np.isnan(value)]
    pairs = list(zip(crystals, made, strict=True))
    valid = sum(
        compositionally_valid(one.numbers)
        for one, value in zip(made, found, strict=True)
        if not np.isnan(value)
    )
    return {
        "matched": share(len(matched), n),
        "rms": with_interval(matched, np.mean),
        "matched_and_valid": share(valid, n),
        "right_number_of_atoms": share(sum(len(a) == len(b) for a, b in pairs), n),
        "right_formula": share(
            sum(Composition.of(a).reduced == Composition.of(b).reduced for a, b in pairs), n
        ),
        "processor_seconds": round(seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_set_options(parser)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    model = load_dp_cdvae(options.weights, device=options.device)
    crystals = list(islice(stream_extxyz(options.data), options.structures))
    results: dict[str, Any] = {}
    for rule in options.rules:
        made, seconds = reconstructed(model, crystals, rule=rule, options=options)
        path = folder_of(options, model) / f"distances-{set_of(options)}-{rule}.jsonl"
        found = distances(path, crystals, made)
        results[rule] = summary(crystals, made, found, seconds)
        print(rule, json.dumps(results[rule]), flush=True)
    protocol = {
        "set": options.name,
        "data": DATA[options.name],
        **protocol_of(options, model),
        "rules": "modified: eq. 7 (Table I); ancestral: eq. 6 (Table S1); renewal: of all noise",
        "matcher": "StructureMatcher, stol 0.5, angle_tol 10, ltol 0.3; δ_rms over (V/N)^(1/3)",
        "valid": "CDVAE's program counts a match only where the composition of the reconstruction "
        "passes SMACT's rules, too: matched_and_valid",
    }
    if not options.trial:
        record(
            RESULTS / f"dp_cdvae_reconstruction_{options.name}_{variant_of(model)}.json",
            measured="share of crystals that one reconstruction each matches, and mean δ_rms of "
            "those, in units of (V/N)^(1/3), by reverse step",
            sample_size={"crystals": len(crystals)},
            seed=options.seed,
            intervals=(WILSON, BOOTSTRAP),
            protocol=protocol,
            results={
                "rules": results,
                "published": {
                    "modified": TABLE_I[options.name],
                    "ancestral": TABLE_S1[options.name],
                },
            },
        )


if __name__ == "__main__":
    main()
