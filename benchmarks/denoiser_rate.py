"""Crystals that the score and joint models sample a minute of a core, by torch and by C++.

    python benchmarks/denoiser_rate.py

Default samplers, one thread. The engines take turns, round after round, so that both see the same
machine; the fastest round of each counts. What one engine draws, the other draws too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gencsp.diffusion.joint import sampler as joint
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel, load_joint_model
from gencsp.diffusion.networks.engines import DenoiserEngine
from gencsp.diffusion.networks.native import instruction_sets
from gencsp.diffusion.positions import sampler as positions
from gencsp.diffusion.positions.model import NetworkScoreModel, load_score_model
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.measure.record import record

ENGINES: tuple[DenoiserEngine, ...] = ("torch", "native")
SIZES = (4, 12, 30)
TOGETHER = (1, 8)
RESULT = Path(__file__).parent / "results" / "denoiser_rate.json"


class Timed(nn.Module):
    """A network that counts its processor seconds, or the operations of its products."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seconds = 0.0
        self.operations = 0
        self.counts = False

    def forward(self, *args: Any) -> Any:
        if self.counts:
            with FlopCounterMode(display=False) as counter:
                out = self.network(*args)
            self.operations += counter.get_total_flops()
            return out
        begun = time.process_time()
        out = self.network(*args)
        self.seconds += time.process_time() - begun
        return out


def crystal(size: int) -> Atoms:
    """A cubic cell of TiO2's density, atoms at random places."""
    edge = (10.3 * size) ** (1 / 3)
    numbers = [22 if k % 3 == 0 else 8 for k in range(size)]
    places = np.random.default_rng(size).random((size, 3)) * edge
    return Atoms(numbers, places, cell=np.eye(3) * edge, pbc=True)


def sample_positions(engine: DenoiserEngine) -> tuple[Timed, Callable[[int, int], object]]:
    model = load_score_model(engine=engine)
    timed = Timed(model.network)
    watched = NetworkScoreModel(timed, sigma_min=model.sigma_min, sigma_max=model.sigma_max)

    def run(size: int, together: int) -> object:
        rngs = [np.random.default_rng([size, k]) for k in range(together)]
        crystals = [crystal(size)] * together
        return positions.sample(watched, crystals, settings=SamplerSettings(), rngs=rngs)

    return timed, run


def sample_joint(engine: DenoiserEngine) -> tuple[Timed, Callable[[int, int], object]]:
    model = load_joint_model(engine=engine)
    timed = Timed(model.network)
    watched = JointModel(timed, model.objective, model.sizes, model.digest)

    def run(size: int, together: int) -> object:
        return joint.sample(
            ClassifierFree(watched, None, 0.0),
            [crystal(size)] * together,
            settings=joint.JointSamplerSettings(),
            rngs=[np.random.default_rng([size, k]) for k in range(together)],
        )

    return timed, run


def measured(
    runs: dict[DenoiserEngine, tuple[Timed, Callable[[int, int], object]]],
    size: int,
    together: int,
    rounds: int,
) -> dict[str, Any]:
    counted, run = runs["torch"]
    counted.counts, counted.operations = True, 0
    run(size, together)
    counted.counts = False
    seconds: dict[DenoiserEngine, list[tuple[float, float]]] = {engine: [] for engine in runs}
    for _ in range(rounds):
        for engine, (timed, run) in runs.items():
            timed.seconds, begun = 0.0, time.process_time()
            run(size, together)
            seconds[engine].append((time.process_time() - begun, timed.seconds))
    best = {engine: min(some) for engine, some in seconds.items()}
    return {
        **{
            engine: {
                "samples_per_minute": round(60 * together / whole, 1),
                "milliseconds_per_sample": round(1e3 * whole / together, 1),
                "share_of_the_network": round(of_network / whole, 3),
                "gigaflops": round(counted.operations / of_network / 1e9, 1),
            }
            for engine, (whole, of_network) in best.items()
        },
        "ratio": round(best["torch"][0] / best["native"][0], 2),
    }


def of_a_product(n: int = 768, times: int = 40) -> float:
    """Billion operations a second of torch's product of two large matrices, one thread."""
    a = torch.ones(n, n)
    a @ a
    begun = time.process_time()
    for _ in range(times):
        a @ a
    return round(2 * times * n**3 / (time.process_time() - begun) / 1e9, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    product = of_a_product()
    for name, make in (("score", sample_positions), ("joint", sample_joint)):
        runs = {engine: make(engine) for engine in ENGINES}
        for _, run in runs.values():
            run(2, 1)  # warm up
        for size in SIZES:
            for together in TOGETHER:
                row = measured(runs, size, together, options.rounds)
                results[f"{name}, {size} atoms, {together} together"] = row
                print(name, size, together, row, flush=True)
    record(
        RESULT,
        measured="crystals that a model samples with its default sampler in a minute of one core, "
        "by the engine of its network, and the ratio of processor seconds",
        command=f"python benchmarks/{Path(__file__).name} --rounds {options.rounds}",
        sample_size={"rounds of each engine": options.rounds},
        seed=None,
        intervals=(),
        protocol={
            "random numbers": "of the size of the cell and the place in the batch",
            "time": "processor seconds, the least of the rounds; engines take turns",
            "native": instruction_sets()[0],
            "gigaflops": "operations of the products of torch's network, over the seconds in the "
            "network of each engine",
            "gigaflops of a product of matrices of 768": product,
            "weights": {"score": load_score_model().digest, "joint": load_joint_model().digest},
        },
        results=results,
    )


if __name__ == "__main__":
    main()
