"""Structures relaxed a minute: the native engine against chgnet, interleaved in one run.

Random crystals and proposals of 6-24 atoms, atoms and cell, fmax 0.1 eV/Å, at most 200 steps. In
each round every contender relaxes the same few structures, in turn, so that the load of the machine
falls on all. Finished rounds are kept in a file beside the result: the same command goes on from
there. Those who keep the space group are compared with chgnet under ASE's ``FixSymmetry``.

    python benchmarks/engine_throughput.py --set both --structures 64 --rounds 4
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from engine_contenders import (
    FMAX,
    STEPS,
    THREADS,
    Summary,
    call_times,
    in_two_processes,
    relax_with_chgnet,
    relax_with_engine,
    two_processes,
)
from engine_scaling import multiplications
from engine_workload import proposals, random_crystals

from gencsp.measure.record import gemm_rate, record

if TYPE_CHECKING:
    from ase import Atoms

RESULTS = Path(__file__).parent / "results"
REFERENCE = "chgnet FIRE, 2 processes of 1 thread"
KEPT_REFERENCE = "chgnet FIRE, symmetry kept, 2 processes of 1 thread"
KEPT = "gencsp FIRE, symmetry kept, 2 threads"
KEPT_DEFAULT = "gencsp default minimiser, symmetry kept, 2 threads"
DEFAULT_CHGNET = "chgnet StructOptimizer default, 2 threads"
SIZES = ((6, 8), (9, 12), (13, 16), (17, 20), (21, 24))  # atoms, for the times of force calls

Contenders = dict[str, Callable[[list["Atoms"]], Summary]]


def run_rounds(
    crystals: list[Atoms], contenders: Contenders, rounds: int, partial: Path, label: str
) -> dict[str, dict[str, Any]]:
    """Wall seconds, energies and steps of every contender, in the order of the rounds."""
    done: list[dict[str, dict[str, Any]]] = []
    if partial.exists():
        done = json.loads(partial.read_text())
    for part in range(len(done), rounds):
        batch = crystals[part::rounds]
        found: dict[str, dict[str, Any]] = {}
        for name, contender in contenders.items():
            started = time.perf_counter()
            summary = contender(batch)
            found[name] = {"wall": time.perf_counter() - started, **summary}
            print(f"{label}, round {part}: {name}: {found[name]['wall']:.2f} s", flush=True)
        done.append(found)
        partial.write_text(json.dumps(done))
    return {
        name: {
            "wall": sum(r[name]["wall"] for r in done),
            "energy": np.concatenate([r[name]["energy"] for r in done]),
            "steps": np.concatenate([r[name]["steps"] for r in done]),
        }
        for name in contenders
    }


def compare(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Throughput of each contender and how its energies differ from its reference's."""
    table = {}
    for name, found in results.items():
        kept = "symmetry kept" in name  # beside chgnet with ASE's FixSymmetry
        reference = results[KEPT_REFERENCE if kept else REFERENCE]
        difference = found["energy"] - reference["energy"]
        steps = found["steps"]
        table[name] = {
            "wall_seconds": round(found["wall"], 3),
            "structures_per_minute": round(60 * len(steps) / found["wall"], 1),
            "times_two_processes": round(reference["wall"] / found["wall"], 2),
            "steps": int(steps.sum()),
            "below_step_limit": int((steps < STEPS).sum()),
            "mean_energy_eV_per_atom": round(float(np.nanmean(found["energy"])), 5),
            "without_energy": int(np.isnan(found["energy"]).sum()),
            "within_1_meV_of_two_processes": int((abs(difference) < 1e-3).sum()),
            "lower_by_5_meV": int((difference < -5e-3).sum()),
            "higher_by_5_meV": int((difference > 5e-3).sum()),
        }
    return table


