"""A series of guest contents in a host: guests are placed, relaxed and compared over the content.

Guests are placed by the inpainting of CHGGen (Section II.C), in whole orbits of the host's space
group and freely, as in the cycle. What is known of the places of the guests, such as the crystal
that the host was taken from, is relaxed beside what is inpainted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Count, Same, check
from gencsp.intercalation.contents import (
    GuestContent,
    content_of,
    formula_units,
    plan_contents,
)
from gencsp.intercalation.profile import Point, point_of
from gencsp.proposers.base import Request
from gencsp.proposers.drawing import even_shares
from gencsp.provenance import Provenance, Stage
from gencsp.searches import tasks
from gencsp.searches.contracts import HullReference, ProposerMaker, RelaxerMaker
from gencsp.searches.guest_tasks import place_and_relax, relax_known
from gencsp.searches.intercalation_settings import IntercalationSettings
from gencsp.searches.ranking import duplicates_in, rank
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.searches.tightening import TightRelaxations
from gencsp.store.base import Finished, Store
from gencsp.symmetry.supercells import distinct_supercells, rotations_of, supercell


@dataclass(frozen=True, slots=True, kw_only=True)
class IntercalationProgress:
    """How far a run is, after each task.

    Attributes:
        done, total: tasks; those of an earlier, interrupted session count as done.
        structures: that converged.
        failures: by reason.
    """

    done: int
    total: int
    structures: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Work:
    """The tasks of one call, the last of which has the relaxed structures."""

    tasks: tuple[str, ...]
    call: partial[TaskOutput]


class Intercalation:
    """One run over a series of guest contents.

    The results of tasks are stored as they end; tasks that the store has are not run again. Results
    depend on neither the executor nor the number of workers.

    Args:
        settings: what to place, and how.
        host: a crystal without guests; its primitive cell makes more contents possible.
        known: structures at contents of the series whose guests are placed already, host atoms
            first, relaxed beside those that are inpainted.
        inpainter: makes the proposer that places guests.
        relaxer: makes the relaxer.
        hull: reference of the decomposition energies; ``None`` for none.
        store: where everything is kept.
        executor: where tasks run.
        same: what counts as the same crystal.
        ahead: calls under way at once.

    Raises:
        RequestError: a content that no cell within the atom limit can have.
    """

    def __init__(
        self,
        settings: IntercalationSettings,
        *,
        host: Atoms,
        known: Sequence[Atoms] = (),
        inpainter: ProposerMaker,
        relaxer: RelaxerMaker,
        hull: HullReference | None,
        store: Store,
        executor: Executor,
        same: Same = "tight",
        ahead: Count = 1,
    ) -> None:
        check("ahead", ahead, Count)
        self.ahead = ahead
        self.settings = settings
        self.host = host
        self.known = tuple(known)
        self.inpainter = inpainter
        self.relaxer = relaxer
        self.hull = hull
        self.store = store
        self.executor = executor
        self.same = same
        units = formula_units(host, settings.unit)
        self.plans = plan_contents(settings.series, units, len(host), settings.max_atoms)
        relax = replace(settings.relax, fixed_cell=settings.relaxing == "guests")
        self._relax = relax
        self._tight = TightRelaxations(relaxer, relax)

    def run(self) -> list[Atoms]:
        """Run to the end; returns :meth:`structures`."""
        for _ in self.irun():
            pass
        return self.structures()

    def irun(self) -> Iterator[IntercalationProgress]:
        """Run step by step: yields at first and after each task; it may be left and entered again.

        Raises:
            StoreError: the store cannot be written or is full.
            WorkerError: the executor lost its workers, or several of them over one task.
        """
        work = list(self._work())
        runner = TaskRunner(self.store, self.executor, prepare=self._judged)
        submitted = 0
        failures: Counter[str] = Counter()
        converged = 0
        try:
            for done, one in enumerate(work):
                yield IntercalationProgress(
                    done=done, total=len(work), structures=converged, failures=dict(failures)
                )
                # An executor without processes runs what it is given at once.
                for ahead in work[submitted : done + self.ahead]:
                    runner.submit(ahead.tasks, ahead.call)
                submitted = max(submitted, done + self.ahead)
                for task in one.tasks:
                    failures.update(runner.result(task).failures)
                converged += len(tasks.usable(runner.result(one.tasks[-1]).structures))
            yield IntercalationProgress(
                done=len(work), total=len(work), structures=converged, failures=dict(failures)
            )
        finally:
            runner.cancel()
            runner.keep()

    def structures(self) -> list[Atoms]:
        """The converged structures by guest content, the lowest of each first, duplicates marked.

        Raises:
            WorkerError: the executor lost its workers, or takes no more tasks.
            StoreError: the store cannot be written or is full.
        """
        relaxed = [
            atoms
            for task, finished in self.store.load().items()
            if task.startswith((f"{Stage.RELAXED}-", f"{Stage.REFINED}-"))
            for atoms in tasks.usable(finished.structures)
            if records.ranking_energy(atoms.info) is not None
        ]
        # What is held would not be held by a tight relaxation.
        free = self.settings.relaxing == "all"
        tighten = partial(self._tight.on, self.executor) if free else None
        ranked = rank(relaxed, same=self.same, tighten=tighten)
        self.store.mark(records.DUPLICATE_OF, duplicates_in(ranked))
        return sorted(ranked, key=lambda atoms: atoms.info[records.GUEST_CONTENT])

    def failures(self) -> Counter[str]:
        """How many structures failed, by reason."""
        total: Counter[str] = Counter()
        for finished in self.store.load().values():
            total.update(finished.failures)
        return total

    def points(self, structures: Sequence[Atoms]) -> list[Point]:
        """Energy and volume of each structure, per formula unit of the host."""
        return [point_of(atoms, self.settings.guest, self.settings.unit) for atoms in structures]

    def _judged(self, finished: Finished) -> Finished:
        for atoms in finished.structures:
            content = content_of(atoms, self.settings.guest, self.settings.unit)
            atoms.info[records.GUEST_CONTENT] = float(content)
            if self.hull is not None:
                records.write_decomposition_energy(atoms, self.hull)
        return finished

    def _work(self) -> Iterator[_Work]:
        """The calls of the series: known places first, then what is inpainted."""
        settings = self.settings
        for number, (x, plan) in enumerate(zip(settings.series, self.plans, strict=True)):
            starts = [self.host] if x == 0 else []
            starts += [
                atoms
                for atoms in self.known
                if content_of(atoms, settings.guest, settings.unit) == x
            ]
            if starts:
                yield self._known(f"{number:03d}", starts)
            if x > 0:
                yield from self._inpainted(f"{number:03d}", plan)

    def _known(self, name: str, starts: Sequence[Atoms]) -> _Work:
        named = []
        for place, atoms in enumerate(starts):
            copy = atoms.copy()
            copy.calc = None
            origin = str(atoms.info.get(records.ORIGIN, "host"))
            copy.info = {records.HOST_ATOMS: self._host_atoms(atoms), records.ORIGIN: origin}
            Provenance(
                structure_id=f"g{name}.{place}",
                proposer="files",
                seed=self.settings.seed,
                stage=Stage.GENERATED,
            ).write(copy)
            named.append(copy)
        call = partial(
            relax_known,
            self.relaxer,
            tuple(named),
            self._relax,
            held=self.settings.relaxing != "all",
            tolerance=self.settings.tolerance,
        )
        return _Work((f"{Stage.RELAXED}-{name}",), call)

    def _inpainted(self, name: str, plan: Sequence[GuestContent]) -> Iterator[_Work]:
        settings = self.settings
        cells = list(self._supercells(plan))
        shares = even_shares(settings.n, len(cells))
        for place, ((content, host), n) in enumerate(zip(cells, shares, strict=True)):
            if n == 0:
                continue
            composition = Composition.of(host).alphabetical
            counts = {s: k * (len(host) // composition.size) for s, k in composition.counts}
            whole = Composition.from_counts({settings.guest: content.guests, **counts})
            own = f"{name}.{place}"
            Provenance(
                structure_id=f"h{own}", proposer="files", seed=settings.seed, stage=Stage.FRAMEWORK
            ).write(host)
            names = (f"{Stage.INPAINTED}-{own}", f"{Stage.REFINED}-{own}")
            yield _Work(
                names,
                partial(
                    place_and_relax,
                    self.inpainter,
                    self.relaxer,
                    Request(
                        composition=whole.reduced,
                        n=n,
                        units=(whole.size // whole.reduced.size,),
                        host=host,
                        pressure=settings.relax.pressure,
                    ),
                    self._relax,
                    held=settings.relaxing != "all",
                    tolerance=settings.tolerance,
                    seed=settings.seed,
                    task=names[0],
                    ids=tuple(f"i{own}.{k}" for k in range(1, n + 1)),
                ),
            )

    def _supercells(self, plan: Sequence[GuestContent]) -> Iterator[tuple[GuestContent, Atoms]]:
        """The first supercells that can have a content, as many as the settings say."""
        left = self.settings.cells
        for content in plan:
            matrices = distinct_supercells(
                self.host.cell.array, rotations_of(self.host), content.multiple
            )
            for matrix in matrices[:left]:
                host = supercell(self.host, matrix)
                host.info = {}
                yield content, host
            left -= len(matrices[:left])

    def _host_atoms(self, atoms: Atoms) -> int:
        symbols: list[str] = atoms.get_chemical_symbols()
        return len(symbols) - symbols.count(self.settings.guest)
