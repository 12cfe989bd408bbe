"""A proposer, a relaxer and a hull that cost nothing, fail now and then, and log what they do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.composition import Composition
from gencsp.minimise.result import Outcome, PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request
from gencsp.records import Basis
from gencsp.searches.contracts import Relaxer
from gencsp.searches.cycle import Cycle
from gencsp.searches.settings import CycleSettings
from gencsp.store import Store

SETTINGS = CycleSettings(
    composition=Composition.parse("LiSi2"), guests=("Li",), max_atoms=3, n=10, seed=5, chunk=3
)


class CheapProposer:
    """Si on a slightly shaken bcc lattice, Li anywhere; one in ten is rejected."""

    name = "cheap"

    def __init__(self) -> None:
        self.failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        made = 0
        while made < request.n:
            atoms = request.host.copy() if request.host is not None else self._host(rng)
            atoms += Atoms("Li", positions=rng.uniform(0, 4, (1, 3)))
            if rng.random() < 0.1:
                self.failures += 1
                continue
            made += 1
            yield atoms

    @staticmethod
    def _host(rng: np.random.Generator) -> Atoms:
        a = rng.uniform(3.5, 4.5)
        host = Atoms("Si2", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[a] * 3, pbc=True)
        host.positions += rng.normal(scale=0.01, size=(2, 3))
        return host


@dataclass(frozen=True)
class CheapProposerMaker:
    log: Path | None = None

    def __call__(self) -> CheapProposer:
        note(self.log, f"made proposer {os.getpid()}")
        return CheapProposer()


@dataclass(frozen=True)
class CheapRelaxerMaker:
    log: Path | None = None

    def __call__(self) -> Relaxer:
        note(self.log, f"made relaxer {os.getpid()}")

        def relax(
            structures: Iterable[Atoms],
            settings: RelaxSettings,
            *,
            on_path: PathCallback | None = None,  # noqa: ARG001
        ) -> Iterator[Relaxed]:
            # Out of order, as a batch in flight hands them over.
            for index, atoms in reversed(list(enumerate(structures))):
                note(self.log, f"relaxed {atoms.info['structure_id']}")
                yield relaxed(index, atoms, settings)

        return relax


@dataclass(frozen=True)
class DeadlyRelaxerMaker:
    """As :class:`CheapRelaxerMaker`, but kills its own process over a structure.

    Attributes:
        victim: id of the structure.
        times: how often, counted in the file ``log`` beside what is relaxed.
    """

    log: Path
    victim: str
    times: int = 1

    def __call__(self) -> Relaxer:
        relax = CheapRelaxerMaker(self.log)()

        def deadly(
            structures: Iterable[Atoms],
            settings: RelaxSettings,
            *,
            on_path: PathCallback | None = None,
        ) -> Iterator[Relaxed]:
            given = list(structures)
            if any(atoms.info["structure_id"] == self.victim for atoms in given):
                note(self.log, "begun")
                if self.log.read_text().split().count("begun") <= self.times:
                    os.kill(os.getpid(), signal.SIGKILL)
            return relax(given, settings, on_path=on_path)

        return deadly


def relaxed(index: int, atoms: Atoms, settings: RelaxSettings) -> Relaxed:
    """A "minimum" whose energy depends on where the guest is."""
    atoms = atoms.copy()
    guest = atoms.get_scaled_positions()[-1]
    outcome = Outcome.CONVERGED
    if guest[0] < 0.1:
        outcome = Outcome.STEP_LIMIT
    elif guest[0] < 0.2:
        outcome = Outcome.EXPLODED
        atoms.positions[:] = np.nan
    energy = float("nan") if outcome is Outcome.EXPLODED else len(atoms) * np.sin(7 * guest).sum()
    if outcome is not Outcome.EXPLODED:
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((len(atoms), 3)))
    return Relaxed(
        index=index,
        atoms=atoms,
        energy=energy,
        enthalpy=energy,
        fmax=settings.fmax / 2,
        stress=np.zeros(6),
        steps=7,
        outcome=outcome,
        energy_model="cheap",
    )


class CheapHull:
    def require_pressure(self, pressure: float) -> None:
        assert pressure == 0

    def decomposition_energy(self, composition: Composition, energy_per_atom: float) -> float:
        assert composition.size == 3
        return energy_per_atom + 1.0

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
        assert energy_per_atom == atoms.info["energy_per_atom"]
        return Basis(decomposition="1.000 elements", has_reference=True)


class Backwards(Executor):
    """Runs what was submitted last first, as late as it can: the worst order there is."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any]] = []
        self.timer: threading.Timer | None = None
        # Tasks share the parts of a process, which are used by one task at a time.
        self.busy = threading.Lock()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        if self.timer is not None:
            self.timer.cancel()
        self.timer = threading.Timer(0.005, self._run)
        self.timer.start()
        return future

    def _run(self) -> None:
        with self.busy:
            while self.waiting:
                future, call = self.waiting.pop()
                if future.set_running_or_notify_cancel():
                    future.set_result(call())


def cheap_cycle(
    store: Store,
    executor: Executor,
    log: Path | None = None,
    *,
    settings: CycleSettings = SETTINGS,
    **changes: Any,
) -> Cycle:
    return Cycle(
        replace(settings, **changes),
        proposer=CheapProposerMaker(log),
        inpainter=CheapProposerMaker(log),
        relaxer=CheapRelaxerMaker(log),
        hull=CheapHull(),
        store=store,
        executor=executor,
    )


def note(log: Path | None, line: str) -> None:
    if log is not None:
        with log.open("a") as file:
            file.write(f"{line}\n")


def table(cycle: Cycle) -> list[tuple[object, ...]]:
    """The ranked table with every number in full."""
    return [
        (
            atoms.info["structure_id"],
            repr(atoms.info["decomposition_energy"]),
            atoms.info["space_group_number"],
            atoms.info["stage"],
            atoms.info.get("parents", ""),
            atoms.info.get("duplicate_of", ""),
            atoms.positions.tolist(),
            atoms.cell.array.tolist(),
        )
        for atoms in cycle.ranking()
    ]
