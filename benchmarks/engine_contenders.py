"""Those who relax in engine_throughput.py, all with the same fmax, steps and moving cell."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from gencsp.symmetry.tolerances import KEPT_SYMPREC

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.minimise.settings import Minimiser

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
THREADS = 2
FMAX, STEPS = 0.1, 200

#: "energy" (eV/atom) and "steps", one number for each structure.
Summary = dict[str, list[float]]

_cached: list[Any] = []


def _optimizer() -> Any:
    if not _cached:
        from chgnet.model.dynamics import StructOptimizer

        with contextlib.redirect_stdout(io.StringIO()):
            _cached.append(StructOptimizer(optimizer_class="FIRE", use_device="cpu"))
    return _cached[0]


def relax_with_chgnet(batch: list[Atoms], keep_symmetry: bool = False) -> Summary:
    """One structure after another by chgnet's StructOptimizer (ASE's FIRE on atoms and cell)."""
    from ase.constraints import FixSymmetry

    found: Summary = {"energy": [], "steps": []}
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        for start in batch:
            atoms = start.copy()
            if keep_symmetry:
                atoms.set_constraint(FixSymmetry(atoms, symprec=KEPT_SYMPREC))
            result = _optimizer().relax(atoms, fmax=FMAX, steps=STEPS, verbose=False)
            trajectory = result["trajectory"]
            found["energy"].append(float(trajectory.energies[-1]) / len(atoms))
            found["steps"].append(len(trajectory) - 2)
    return found


def relax_with_engine(
    batch: list[Atoms], minimiser: Minimiser | None, keep_symmetry: bool = False
) -> Summary:
    """All at once by the native engine; ``None`` for the default minimiser."""
    from gencsp.minimise.settings import RelaxSettings
    from gencsp.potentials.chgnet.select import get_engine

    settings = RelaxSettings(
        fmax=FMAX, steps=STEPS, keep_symmetry=keep_symmetry, symprec=KEPT_SYMPREC
    )
    if minimiser is not None:
        settings = replace(settings, minimiser=minimiser)
    found = sorted(
        get_engine("native").relax(batch, settings, workers=THREADS), key=lambda r: r.index
    )
    return {"energy": [r.energy_per_atom for r in found], "steps": [r.steps for r in found]}


def in_two_processes(
    pool: ProcessPoolExecutor, batch: list[Atoms], keep_symmetry: bool = False
) -> Summary:
    """By chgnet, each structure to whichever of the processes is free, largest first."""
    order = sorted(range(len(batch)), key=lambda i: -len(batch[i]))
    futures = {i: pool.submit(relax_with_chgnet, [batch[i]], keep_symmetry) for i in order}
    parts = [futures[i].result() for i in range(len(batch))]
    return {key: [p[key][0] for p in parts] for key in ("energy", "steps")}


@contextlib.contextmanager
def two_processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes of one thread each, with chgnet loaded."""
    before = {v: os.environ.get(v) for v in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    pool = ProcessPoolExecutor(
        THREADS, mp_context=get_context("spawn"), initializer=_start_one_thread_worker
    )
    try:
        for future in [pool.submit(time.sleep, 1.0) for _ in range(THREADS)]:
            future.result()
        for variable, value in before.items():
            if value is None:
                del os.environ[variable]
            else:
                os.environ[variable] = value
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _start_one_thread_worker() -> None:
    import torch

    torch.set_num_threads(1)
    _optimizer()


def call_times(structures: list[Atoms], repeats: int) -> dict[str, list[float]]:
    """Milliseconds for energy and forces through ASE, chgnet's calculator and ours in turn.

    The median of some for each structure; atoms move a little between calls, as they do in use.
    """
    from chgnet.model.dynamics import CHGNetCalculator as Original

    from gencsp.calculators.potential import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        calculators = {
            "chgnet": Original(use_device="cpu"),
            "gencsp": CHGNetCalculator(engine="native"),
        }
    found: dict[str, list[float]] = {name: [] for name in calculators}
    for start in structures:
        spent: dict[str, list[float]] = {name: [] for name in calculators}
        for repeat in range(repeats + 1):
            atoms = start.copy()
            atoms.rattle(0.01, seed=repeat)
            for name, calculator in calculators.items():
                atoms.calc = calculator
                started = time.perf_counter()
                atoms.get_potential_energy()
                atoms.get_forces()
                if repeat > 0:
                    spent[name].append(1e3 * (time.perf_counter() - started))
        for name in found:
            found[name].append(float(np.median(spent[name])))
    return found
