"""The loop that all searches share.

For each trial: request a plan from the strategy, run it, store the result, judge it, and report it
to the strategy. Trials are requested in batches of a fixed size, and requested and reported in the
order of their numbers. The batch that ends with trial k is requested once all trials up to
k - ``ahead`` have been reported, whichever of the later ones have finished by then. So a run is the
same on any number of workers, and a run that was killed is replayed from its store up to the point
where it stopped. The state of a run is held by the :class:`Search`: a loop over its steps may be
left and entered again without changing the run.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.deck import Same
from gencsp.errors import PluginError, StoreError
from gencsp.searches.ledger import Ledger
from gencsp.searches.moves.base import Move
from gencsp.searches.progress import SearchProgress
from gencsp.searches.randomness import task_generator
from gencsp.searches.ranking import duplicates_in, mark_ranked
from gencsp.searches.runner import TaskRunner
from gencsp.searches.settings import SearchSettings
from gencsp.searches.starts import PoolStarts, ProposerStarts, StartSource, StartSupply
from gencsp.searches.stop import StopRules
from gencsp.searches.tightening import TightRelaxations
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, Strategy, Trial, TrialResult
from gencsp.searches.worker import TrialContext, TrialTask, run_trials
from gencsp.store.base import Finished

#: Trials after which what was worked out about them is kept.
NOTED = 256


class Search:
    """One run of a search.

    Args:
        settings: what all searches have in common.
        strategy: decides what is tried.
        seeds: proposers and pools of structures that start the search; may be empty.
        background: the proposer of all other structures without parents; it never runs out.
        context: what workers need to carry out trials.
        ledger: judges the results.
        runner: runs tasks and stores their results.
        stop: when to end; may be replaced, to go on with a larger budget for example.
        same: what counts as the same crystal in the ranking, see :mod:`gencsp.similarity.rules`.

    Attributes:
        results: of all finished trials, in the order of their numbers.
        stopped: why the search ended; empty while it has not.
        elapsed: wall time in seconds spent inside :meth:`irun`, up to the last finished trial;
            time between leaving the loop and entering it again does not count.
        supply: how many structures came from which source.
        pools: the seeds from files; each says which of its structures were skipped, and why.
    """

    def __init__(
        self,
        settings: SearchSettings,
        *,
        strategy: Strategy,
        seeds: tuple[StartSource, ...],
        background: ProposerStarts,
        context: TrialContext,
        ledger: Ledger,
        runner: TaskRunner,
        stop: StopRules,
        same: Same = "tight",
    ) -> None:
        self.settings = settings
        self.strategy = strategy
        self.context = context
        self.ledger = ledger
        self.runner = runner
        self.stop = stop
        self.same = same
        self.supply = StartSupply(
            seeds,
            background,
            settings.space,
            runner=runner,
            seed=settings.seed,
            block=settings.block,
            trials=settings.ahead,
        )
        self.pools = tuple(source for source in seeds if isinstance(source, PoolStarts))
        self.results: list[TrialResult] = []
        self.stopped = ""
        self.elapsed = 0.0
        self._unkept: dict[str, bytes] = {}
        self._tight = TightRelaxations(context.relaxer, context.relax)
        self._clock = 0.0
        self._fresh = 0
        # The state of the run: each trial goes from one of these to the next, in whole steps, so
        # that the loop can be left between any two of them.
        self._requested = 0
        self._trials: deque[Trial] = deque()
        self._jobs: list[TrialTask] = []
        self._moves: dict[int, str] = {}
        self._seedless: set[int] = set()
        self._judged: TrialResult | None = None

    def run(self) -> list[Atoms]:
        """Run to the end; returns :meth:`ranking`. See :meth:`irun`."""
        for _ in self.irun():
            pass
        return self.ranking()

    def irun(self) -> Iterator[SearchProgress]:
        """Run step by step: yields the progress at the start and after each finished trial.

        The loop may be left at any step, by ``break`` or by an error, and entered again with
        ``irun`` or :meth:`run`: trials, results and ranking are then those of a search that was not
        left. Finished tasks are stored when the loop is left; running tasks go on meanwhile, as
        long as the executor lives. After an error of the store or the executor the same object can
        be used again once the cause is removed: no trial is requested or reported twice. A search
        that has ended yields once and does nothing more, unless ``stop`` was replaced: with a
        larger budget it goes on as if that had been the budget from the start.

        Raises:
            StoreError: the store cannot be written or is full, or holds other trials than this
                version of the search would make.
            WorkerError: a worker process died.
        """
        self._clock = time.perf_counter()
        self.stopped = self._reason()
        yield self._progress(None)
        try:
            while (result := self._next()) is not None:
                yield self._progress(result)
        finally:
            # Also where an error, or whoever steps through the search, ends it here.
            self._note()

    def _next(self) -> TrialResult | None:
        """Request all trials that are due, then finish one; ``None`` where the search has ended.

        All state is held by the object and none by this method.
        """
        self.stopped = self._reason()  # the rules may have been replaced meanwhile
        if self.stopped:
            self.runner.cancel()
            return None
        if not self._requested:
            self._begin()
        if len(self.results) % NOTED == 0:
            self._note()
        self._request()
        result = self._report()
        now = time.perf_counter()
        self.elapsed += now - self._clock
        self._clock = now
        self.stopped = self._reason()
        return result

    def _reason(self) -> str:
        """Why to stop; empty where there is no reason."""
        reason = self.stop.reason(
            relaxed_since_record=self.ledger.relaxed_since_record,
            seconds=self.elapsed,
            target=self.ledger.target,
        )
        if not reason and len(self.results) >= self.stop.budget:
            reason = f"the budget of {self.stop.budget} trials was used"
        return reason

    def _begin(self) -> None:
        """Recall what earlier sessions noted; propose the first structures without parents."""
        self.ledger.duplicates.recall(self.runner.store.notes())
        settings = self.settings
        for kind in (SEED_STRUCTURE, RANDOM):
            share = settings.seed_share if kind == SEED_STRUCTURE else 1 - settings.seed_share
            if share > 0 and (kind == RANDOM or self.supply.seeded):
                self.supply.begin(kind, min(self.stop.budget, settings.block))

    def _request(self) -> None:
        """Request every batch that is due, and send those of its trials within the budget.

        Trials beyond the budget are requested at the same time as they would be with a larger one,
        and wait. So a search whose budget is raised later goes on as if it had been raised at the
        start.
        """
        settings = self.settings
        while True:
            self._send()
            begun = self._requested - self._requested % settings.batch
            if len(self.results) < begun + settings.batch - settings.ahead:
                return
            for number in range(self._requested, begun + settings.batch):
                rng = task_generator(settings.seed, f"ask-{number}")
                self._trials.append(self.strategy.ask(number, rng=rng))
                self._requested += 1

    def _send(self) -> None:
        """Send the requested trials, each batch as one call, as far as the budget goes."""
        budget, batch = self.stop.budget, self.settings.batch
        while self._jobs or (self._trials and self._waiting < budget):
            # A whole batch that could not be submitted before goes first, on its own.
            while (
                self._trials
                and self._waiting < budget
                and not (self._jobs and self._waiting % batch == 0)
            ):
                job = self._plan(self._waiting, self._trials[0])
                self._trials.popleft()
                if job is not None:
                    self._jobs.append(job)
            if self._jobs:
                tasks = [job.task for job in self._jobs]
                # A run that is replayed sends next to nothing.
                if not self.runner.has(tasks):
                    jobs = [replace(job, parents=_light(job.parents)) for job in self._jobs]
                    self.runner.submit(tasks, partial(run_trials, self.context, jobs))
                self._jobs = []

    @property
    def _waiting(self) -> int:
        """Number of the first requested trial that has not been planned yet."""
        return self._requested - len(self._trials)

    def _plan(self, number: int, trial: Trial) -> TrialTask | None:
        """A trial, ready to be sent; ``None`` where no structure is left to start from."""
        move, name, parents = trial.move, trial.move, trial.parents
        if trial.move in (SEED_STRUCTURE, RANDOM):
            start = self.supply.take(trial.move, needed=self.stop.budget - number)
            if trial.move == SEED_STRUCTURE and (start is None or start.kind == RANDOM):
                self._seedless.add(number)
            if start is None:
                return None
            move, name, parents = start.kind, start.source, (start.atoms,)
        self._moves[number] = move
        return TrialTask(
            task=task_of(number),
            structure_id=f"s{number:05d}",
            name=name,
            move=None if move in (SEED_STRUCTURE, RANDOM) else move_of(self.strategy, move),
            parents=parents,
        )

    def _report(self) -> TrialResult:
        """Judge the next trial and report it to the strategy, each once even if interrupted."""
        number = len(self.results)
        if self._judged is None:
            self._judged = replace(self._judge(number), seeds_ended=number in self._seedless)
        result = self._judged
        self.strategy.tell(result, rng=task_generator(self.settings.seed, f"tell-{number}"))
        self.results.append(result)
        self._judged = None
        self._moves.pop(number, None)
        self._seedless.discard(number)
        self.runner.release(task_of(number))
        return result

    def _note(self) -> None:
        """Keep results, and which crystals are duplicates: what takes longest to replay."""
        self.runner.keep()
        self._unkept |= self.ledger.duplicates.fresh_notes()
        self.runner.store.note(self._unkept)
        self._unkept = {}

    def _judge(self, number: int) -> TrialResult:
        """The result of a trial; waits for it."""
        move = self._moves.get(number)
        if move is None:
            result = TrialResult(number=number, move=RANDOM, failure="proposers ended")
            self.ledger.failures[result.failure] += 1
            return result
        finished = self.runner.result(task_of(number))
        self._check_same(number, move, finished)
        result = self.ledger.judge(number, move, finished)
        self._fresh += not self.runner.was_kept(task_of(number))
        return result

    def ranking(self) -> list[Atoms]:
        """The relaxed structures by fitness, best first.

        Of each crystal the lowest is the original, with the number of ``copies`` in ``info``;
        ``duplicate_of`` of the others is its ``structure_id``, in the store too. Structures of
        which it is in doubt whether they are one crystal are relaxed tightly for that, where
        ``same`` says so (:meth:`gencsp.similarity.grouping.Grouping.settle`).

        Raises:
            WorkerError: the executor lost its workers, or takes no more tasks.
            StoreError: the store cannot be written or is full.
        """
        found = [r for r in self.results if r.atoms is not None]
        fitness = {r.number: self.ledger.fitness(_atoms(r)) for r in found}
        found.sort(key=lambda r: (fitness[r.number], r.number))
        ranked = [_atoms(result) for result in found]
        mark_ranked(
            ranked,
            [float(atoms.info[records.ENTHALPY_PER_ATOM]) for atoms in ranked],
            same=self.same,
            tighten=partial(self._tight.on, self.runner.executor),
        )
        self.runner.keep()
        self.runner.store.mark(records.DUPLICATE_OF, duplicates_in(ranked))
        return ranked

    def _check_same(self, number: int, name: str, finished: Finished) -> None:
        """Refuse a store whose trials were made by other rules than those of this run."""
        for atoms in finished.structures:
            kept = str(atoms.info.get(records.MOVE, ""))
            if name not in (SEED_STRUCTURE, RANDOM) and kept != name:
                raise StoreError(
                    f"trial {number} of the run in the store is a '{kept}', and this version of "
                    f"the search plans a '{name}': start a new run with --out."
                )

    def _progress(self, result: TrialResult | None) -> SearchProgress:
        ledger = self.ledger
        best = ledger.best
        return SearchProgress(
            done=len(self.results),
            total=self.stop.budget,
            relaxed=ledger.relaxed,
            new=sum(ledger.new.values()),
            records=sum(ledger.records.values()),
            best=None if best is None else records.ranking_energy(best.info),
            best_id="" if best is None else str(best.info[records.STRUCTURE_ID]),
            best_shown="" if best is None else records.shown_decomposition_energy(best.info),
            failures=ledger.failures,
            per_minute=60 * self._fresh / self.elapsed if self.elapsed else 0.0,
            result=result,
        )


def move_of(strategy: Strategy, name: str) -> Move:
    """The move that a strategy has chosen.

    Raises:
        PluginError: it is not one of its moves.
    """
    if name not in strategy.moves:
        raise PluginError(
            f"the method '{strategy.name}' chose the move '{name}', which is not one of its moves "
            f"({', '.join(strategy.moves)}): its plug-in is at fault."
        )
    return strategy.moves[name]


def task_of(number: int) -> str:
    """Name of a trial's task in the store."""
    return f"trial-{number:06d}"


def _light(parents: Sequence[Atoms]) -> tuple[Atoms, ...]:
    """Without forces and stress, which no move reads, to be sent to a worker."""
    # ASE's copies have no calculator.
    return tuple(parent.copy() for parent in parents)


def _atoms(result: TrialResult) -> Atoms:
    assert result.atoms is not None
    return result.atoms
