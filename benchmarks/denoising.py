"""RMSD of rattled crystals to where they came from, before and after denoising.

python benchmarks/denoising.py MP20_TEST_SAMPLE.extxyz.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.positions.sampler import SamplerSettings, sample
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, bootstrap_interval

RATTLES = (0.1, 0.3, 0.5)
SEED = 0


def rmsd(moved: Atoms, original: Atoms) -> float:
    """Root-mean-square displacement in Å without the motion of the whole crystal."""
    shift = moved.positions - original.positions
    return float(np.sqrt(((shift - shift.mean(0)) ** 2).sum(1).mean()))


def denoise(
    model: ScoreModel, crystals: list[Atoms], rattle: float, steps: int
) -> dict[str, object]:
    rng = np.random.default_rng([SEED, round(rattle * 1000)])
    noisy = []
    for atoms in crystals:
        copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        copy.positions += rng.normal(scale=rattle, size=copy.positions.shape)
        noisy.append(copy)
    settings = SamplerSettings(
        sampler="heun", steps=steps, spacing="karras", sigma_max=rattle, sigma_min=0.003
    )
    clean: list[Atoms] = []
    for first in range(0, len(noisy), 50):
        part = noisy[first : first + 50]
        rngs = [np.random.default_rng([SEED, first + k]) for k in range(len(part))]
        clean += sample(model, part, settings=settings, rngs=rngs)
    # One atom alone in its cell cannot move against itself, so it says nothing.
    pairs = [k for k, atoms in enumerate(crystals) if len(atoms) > 1]
    before = [rmsd(noisy[k], crystals[k]) for k in pairs]
    after = [rmsd(clean[k], crystals[k]) for k in pairs]
    return {
        "crystals": len(pairs),
        "before": summary(before),
        "after": summary(after),
        "share_improved": float(np.mean(np.array(after) < np.array(before))),
    }


def summary(values: list[float]) -> dict[str, object]:
    rng = np.random.default_rng(SEED)
    return {
        "median": float(np.median(values)),
        "median_95": bootstrap_interval(values, rng=rng),
        "mean": float(np.mean(values)),
        "quartiles": [float(q) for q in np.percentile(values, [25, 75])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="crystals, extxyz")
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=10, help="Heun steps")
    parser.add_argument("--limit", type=int, default=None, help="only the first so many crystals")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/denoising.json"))
    args = parser.parse_args()

    torch.set_num_threads(1)
    model = load_score_model(args.weights)
    crystals = list(stream_extxyz(args.data))[: args.limit]
    results = {}
    for rattle in RATTLES:
        results[f"{rattle:g}"] = row = denoise(model, crystals, rattle, args.steps)
        print(f"rattled by {rattle:g} Å: {row}")
    record(
        args.out,
        measured="RMSD (Å) to the unrattled crystal before and after denoising, every coordinate "
        "rattled by a normal of the given standard deviation (Å), mean displacement taken off",
        sample_size={"crystals": len(crystals)},
        seed=SEED,
        intervals=(BOOTSTRAP,),
        protocol={
            "sampler": f"Heun, {args.steps} steps, deterministic; it is told the level",
            "data": args.data.name,
            "in_sample": "formulas of these crystals were held out of the training",
            "weights": model.digest,
        },
        results=results,
    )


if __name__ == "__main__":
    main()
