"""Score networks compared at equal processor time: validation loss against seconds trained.

    python benchmarks/architectures.py TRAIN.extxyz.gz VAL.extxyz.gz HELD_OUT.txt

One thread, the same data, noise, batches and optimiser for each; needs the ``train`` extra.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from gencsp.composition import read_formula_keys
from gencsp.diffusion.training.data import CrystalSet, stream_extxyz
from gencsp.diffusion.training.score_objective import ScoreObjective, validate
from gencsp.diffusion.training.settings import TrainSettings
from gencsp.diffusion.training.state import new_state
from gencsp.diffusion.training.trainer import train_step
from gencsp.measure.record import record

SEED = 0
NETWORKS: dict[str, dict[str, Any]] = {
    "density": {"channels": 64, "layers": 4, "n_radial": 8},
    "painn": {"channels": 64, "layers": 4, "n_radial": 20},
    "nequip": {"channels": 32, "layers": 3, "n_radial": 8},
}


def curve(
    name: str, crystals: CrystalSet, judged: CrystalSet, seconds: float, points: int
) -> dict[str, Any]:
    """Train for a processor time and validate the averaged weights at even intervals."""
    settings = TrainSettings(
        steps=10**9, learning_rate=2e-3, warmup=100, cooldown=0.0, ema=0.99, seed=SEED
    )
    state = new_state(name, NETWORKS[name], settings)
    rows = []
    spent = 0.0
    for point in range(1, points + 1):
        while spent < seconds * point / points:
            begun = time.process_time()
            train_step(state, settings, ScoreObjective(), crystals, torch.device("cpu"))
            spent += time.process_time() - begun
        losses = validate(state.average, judged)
        rows.append({"cpu_seconds": spent, "steps": state.step, "mean_loss": losses["mean"]})
        print(name, rows[-1], flush=True)
    return {
        "config": NETWORKS[name],
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "ms_a_step": 1000 * spent / state.step,
        "curve": rows,
        "last_by_band": {k: v for k, v in losses.items() if "/" not in k},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--seconds", type=float, default=240, help="processor seconds for each")
    parser.add_argument("--points", type=int, default=4, help="validations along the way")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/architectures.json"))
    args = parser.parse_args()

    torch.set_num_threads(1)
    held_out = read_formula_keys(args.held_out)
    crystals = CrystalSet.gather(stream_extxyz(args.train), held_out=held_out)
    judged = CrystalSet.gather(islice(stream_extxyz(args.validation), 256), held_out=held_out)
    results = {name: curve(name, crystals, judged, args.seconds, args.points) for name in NETWORKS}
    record(
        args.out,
        measured="validation loss (mean over noise bands of the mean squared error of "
        "sigma*score) after equal processor time on one thread",
        sample_size={"training crystals": len(crystals), "validation crystals": len(judged)},
        seed=SEED,
        intervals=(),
        protocol={
            "training": "averaged weights, constant rate 2e-3",
            "note": "one seed and short runs: an order of networks at this budget, not their "
            "limits; sizes were chosen for similar cost of a step, not tuned",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
