"""Samples a minute of the joint model, and how much of the time is not the network's.

    python benchmarks/joint_rate.py

Crystals of 4, 10 and 20 atoms, species given and de novo, without targets and with guidance, in
batches of 32. The network's forward passes are timed within the same runs; the rest is overhead.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import nn

from gencsp.diffusion.joint.conditions import as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel, load_joint_model
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.measure.record import record

SIZES = (4, 10, 20)
BATCH = 32
RESULT = Path(__file__).parent / "results" / "joint_rate.json"


class Timed(nn.Module):
    """A network that counts its calls and seconds."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seconds = 0.0
        self.calls = 0

    def forward(self, *args: Any) -> Any:
        begun = time.perf_counter()
        out = self.network(*args)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - begun
        self.calls += 1
        return out


def measured(
    model: JointModel, size: int, *, hidden: bool, weight: float, steps: int
) -> dict[str, Any]:
    timed = Timed(model.network)
    watched = JointModel(timed, model.objective, model.sizes, model.digest)
    numbers = np.zeros(size, int) if hidden else np.array([22, *[8] * (size - 1)])
    start = Atoms(numbers, np.zeros((size, 3)), cell=np.eye(3), pbc=True)
    targets = as_labels([{"compactness": 0.7} if weight else {}] * BATCH)
    denoiser = ClassifierFree(watched, model.objective.properties.encode(targets), weight)
    rngs = [np.random.default_rng([0, k]) for k in range(BATCH)]
    begun = time.perf_counter()
    sample(denoiser, [start] * BATCH, settings=JointSamplerSettings(steps=steps), rngs=rngs)
    spent = time.perf_counter() - begun
    return {
        "atoms": size,
        "species": "generated" if hidden else "given",
        "weight": weight,
        "samples_per_minute": round(60 * BATCH / spent, 1),
        "milliseconds_per_call_and_crystal": round(1e3 * timed.seconds / timed.calls / BATCH, 3),
        "calls": timed.calls,
        "overhead": round(1 - timed.seconds / spent, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=JointSamplerSettings().steps)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_joint_model(options.weights, device=options.device)
    measured(model, 4, hidden=False, weight=0.0, steps=3)  # warm up
    rows = [
        measured(model, size, hidden=hidden, weight=weight, steps=options.steps)
        for size in SIZES
        for hidden in (False, True)
        for weight in (0.0, 2.0)
    ]
    protocol = {
        "weights": model.digest,
        "sampler": str(JointSamplerSettings().sampler),
        "batch": BATCH,
    }
    record(
        RESULT,
        measured="crystals that the joint model samples a minute of wall time, and the share of "
        "that time outside its network",
        command=f"python benchmarks/joint_rate.py --steps {options.steps} --threads "
        f"{options.threads} --device {options.device}",
        sample_size={"crystals of each row": BATCH},
        seed=0,
        intervals=(),
        protocol=protocol,
        results=rows,
    )
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
