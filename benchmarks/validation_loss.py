"""Validation loss of the shipped score model by noise band, and of predicting zero.

python benchmarks/validation_loss.py VAL.extxyz.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.training.data import CrystalSet, stream_extxyz
from gencsp.diffusion.training.score_objective import validate
from gencsp.measure.record import record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="validation crystals, extxyz")
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/validation_loss.json"))
    args = parser.parse_args()

    torch.set_num_threads(1)
    model = load_score_model(args.weights)
    crystals = CrystalSet.gather(stream_extxyz(args.data), held_out=frozenset())
    losses = validate(model.network, crystals)
    bands = [key for key in losses if "/" not in key and key != "mean"]
    results = {band: {"loss": losses[band], "zero": losses[f"zero/{band}"]} for band in bands}
    record(
        args.out,
        measured="mean squared error of sigma*score by atom, sigma log-uniform in each band (Å)",
        sample_size={"crystals": len(crystals)},
        seed=0,
        intervals=(),
        protocol={"data": args.data.name, "weights": model.digest},
        results={"bands": results, "mean": losses["mean"]},
    )
    for band, row in results.items():
        print(f"{band:>12} Å  {row['loss']:.4f}  (zero: {row['zero']:.4f})")


if __name__ == "__main__":
    main()
