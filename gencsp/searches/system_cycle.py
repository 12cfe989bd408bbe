"""The cycle on several compositions of one system, in one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.hull import Hull
from gencsp.executors.waiting import wait_for_one
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Stage
from gencsp.searches import tasks
from gencsp.searches.cycle import Cycle
from gencsp.searches.progress import CycleProgress
from gencsp.searches.ranking import duplicates_in, rank
from gencsp.searches.tightening import TightRelaxations
from gencsp.store.base import Store
from gencsp.symmetry.refinement import LOW_SYMMETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """How many structures of a composition each stage of its cycle has made.

    Attributes:
        generated, frameworks, inpainted: all of them.
        relaxed, refined: those that converged.
        symmetric_relaxed, symmetric_refined: those of them with more symmetry than P1 and P-1, by
            the paper's tolerance (CHGGen, Methods, "Model evaluation").
    """

    generated: int
    relaxed: int
    symmetric_relaxed: int
    frameworks: int
    inpainted: int
    refined: int
    symmetric_refined: int

    @classmethod
    def of(cls, cycle: Cycle) -> StageCounts:
        """Those of a cycle, from its store."""
        relaxed = tasks.usable(cycle.structures(Stage.RELAXED))
        refined = tasks.usable(cycle.structures(Stage.REFINED))
        return cls(
            generated=len(cycle.structures(Stage.GENERATED)),
            relaxed=len(relaxed),
            symmetric_relaxed=sum(map(_is_symmetric, relaxed)),
            frameworks=len(cycle.structures(Stage.FRAMEWORK)),
            inpainted=len(cycle.structures(Stage.INPAINTED)),
            refined=len(refined),
            symmetric_refined=sum(map(_is_symmetric, refined)),
        )


class SystemCycle:
    """One run of the cycle on several compositions.

    Each composition has a :class:`.Cycle` of its own, and all of them one store and one executor:
    while one composition waits for its last relaxation, the tasks of the others run. So the result
    is that of the cycles one after another, on any number of workers, and a run that was stopped
    goes on where it was.

    Args:
        cycles: one for each composition, whose structures have numbers of their own.
        members: the end members of the system.
        possible: how many compositions fit in a cell.
        hull: the references of all decomposition energies.
        store: the whole store, of which the cycles have their parts.
    """

    def __init__(
        self,
        cycles: Sequence[Cycle],
        *,
        members: EndMembers,
        possible: int,
        hull: Hull,
        store: Store,
    ) -> None:
        self.cycles = tuple(cycles)
        self.members = members
        self.possible = possible
        self.hull = hull
        self.store = store
        first = self.cycles[0]
        self._same = first.same
        self._tight = TightRelaxations(first.relaxer, self.relax)
        self._latest: dict[tuple[Stage, int], CycleProgress] = {}

    @property
    def relax(self) -> RelaxSettings:
        """How structures are relaxed."""
        return self.cycles[0].settings.relax

    @property
    def executor(self) -> Executor:
        """Where tasks run; may be replaced where one was lost."""
        return self.cycles[0].executor

    @executor.setter
    def executor(self, new: Executor) -> None:
        for cycle in self.cycles:
            cycle.executor = new

    def run(self) -> list[Atoms]:
        """Run to the end; returns :meth:`ranking`. See :meth:`irun`."""
        for _ in self.irun():
            pass
        return self.ranking()

    def irun(self) -> Iterator[CycleProgress]:
        """Run step by step: yields after each task how far its stage is, over all compositions.

        The loop may be left and entered again, as that of :meth:`.Cycle.irun`.

        Raises:
            StoreError: the store cannot be written or is full.
            WorkerError: the executor lost its workers, or several of them over one task.
        """
        running = {number: cycle.irun() for number, cycle in enumerate(self.cycles)}
        for number, steps in running.items():
            step = next(steps)
            self._latest[step.stage, number] = step
        yield self._over_all(max((of for of, _ in self._latest), key=list(Stage).index))
        while running:
            for number in self._ready(running):
                new = next(running[number], None)
                if new is None:
                    del running[number]
                else:
                    self._latest[new.stage, number] = new
                    yield self._over_all(new.stage)

    def ranking(self) -> list[Atoms]:
        """The converged structures of all compositions by E_d, see :meth:`.Cycle.ranking`."""
        ranked = rank(
            (atoms for cycle in self.cycles for atoms in cycle.converged()),
            same=self._same,
            tighten=partial(self._tight.on, self.executor),
        )
        self.store.mark(records.DUPLICATE_OF, duplicates_in(ranked))
        return ranked

    def failures(self) -> Counter[str]:
        """How many structures failed, by reason, over all stages and compositions."""
        total: Counter[str] = Counter()
        for cycle in self.cycles:
            total.update(cycle.failures())
        return total

    def counts(self) -> dict[Composition, StageCounts]:
        """How many structures each stage has made, by composition."""
        return {cycle.settings.composition: StageCounts.of(cycle) for cycle in self.cycles}

    def _ready(self, running: dict[int, Iterator[CycleProgress]]) -> list[int]:
        """Cycles whose next step need not wait; waits until there is one."""
        futures = {number: self.cycles[number].submit() for number in running}
        idle = [number for number, own in futures.items() if not own]
        if idle:
            return idle
        done = wait_for_one([future for own in futures.values() for future in own])
        return [number for number, own in futures.items() if not done.isdisjoint(own)]

    def _over_all(self, stage: Stage) -> CycleProgress:
        steps = [step for (of, _), step in self._latest.items() if of is stage]
        failures: Counter[str] = Counter()
        for step in steps:
            failures.update(step.failures)
        return CycleProgress(
            stage=stage,
            done=sum(step.done for step in steps),
            total=sum(step.total for step in steps),
            structures=sum(step.structures for step in steps),
            failures=failures,
        )


def _is_symmetric(atoms: Atoms) -> bool:
    number = atoms.info.get(records.SPACE_GROUP_NUMBER)
    return number is not None and int(number) not in LOW_SYMMETRY
