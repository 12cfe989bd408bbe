"""The cycle of CHGGen: generate, relax, remove the guests, symmetrise, inpaint, relax again.

Source: Section III.B and Fig. 3 of the CHGGen paper; its settings are those of "Methods".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.deck import Same, check
from gencsp.executors.lost import lost_errors
from gencsp.executors.waiting import wait_for_one
from gencsp.minimise.settings import RelaxSettings
from gencsp.powder.similarity import PatternComparison
from gencsp.proposers.base import Request
from gencsp.proposers.drawing import even_shares
from gencsp.provenance import Stage
from gencsp.searches import tasks
from gencsp.searches.contracts import HullReference, ProposerMaker, RelaxerMaker
from gencsp.searches.progress import CycleProgress
from gencsp.searches.ranking import duplicates_in, rank
from gencsp.searches.runner import worker_error
from gencsp.searches.settings import CycleSettings
from gencsp.searches.tightening import TightRelaxations
from gencsp.store.base import Finished, Store
from gencsp.symmetry.hosts import GuestChoice, choose_guests

Call = Callable[[], Finished]


@dataclass(frozen=True, slots=True)
class _StageRun:
    """The state of a cycle: its stage, the tasks of the stage, and those that are finished."""

    stage: Stage
    calls: Mapping[str, Call]
    finished: dict[str, Finished]

    def progress(self) -> CycleProgress:
        failures: Counter[str] = Counter()
        for result in self.finished.values():
            failures.update(result.failures)
        return CycleProgress(
            stage=self.stage,
            done=len(self.finished),
            total=len(self.calls),
            structures=sum(len(tasks.usable(r.structures)) for r in self.finished.values()),
            failures=failures,
        )


class Cycle:
    """One run of the cycle.

    The result of a task is stored before another task uses it; tasks that the store already has are
    not run again. Results do not depend on the executor.

    The state of the run is held by this object and its store: the loop over its steps may be left
    and entered again, see :meth:`irun`.

    Args:
        settings: what to search.
        proposer: makes the proposer that generates.
        inpainter: makes the proposer that completes frameworks (it is given a host).
        relaxer: makes the relaxer.
        hull: reference of the decomposition energies; the energies of its phases and those of the
            relaxer must come from the same model. ``None`` for a ranking by enthalpy alone.
        store: where everything is kept.
        executor: where tasks run; may be replaced where one was lost.
        same: what counts as the same crystal in the ranking, see :mod:`gencsp.similarity.rules`.
        pattern: compares structures with a measured powder pattern; ``None`` for none.

    Attributes:
        guests: the guests, once they are known.
        guest_choice: why these, where the cycle chose them.
    """

    def __init__(
        self,
        settings: CycleSettings,
        *,
        proposer: ProposerMaker,
        inpainter: ProposerMaker,
        relaxer: RelaxerMaker,
        hull: HullReference | None,
        store: Store,
        executor: Executor,
        same: Same = "tight",
        pattern: PatternComparison | None = None,
    ) -> None:
        self.settings = settings
        self.pattern = pattern
        self.proposer = proposer
        self.inpainter = inpainter
        self.relaxer = relaxer
        self.hull = hull
        self.store = store
        self.executor = executor
        self.same = same
        self._tight = TightRelaxations(relaxer, settings.relax)
        self.guests: tuple[str, ...] | None = settings.guests
        self.guest_choice: GuestChoice | None = None
        self._now: _StageRun | None = None
        self._under_way: dict[str, Future[Finished]] = {}

    def run(self, *, begin: Stage | None = None) -> list[Atoms]:
        """Run to the end; returns :meth:`ranking`. See :meth:`irun`."""
        for _ in self.irun(begin=begin):
            pass
        return self.ranking()

    def irun(self, *, begin: Stage | None = None) -> Iterator[CycleProgress]:
        """Run step by step: yields after each task, and once as a stage begins.

        The loop may be left at any step, by ``break`` or by an error, and entered again with
        ``irun`` or :meth:`run`. It then yields the present progress, and goes on as if it had not
        been left: running tasks go on meanwhile, as long as the executor lives, and are not
        submitted twice. After an error of the store or the executor the same object can be used
        again once the cause is removed. A cycle that has ended yields once and does nothing more.

        Args:
            begin: the first stage to run; ``None`` for the present one, which is
                ``Stage.GENERATED`` at first. The store must hold the results of the stage before.
                To refine structures from elsewhere, finish a task ``relaxed-0000`` with them and
                begin at ``Stage.FRAMEWORK``.

        Raises:
            RequestError: there is no such stage.
            StoreError: the store cannot be written or is full.
            WorkerError: the executor lost its workers, or several of them over one task.
        """
        if begin is not None:
            check("begin", begin, Stage)
        if begin is not None or self._now is None:
            self._now = self._stage_run(begin or Stage.GENERATED)
        yield self._now.progress()
        while (progress := self._next(self._now)) is not None:
            yield progress

    def ranking(self) -> list[Atoms]:
        """The converged structures that the store holds, by decomposition energy or enthalpy.

        ``duplicate_of`` in ``info`` marks those that are the same crystal as a better one, by its
        ``structure_id``, in the store too; the others have the number of their ``copies``.
        Structures of which it is in doubt whether they are one crystal are relaxed tightly for
        that, where ``same`` says so (:meth:`gencsp.similarity.grouping.Grouping.settle`).

        Raises:
            WorkerError: the executor lost its workers, or takes no more tasks.
            StoreError: the store cannot be written or is full.
        """
        ranked = rank(
            self.converged(),
            same=self.same,
            tighten=partial(self._tight.on, self.executor),
        )
        self.store.mark(records.DUPLICATE_OF, duplicates_in(ranked))
        return ranked

    def structures(self, stage: Stage) -> list[Atoms]:
        """What the store holds of a stage, with those that did not converge."""
        return [atoms for _, finished in self._of(stage) for atoms in finished.structures]

    def converged(self) -> Iterator[Atoms]:
        """The structures to rank, as the store holds them."""
        for stage in (Stage.RELAXED, Stage.REFINED):
            for atoms in self.structures(stage):
                if records.ranking_energy(atoms.info) is not None:
                    yield atoms

    def submit(self) -> Collection[Future[Finished]]:
        """Start what can run at the present stage, once :meth:`irun` has begun.

        Returns:
            The tasks that run; none where the next step of :meth:`irun` waits for none.

        Raises:
            WorkerError: the executor takes no more tasks.
        """
        if self._now is None or self._now.finished.keys() >= self._now.calls.keys():
            return ()
        self._submit_all(self._now)
        return tuple(f for task, f in self._under_way.items() if task in self._now.calls)

    def failures(self) -> Counter[str]:
        """How many structures failed, by reason, over all stages."""
        total: Counter[str] = Counter()
        for finished in self._finished():
            total.update(finished.failures)
        return total

    def _next(self, now: _StageRun) -> CycleProgress | None:
        """Finish one task, or begin the next stage; ``None`` where the cycle has ended."""
        if now.finished.keys() >= now.calls.keys():
            stages = list(Stage)
            if now.stage is stages[-1]:
                return None
            now = self._now = self._stage_run(stages[stages.index(now.stage) + 1])
        else:
            self._submit_all(now)
            self._finish_one(now)
        return now.progress()

    def _stage_run(self, stage: Stage) -> _StageRun:
        make_calls = {
            Stage.GENERATED: self._generate,
            Stage.RELAXED: self._relax,
            Stage.FRAMEWORK: self._symmetrise,
            Stage.INPAINTED: self._inpaint,
            Stage.REFINED: self._refine,
        }
        calls = make_calls[stage]()
        kept = {task: self.store.get(task) for task in calls}
        finished = {task: have for task, have in kept.items() if have is not None}
        return _StageRun(stage, calls, finished)

    def _submit_all(self, now: _StageRun) -> None:
        """Submit the tasks that are neither finished nor running."""
        refusals: tuple[type[BaseException], ...] = (*lost_errors(), RuntimeError)
        for task, call in now.calls.items():
            if task not in now.finished and task not in self._under_way:
                try:
                    self._under_way[task] = self.executor.submit(call)
                except refusals as error:
                    raise worker_error(error) from error

    def _finish_one(self, now: _StageRun) -> None:
        """Wait for a task of the stage and store its result; only then is it finished."""
        futures = {task: f for task, f in self._under_way.items() if task in now.calls}
        done = wait_for_one(futures.values())
        task, future = next((t, f) for t, f in futures.items() if f in done)
        if _has_failed(future):
            # All of them at once: a broken executor has lost all its running tasks.
            for other in [t for t, f in self._under_way.items() if f.done() and _has_failed(f)]:
                del self._under_way[other]
        try:
            result = self._judged(future.result())
        except lost_errors() as error:
            raise worker_error(error) from error
        self.store.finish(task, result)
        now.finished[task] = result
        del self._under_way[task]

    def _judged(self, finished: Finished) -> Finished:
        if self.hull is not None:
            for atoms in finished.structures:
                records.write_decomposition_energy(atoms, self.hull)
        if self.pattern is not None:
            for atoms in finished.structures:
                if records.ranking_energy(atoms.info) is not None:
                    self.pattern.mark(atoms)
        return finished

    def _generate(self) -> dict[str, Call]:
        settings = self.settings
        calls: dict[str, Call] = {}
        end = settings.first + settings.n
        for start in range(settings.first, end, settings.chunk):
            size = min(settings.chunk, end - start)
            task = _task(Stage.GENERATED, start)
            calls[task] = partial(
                tasks.propose,
                self.proposer,
                Request(
                    composition=settings.composition,
                    n=size,
                    units=tuple(settings.composition.units_within(settings.max_atoms)),
                    volume_per_atom=settings.volume_per_atom,
                    pressure=settings.relax.pressure,
                    offset=start,
                ),
                seed=settings.seed,
                task=task,
                ids=tasks.ids("g", start, size),
                first=start == settings.first,
            )
        return calls

    def _relax(self) -> dict[str, Call]:
        return self._relax_all(Stage.GENERATED, Stage.RELAXED, self.settings.relax)

    def _symmetrise(self) -> dict[str, Call]:
        relaxed = tasks.usable(self.structures(Stage.RELAXED))
        if self.guests is None and relaxed:
            self.guest_choice = choose_guests(relaxed, among=self.settings.guest_choices)
            self.guests = (self.guest_choice.species,)
        return {
            _renamed(task, Stage.FRAMEWORK): partial(
                tasks.frameworks,
                tasks.usable(finished.structures),
                guests=self.guests,
                ladder=self.settings.ladder,
            )
            for task, finished in self._of(Stage.RELAXED)
            if self.guests
        }

    def _inpaint(self) -> dict[str, Call]:
        settings = self.settings
        calls: dict[str, Call] = {}
        frameworks = self.structures(Stage.FRAMEWORK)
        shares = [settings.inpaintings] * len(frameworks)
        if settings.inpainted is not None and frameworks:
            shares = even_shares(settings.inpainted, len(frameworks))
        for framework, n in zip(frameworks, shares, strict=True):
            name = str(framework.info[records.STRUCTURE_ID])[1:]
            host_size = settings.composition.without(self.guests or ()).size
            for start in range(0, n, settings.chunk):
                size = min(settings.chunk, n - start)
                task = f"{Stage.INPAINTED}-{name}" + (f".{start}" if start else "")
                calls[task] = partial(
                    tasks.propose,
                    self.inpainter,
                    Request(
                        composition=settings.composition,
                        n=size,
                        units=(len(framework) // host_size,),
                        host=framework,
                        pressure=settings.relax.pressure,
                        offset=start,
                    ),
                    seed=settings.seed,
                    task=task,
                    ids=tuple(f"i{name}.{k}" for k in range(start + 1, start + size + 1)),
                )
        return calls

    def _refine(self) -> dict[str, Call]:
        relax = replace(self.settings.relax, keep_symmetry=self.settings.keep_symmetry)
        return self._relax_all(Stage.INPAINTED, Stage.REFINED, relax)

    def _relax_all(self, before: Stage, after: Stage, relax: RelaxSettings) -> dict[str, Call]:
        return {
            _renamed(task, after): partial(
                tasks.relax,
                self.relaxer,
                finished.structures,
                relax,
                stage=after,
                tolerance=self.settings.tolerance,
            )
            for task, finished in self._of(before)
            if finished.structures
        }

    def _of(self, stage: Stage) -> Iterator[tuple[str, Finished]]:
        for task in self.store.tasks():
            if task.startswith(f"{stage}-") and (finished := self.store.get(task)) is not None:
                yield task, finished

    def _finished(self) -> Iterator[Finished]:
        for stage in Stage:
            yield from (finished for _, finished in self._of(stage))


def _task(stage: Stage, number: int) -> str:
    return f"{stage}-{number:04d}"


def _renamed(task: str, stage: Stage) -> str:
    return f"{stage}-{task.partition('-')[2]}"


def _has_failed(future: Future[Finished]) -> bool:
    """Whether a future that is done has no result."""
    return future.cancelled() or future.exception() is not None