def force_calls(crystals: list[Atoms], rate: float) -> list[dict[str, Any]]:
    """Times of force calls through ASE by number of atoms, one thread each."""
    rows = []
    for least, most in SIZES:
        chosen = [a for a in crystals if least <= len(a) <= most][:4]
        if not chosen:
            continue
        spent = call_times(chosen, 5)
        counts = [multiplications(atoms) for atoms in chosen]
        gflop = 2e-9 * sum(c[2] for c in counts)
        rows.append(
            {
                "atoms": [least, most],
                "structures": len(chosen),
                "mean_directed_edges": round(float(np.mean([c[0] for c in counts]))),
                "mean_angles": round(float(np.mean([c[1] for c in counts]))),
                **{f"{k}_milliseconds": round(float(np.mean(v)), 3) for k, v in spent.items()},
                "ratio": round(sum(spent["chgnet"]) / sum(spent["gencsp"]), 2),
                "share_of_one_core_blas": round(1e3 * gflop / sum(spent["gencsp"]) / rate, 3),
            }
        )
    return rows


def single_calls() -> dict[str, dict[str, float]]:
    """The 8-atom cell of rock salt through ASE, chgnet on one thread and on all."""
    import torch
    from ase.build import bulk

    found = {}
    for threads in (1, THREADS):
        torch.set_num_threads(threads)
        spent = call_times([bulk("NaCl", "rocksalt", a=5.6, cubic=True)], 20)
        found[f"chgnet on {threads} thread(s)"] = {
            **{f"{k}_milliseconds": round(v[0], 3) for k, v in spent.items()},
            "ratio": round(spent["chgnet"][0] / spent["gencsp"][0], 2),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", choices=("random", "proposals", "both"), default="both")
    parser.add_argument("--structures", type=int, default=16, help="of each set")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20240611)
    parser.add_argument("--name", default="engine_throughput")
    parser.add_argument("--without-default", action="store_true", help="leave out the slowest")
    options = parser.parse_args()
    import torch
    from ase.build import bulk

    torch.set_num_threads(1)
    found: dict[str, object] = {}
    sets: dict[str, list[Atoms]] = {}
    if options.set != "proposals":
        rng = np.random.default_rng(options.seed)
        sets["random"] = random_crystals(options.structures, rng=rng)
    if options.set != "random":
        sets["proposals"] = proposals(options.structures, seed=options.seed)
    torch.set_num_threads(THREADS)
    with two_processes() as pool:
        contenders: Contenders = {
            "gencsp FIRE, 2 threads": lambda b: relax_with_engine(b, "fire"),
            "gencsp default minimiser, 2 threads": lambda b: relax_with_engine(b, None),
            REFERENCE: lambda b: in_two_processes(pool, b),
            KEPT: lambda b: relax_with_engine(b, "fire", keep_symmetry=True),
            KEPT_DEFAULT: lambda b: relax_with_engine(b, None, keep_symmetry=True),
            KEPT_REFERENCE: lambda b: in_two_processes(pool, b, keep_symmetry=True),
            DEFAULT_CHGNET: relax_with_chgnet,
        }
        if options.without_default:
            del contenders[DEFAULT_CHGNET]
        for contender in contenders.values():  # load models and warm up
            contender([bulk("Si"), bulk("NaCl", "rocksalt", a=5.6)])
        partials = []
        for name, crystals in sets.items():
            terms = (options.structures, options.rounds, options.seed, len(contenders))
            stem = "-".join(map(str, (options.name, name, *terms)))
            partials.append(RESULTS / f"{stem}.partial")
            results = run_rounds(crystals, contenders, options.rounds, partials[-1], name)
            found[name] = compare(results)
    torch.set_num_threads(1)
    rate = gemm_rate()
    found["blas_gemm_gflops"] = round(rate, 1)
    found["force_calls"] = {name: force_calls(crystals, rate) for name, crystals in sets.items()}
    found["single_ase_call_8_atoms"] = single_calls()
    path = record(
        RESULTS / f"{options.name}.json",
        measured="structures relaxed a minute of wall time by the native engine and by chgnet, "
        "their final energies, and milliseconds of single force calls",
        sample_size={name: len(crystals) for name, crystals in sets.items()},
        seed=options.seed,
        intervals=(),
        protocol={
            "rounds": options.rounds,
            "fmax": FMAX,
            "steps": STEPS,
            "cell": "relaxed with the atoms (Fréchet cell filter)",
            "threads": THREADS,
        },
        results=found,
    )
    print(path.read_text("utf-8"))
    for partial in partials:
        partial.unlink()


if __name__ == "__main__":
    main()
