"""Structures a second on a device of PyTorch, and one at a time with chgnet on the same device.

    python benchmarks/device_throughput.py --device cuda

For a machine with a GPU; ``--device cpu:0`` goes the same way on a processor, to try the script.
CHGNet by the torch engine, in flight, against chgnet's calculator and its relaxer (FIRE), of the
same crystals with the same limits; the native engine on the processor beside both. Proposals of the
score model and the joint model there, and on the processor by the C++ engine. Contenders take
turns; the fastest round of each counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from engine_workload import random_crystals

from gencsp.diffusion.joint import sampler as joint
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.positions import sampler as positions
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.measure.record import record
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.chgnet.batched import TorchEngine
from gencsp.potentials.chgnet.select import get_engine

RESULT = Path(__file__).parent / "results" / "device_throughput.json"
RELAX = RelaxSettings(fmax=0.1, steps=200, minimiser="fire")
SINGLE = "chgnet, one at a time"

Contenders = Mapping[str, tuple[Callable[[list[Atoms]], list[float]], int]]


def evaluating(device: str, threads: int, single: int, every: int) -> Contenders:
    """What evaluates, and how many of the crystals; each gives energies in eV/atom."""
    from chgnet.model.dynamics import CHGNetCalculator

    engine, native = TorchEngine(device=device), get_engine("native")
    chgnet = CHGNetCalculator(use_device=device)

    def one_at_a_time(crystals: list[Atoms]) -> list[float]:
        found = []
        for atoms in crystals:
            atoms.calc = chgnet
            atoms.get_forces()
            found.append(atoms.get_potential_energy() / len(atoms))
            atoms.calc = None
        return found

    def by(which: Any) -> Callable[[list[Atoms]], list[float]]:
        return lambda crystals: [
            found.energy / len(atoms)
            for found, atoms in zip(
                which.evaluate(crystals, workers=threads), crystals, strict=True
            )
        ]

    return {
        SINGLE: (one_at_a_time, single),
        "gencsp, torch engine": (by(engine), every),
        "gencsp, native engine on the processor": (by(native), every),
    }


def relaxing(device: str, threads: int, single: int, every: int) -> Contenders:
    """What relaxes atoms and cell by FIRE, and how many of the crystals."""
    from chgnet.model import StructOptimizer
    from pymatgen.io.ase import AseAtomsAdaptor

    engine, native = TorchEngine(device=device), get_engine("native")
    chgnet = StructOptimizer(optimizer_class="FIRE", use_device=device)

    def one_at_a_time(crystals: list[Atoms]) -> list[float]:
        found = []
        for atoms in crystals:
            structure = AseAtomsAdaptor.get_structure(atoms)
            done = chgnet.relax(structure, fmax=RELAX.fmax, steps=RELAX.steps, verbose=False)
            found.append(float(done["trajectory"].energies[-1]) / len(atoms))
        return found

    def by(which: Any) -> Callable[[list[Atoms]], list[float]]:
        def relax(crystals: list[Atoms]) -> list[float]:
            found = [float("nan")] * len(crystals)
            for one in which.relax(crystals, RELAX, workers=threads):
                found[one.index] = float(one.energy) / len(one.atoms)
            return found

        return relax

    return {
        SINGLE: (one_at_a_time, single),
        "gencsp, torch engine": (by(engine), every),
        "gencsp, native engine on the processor": (by(native), every),
    }


def proposing(device: str, together: int) -> Contenders:
    """What samples crystals of TiO2's density, by default settings."""

    def score(device: str) -> Callable[[list[Atoms]], list[float]]:
        model = load_score_model(device=device)

        def run(crystals: list[Atoms]) -> list[float]:
            rngs = [np.random.default_rng(k) for k in range(len(crystals))]
            positions.sample(model, crystals, settings=SamplerSettings(), rngs=rngs)
            return []

        return run

    def both(device: str) -> Callable[[list[Atoms]], list[float]]:
        guided = ClassifierFree(load_joint_model(device=device), None, 0.0)

        def run(crystals: list[Atoms]) -> list[float]:
            rngs = [np.random.default_rng(k) for k in range(len(crystals))]
            joint.sample(guided, crystals, settings=joint.JointSamplerSettings(), rngs=rngs)
            return []

        return run

    return {
        "score model on the device": (score(device), together),
        "score model on the processor": (score("cpu"), 8),
        "joint model on the device": (both(device), together),
        "joint model on the processor": (both("cpu"), 8),
    }


def rates(contenders: Contenders, crystals: list[Atoms], rounds: int) -> dict[str, Any]:
    """Crystals a second of each, and how its energies differ from chgnet's."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    energies: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, (run, count) in contenders.items():
            part = [atoms.copy() for atoms in crystals[:count]]
            begun = time.perf_counter()
            energies[name] = run(part)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begun)
    found: dict[str, Any] = {}
    for name, (_, count) in contenders.items():
        count = min(count, len(crystals))
        found[name] = {"crystals": count, "per_second": count / min(seconds[name])}
        if SINGLE in energies:
            n = min(len(energies[name]), len(energies[SINGLE]))
            apart = np.abs(np.subtract(energies[name][:n], energies[SINGLE][:n]))
            found[name]["times_one_at_a_time"] = (
                found[name]["per_second"] / found[SINGLE]["per_second"]
            )
            found[name]["median_difference_eV_per_atom"] = float(np.nanmedian(apart))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--crystals", type=int, default=1024)
    parser.add_argument("--single", type=int, default=32, help="of them, one at a time by chgnet")
    parser.add_argument("--together", type=int, default=512, help="crystals sampled together")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    crystals = random_crystals(given.crystals, rng=np.random.default_rng(0))
    size = (given.threads, min(given.single, given.crystals), given.crystals)
    on_gpu = torch.cuda.is_available() and given.device.startswith("cuda")
    name = torch.cuda.get_device_name(given.device) if on_gpu else "processor"
    edge = (10.3 * 12) ** (1 / 3)
    numbers = [22 if k % 3 == 0 else 8 for k in range(12)]
    box = Atoms(numbers, np.zeros((12, 3)), cell=np.eye(3) * edge, pbc=True)
    results = {
        "evaluations": rates(evaluating(given.device, *size), crystals, given.rounds),
        "relaxations": rates(relaxing(given.device, *size), crystals, given.rounds),
        "proposals": rates(
            proposing(given.device, given.together), [box] * given.together, given.rounds
        ),
    }
    record(
        given.out,
        measured="crystals a second on a device of PyTorch and one at a time by chgnet there",
        sample_size={"crystals": given.crystals, "by chgnet": size[1], "rounds": given.rounds},
        seed=0,
        intervals=(),
        protocol={
            "device": f"{given.device}: {name}",
            "threads": given.threads,
            "crystals": "random, 6 to 24 atoms of eight compositions",
            "relaxation": "FIRE, atoms and cell, fmax 0.1 eV/Å, at most 200 steps",
            "proposals": "12 atoms in a cubic cell of TiO2's density, default samplers",
            "warning": "CHGNet was trained on Materials Project data; rates alone are measured",
        },
        results=results,
    )
    print(results)


if __name__ == "__main__":
    main()
