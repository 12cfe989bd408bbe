"""Structures relaxed a minute: the native engine against chgnet, interleaved in one run.

Random crystals of 6-24 atoms, atoms and cell, fmax 0.1 eV/Å, at most 200 steps. In each round every
contender relaxes the same few structures, in turn, so that the load of the machine falls on all.

    python benchmarks/engine_throughput.py --structures 16 --rounds 2
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.relax.settings import Minimiser

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
THREADS = 2
FMAX, STEPS = 0.1, 200

Summary = dict[str, list[float]]


def relax_with_chgnet(batch: list[Atoms]) -> Summary:
    """One structure after another by chgnet's StructOptimizer (FIRE on atoms and cell)."""
    found: Summary = {"energy": [], "steps": []}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        for atoms in batch:
            result = _optimizer().relax(atoms, fmax=FMAX, steps=STEPS, verbose=False)
            trajectory = result["trajectory"]
            found["energy"].append(float(trajectory.energies[-1]) / len(atoms))
            found["steps"].append(len(trajectory) - 2)
    return found


_cached: list[Any] = []


def _optimizer() -> Any:
    if not _cached:
        from chgnet.model.dynamics import StructOptimizer

        with contextlib.redirect_stdout(io.StringIO()):
            _cached.append(StructOptimizer(use_device="cpu"))
    return _cached[0]


def _start_one_thread_worker() -> None:
    import torch

    torch.set_num_threads(1)
    _optimizer()


def relax_with_engine(batch: list[Atoms], minimiser: Minimiser, workers: int) -> Summary:
    """All at once by the native engine."""
    from gencsp.engine.select import get_engine
    from gencsp.relax.settings import RelaxSettings

    settings = RelaxSettings(fmax=FMAX, steps=STEPS, minimiser=minimiser)
    engine = get_engine("native")
    found = sorted(engine.relax(batch, settings, workers=workers), key=lambda r: r.index)
    return {"energy": [r.energy_per_atom for r in found], "steps": [r.steps for r in found]}


def in_two_processes(pool: ProcessPoolExecutor, batch: list[Atoms]) -> Summary:
    """The same, each structure to whichever of the processes is free, largest first."""
    order = sorted(range(len(batch)), key=lambda i: -len(batch[i]))
    futures = {i: pool.submit(relax_with_chgnet, [batch[i]]) for i in order}
    parts = [futures[i].result() for i in range(len(batch))]
    return {key: [p[key][0] for p in parts] for key in ("energy", "steps")}


def single_call(repeats: int) -> dict[str, float]:
    """Milliseconds for energy and forces of an 8-atom cell through ASE; median, interleaved."""
    import numpy as np
    from ase.build import bulk
    from chgnet.model.dynamics import CHGNetCalculator as Original

    from gencsp.calculators.potential import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        calculators = {
            "chgnet": Original(use_device="cpu"),
            "gencsp": CHGNetCalculator(engine="native"),
        }
    spent: dict[str, list[float]] = {name: [] for name in calculators}
    for repeat in range(repeats + 2):
        atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        atoms.rattle(0.05, seed=repeat)
        for name, calculator in calculators.items():
            atoms.calc = calculator
            started = time.perf_counter()
            atoms.get_potential_energy()
            atoms.get_forces()
            if repeat >= 2:
                spent[name].append(1e3 * (time.perf_counter() - started))
    return {name: float(np.median(times)) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--structures", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20240611)
    parser.add_argument("--name", default="engine_throughput")
    parser.add_argument("--without-default", action="store_true", help="leave out the slowest")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with _one_thread_environment():
        pool = ProcessPoolExecutor(
            THREADS, mp_context=context, initializer=_start_one_thread_worker
        )
        for future in [pool.submit(time.sleep, 1.0) for _ in range(THREADS)]:
            future.result()

    import numpy as np
    import torch
    from ase.build import bulk
    from engine_record import environment, gemm_rate, write
    from engine_workload import random_crystals

    record: dict[str, object] = {"environment": environment()}
    torch.set_num_threads(THREADS)
    crystals = random_crystals(options.structures, rng=np.random.default_rng(options.seed))
    contenders: dict[str, Callable[[list[Atoms]], Summary]] = {
        "gencsp FIRE, 2 threads": lambda b: relax_with_engine(b, "fire", THREADS),
        "gencsp quasi-Newton, 2 threads": lambda b: relax_with_engine(b, "quasi-newton", THREADS),
        "chgnet FIRE, 2 processes of 1 thread": lambda b: in_two_processes(pool, b),
        "chgnet StructOptimizer default, 2 threads": relax_with_chgnet,
    }
    if options.without_default:
        del contenders["chgnet StructOptimizer default, 2 threads"]
    for contender in contenders.values():  # load models and warm up
        contender([bulk("Si"), bulk("NaCl", "rocksalt", a=5.6)])
    wall = dict.fromkeys(contenders, 0.0)
    results: dict[str, Summary] = {c: {"energy": [], "steps": []} for c in contenders}
    for part in range(options.rounds):
        batch = list(crystals[part :: options.rounds])
        for name, contender in contenders.items():
            started = time.perf_counter()
            found = contender(batch)
            wall[name] += time.perf_counter() - started
            for key in found:
                results[name][key] += found[key]
            print(f"round {part}: {name}: {wall[name]:.1f} s so far", flush=True)
    pool.shutdown()

    reference = wall["chgnet FIRE, 2 processes of 1 thread"]
    energies = {name: np.array(r["energy"]) for name, r in results.items()}
    base = energies["chgnet FIRE, 2 processes of 1 thread"]
    record["protocol"] = {
        "structures": options.structures,
        "rounds": options.rounds,
        "seed": options.seed,
        "atoms": [int(min(map(len, crystals))), int(max(map(len, crystals)))],
        "fmax": FMAX,
        "steps": STEPS,
        "cell": "relaxed with the atoms (Fréchet cell filter)",
        "threads": THREADS,
    }
    record["contenders"] = {
        name: {
            "wall_seconds": round(wall[name], 3),
            "structures_per_minute": round(60 * options.structures / wall[name], 1),
            "times_two_processes": round(reference / wall[name], 2),
            "steps": int(sum(results[name]["steps"])),
            "below_step_limit": int(sum(s < STEPS for s in results[name]["steps"])),
            "mean_energy_eV_per_atom": round(float(energies[name].mean()), 5),
            "within_1_meV_of_two_processes": int((abs(energies[name] - base) < 1e-3).sum()),
            "lower_by_5_meV": int((energies[name] < base - 5e-3).sum()),
            "higher_by_5_meV": int((energies[name] > base + 5e-3).sum()),
        }
        for name in contenders
    }
    single: dict[str, dict[str, float]] = {}
    for threads in (1, THREADS):
        torch.set_num_threads(threads)
        calls = single_call(20)
        single[f"chgnet on {threads} thread(s)"] = {
            **{f"{k}_milliseconds": round(v, 3) for k, v in calls.items()},
            "ratio": round(calls["chgnet"] / calls["gencsp"], 2),
        }
    record["single_ase_call_8_atoms"] = single
    record["blas_gemm_gflops"] = round(gemm_rate(), 1)
    print(write(options.name, record).read_text())


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    """Processes started inside inherit one thread for every library."""
    before = {v: os.environ.get(v) for v in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    yield
    for variable, value in before.items():
        if value is None:
            del os.environ[variable]
        else:
            os.environ[variable] = value


if __name__ == "__main__":
    main()
