"""The loop of all searches: plan a trial, run it, store it, compare it, give the result back.

The strategy plans trials and receives their results in the order of their numbers, in batches of a
fixed size. Trial k is planned when the results of all trials up to k minus ``ahead`` are known,
those of a batch when this holds for its last trial. What runs in between keeps the workers busy and
changes nothing. So a run gives the same results on any number of workers, and a run that was killed
is continued by repeating its stored results. How far a run is belongs to the search and not to
whoever steps through it: leaving and going on is the same as not leaving.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.deck import Count, Displacement, Fraction, Seed, Share, check_fields
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import PluginError, RequestError, StoreError
from gencsp.minimise.settings import RelaxSettings
from gencsp.records import SymmetryTolerance
from gencsp.searches.ledger import Ledger
from gencsp.searches.moves.base import Move
from gencsp.searches.randomness import task_generator
from gencsp.searches.ranking import mark_duplicate
from gencsp.searches.runner import TaskRunner
from gencsp.searches.space import Space
from gencsp.searches.starts import PoolStarts, ProposerStarts, StartSource, StartSupply
from gencsp.searches.stop import StopRules
from gencsp.searches.trial import RANDOM, SEED, Strategy, Trial, TrialResult
from gencsp.searches.worker import TrialContext, TrialTask, run_trials
from gencsp.store.base import Finished, Manifest, Scalar

#: Format of a run; a newer one is refused by older versions.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What all searches have in common.

    Attributes:
        space: where to look.
        seed: every random choice follows from it.
        relax: how to relax.
        rattle: Å, standard deviation of the displacements that take a structure off the saddles of
            its symmetry before it relaxes freely; where symmetry is kept, that is done after it
            has relaxed within it. 0 for no displacements, and no second relaxation.
        tolerance: for the space groups of relaxed structures.
        ahead: trials that may be under way at once; at least twice the workers, so that a slow one
            does not hold up the others.
        batch: trials in one task. More of them cost less to send and to keep.
        block: structures that a proposer makes in one task.
        seed_share: share of the seeds among structures without parents.
        volume_spread: fraction by which the volumes of random crystals spread.
        separations: least distances of pairs of elements.
    """

    space: Space
    seed: Seed = 0
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    rattle: Displacement = 0.0
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    ahead: Count = 8
    batch: Count = 1
    block: Count = 8
    seed_share: Share = 0.5
    volume_spread: Fraction = 0.0
    separations: LeastDistances = field(default_factory=LeastDistances)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.ahead < self.batch:
            raise RequestError(
                f"ahead is {self.ahead} and batch {self.batch}: at least one batch must be ahead."
            )
        if (self.space.cell is not None) is not self.relax.fixed_cell:
            raise RequestError("a fixed cell must be fixed in the space and in the relaxation.")

    def manifest(self) -> dict[str, Scalar | list[Scalar] | None]:
        """What makes a run with these settings this run, flat."""
        flat = {key: getattr(self, key) for key in ("seed", "ahead", "batch", "block")}
        flat |= {"seed_share": self.seed_share, "volume_spread": self.volume_spread}
        flat["rattle"] = self.rattle
        flat |= {"separations": self.separations.texts}
        flat |= self.space.manifest()
        for part in ("relax", "tolerance"):
            values = asdict(getattr(self, part))
            flat |= {f"{part}_{key}": value for key, value in values.items()}
        return flat


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is, after each trial.

    Attributes:
        done: trials finished, those of an earlier session included.
        total: the budget.
        relaxed: relaxations among them.
        new: different crystals.
        records: new minima, see :class:`~gencsp.searches.trial.TrialResult`.
        best: decomposition energy of the lowest structure, eV/atom; ``None`` while there is none.
        best_id: its id.
        failures: what failed, by reason.
        per_minute: trials finished in a minute of this session, see :attr:`Search.elapsed`.
        result: of the last trial; ``None`` where a search is entered.
    """

    done: int
    total: int
    relaxed: int
    new: int
    records: int
    best: float | None
    best_id: str
    failures: Mapping[str, int]
    per_minute: float
    result: TrialResult | None


class Search:
    """One run of a search.

    Args:
        settings: what all searches have in common.
        strategy: decides what is tried.
        seeds: proposers and pools that seed the search; may be none.
        background: the proposer behind them, which never ends.
        context: what workers need for a trial.
        ledger: judges the results.
        runner: runs tasks and keeps their output.
        stop: when to end; may be replaced, to go on with a larger budget for example.

    Attributes:
        results: of all finished trials, in the order of their numbers.
        stopped: why the search ended; empty while it has not.
        elapsed: wall time in seconds from entering :meth:`irun` to the last finished trial, summed
            over all times that it was entered; time while the search is left does not count.
        supply: how many structures came from which source.
        pools: the seeds from files, which know what of them was skipped.
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
    ) -> None:
        self.settings = settings
        self.strategy = strategy
        self.context = context
        self.ledger = ledger
        self.runner = runner
        self.stop = stop
        self.supply = StartSupply(
            seeds,
            background,
            settings.space,
            runner=runner,
            seed=settings.seed,
            block=settings.block,
        )
        self.pools = tuple(source for source in seeds if isinstance(source, PoolStarts))
        self.results: list[TrialResult] = []
        self.stopped = ""
        self.elapsed = 0.0
        self._clock = 0.0
        self._fresh = 0
        # Where the run stands: each trial goes from one of these to the next, in whole steps, so
        # that it can be left between any two of them.
        self._asked = 0
        self._trials: deque[Trial] = deque()
        self._jobs: list[TrialTask] = []
        self._moves: dict[int, str] = {}
        self._judged: TrialResult | None = None

    def run(self) -> list[Atoms]:
        """Run to the end; returns :meth:`ranking`. See :meth:`irun`."""
        for _ in self.irun():
            pass
        return self.ranking()

    def irun(self) -> Iterator[SearchProgress]:
        """Run step by step: yields where the search stands, and then after each trial.

        It may be left at any step, by ``break`` or by an error, and entered again with ``irun`` or
        :meth:`run`: trials, results and ranking are then those of a search that was not left. What
        has ended is kept as it is left; what is under way goes on meanwhile, as long as the
        executor is there. After an error of the store or the executor the same object goes on, too,
        when its cause is mended: no trial is planned or counted twice. A search that has ended
        yields once and does nothing, unless ``stop`` was replaced: with a larger budget it goes on
        as if that had been there from the start.

        Raises:
            StoreError: the store cannot be written or is full, or holds other trials than those
                that this version of the search asks for.
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
            self.runner.keep()

    def _next(self) -> TrialResult | None:
        """Ask for all trials whose turn it is, then tell one; ``None`` where the search has ended.

        Holds no state of its own: all of it is the object's.
        """
        self.stopped = self._reason()  # the rules may have been replaced meanwhile
        if self.stopped:
            self.runner.cancel()
            return None
        if not self._asked:
            self._begin()
        self._ask()
        result = self._tell()
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
        """Have the first structures without parents made."""
        settings = self.settings
        for kind in (SEED, RANDOM):
            share = settings.seed_share if kind == SEED else 1 - settings.seed_share
            if share > 0 and (kind == RANDOM or self.supply.seeded):
                self.supply.begin(kind, min(self.stop.budget, settings.block))

    def _ask(self) -> None:
        """Ask for every batch whose turn it is, and send what of it is within the budget.

        What lies beyond the budget is asked for as well, when it would be with a larger one, and
        waits: so a budget that is raised later goes on as if it had been there from the start.
        """
        settings = self.settings
        while True:
            self._send()
            begun = self._asked - self._asked % settings.batch
            if len(self.results) < begun + settings.batch - settings.ahead:
                return
            for number in range(self._asked, begun + settings.batch):
                rng = task_generator(settings.seed, f"ask-{number}")
                self._trials.append(self.strategy.ask(number, rng=rng))
                self._asked += 1

    def _send(self) -> None:
        """Send the trials asked for, each batch as one task, as far as the budget goes."""
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
                call = partial(run_trials, self.context, self._jobs)
                self.runner.submit([job.task for job in self._jobs], call)
                self._jobs = []

    @property
    def _waiting(self) -> int:
        """The first trial that was asked for and has no structure to begin with yet."""
        return self._asked - len(self._trials)

    def _plan(self, number: int, trial: Trial) -> TrialTask | None:
        """A trial, ready to be sent; ``None`` where nothing is left to try."""
        name, parents = trial.move, trial.parents
        if trial.move in (SEED, RANDOM):
            taken = self.supply.take(trial.move, needed=self.stop.budget - number)
            if taken is None:
                return None
            name, start = taken
            parents = (start,)
        self._moves[number] = trial.move
        return TrialTask(
            task=task_of(number),
            structure_id=f"s{number:05d}",
            name=name,
            move=None if trial.move in (SEED, RANDOM) else move_of(self.strategy, trial.move),
            parents=tuple(_light(parent) for parent in parents),
        )

    def _tell(self) -> TrialResult:
        """Judge the next trial and tell the strategy, each of them once whatever comes between."""
        number = len(self.results)
        if self._judged is None:
            self._judged = self._judge(number)
        result = self._judged
        self.strategy.tell(result, rng=task_generator(self.settings.seed, f"tell-{number}"))
        self.results.append(result)
        self._judged = None
        self._moves.pop(number, None)
        self.runner.release(task_of(number))
        return result

    def _judge(self, number: int) -> TrialResult:
        """What became of a trial; waits for it."""
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

        Of each crystal the lowest is the original; ``duplicate_of`` in ``info`` of the others is
        its ``structure_id``.
        """
        found = [r for r in self.results if r.atoms is not None]
        fitness = {r.number: self.ledger.fitness(_atoms(r)) for r in found}
        found.sort(key=lambda r: (fitness[r.number], r.number))
        originals: dict[str, str] = {}
        ranked = []
        for result in found:
            atoms = _atoms(result)
            own = str(atoms.info[records.STRUCTURE_ID])
            crystal = result.duplicate_of or own
            original = originals.setdefault(crystal, own)
            mark_duplicate(atoms, "" if original == own else original)
            ranked.append(atoms)
        return ranked

    def _check_same(self, number: int, name: str, finished: Finished) -> None:
        """A store that was made by other rules must not be read as if it were this run."""
        for atoms in finished.structures:
            kept = str(atoms.info.get(records.MOVE, ""))
            if name not in (SEED, RANDOM) and kept != name:
                raise StoreError(
                    f"trial {number} of the run in the store is a '{kept}', and this version of "
                    f"the search asks for '{name}': start a new run with --out."
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
            best=None if best is None else float(best.info[records.DECOMPOSITION_ENERGY]),
            best_id="" if best is None else str(best.info[records.STRUCTURE_ID]),
            failures=ledger.failures,
            per_minute=60 * self._fresh / self.elapsed if self.elapsed else 0.0,
            result=result,
        )


def move_of(strategy: Strategy, name: str) -> Move:
    """A move that a strategy asks for.

    Raises:
        PluginError: it is none of its moves.
    """
    if name not in strategy.moves:
        raise PluginError(
            f"the method '{strategy.name}' asks for the move '{name}', which is none of its moves "
            f"({', '.join(strategy.moves)}): its plug-in is at fault."
        )
    return strategy.moves[name]


def search_manifest(
    settings: SearchSettings,
    strategy: Strategy,
    seeds: tuple[StartSource, ...],
    background: ProposerStarts,
    **parts: Scalar | None,
) -> Manifest:
    """The manifest of a run: settings, strategy, seeds, and what names its parts.

    When a search stops is left out: a run goes on with a larger budget.
    """
    named = [
        f"{s.name}*{s.weight:g}" + (f"#{s.digest}" if isinstance(s, PoolStarts) else "")
        for s in seeds
    ]
    return {
        "kind": "search",
        "format": FORMAT,
        "method": strategy.name,
        **settings.manifest(),
        **strategy.settings(),
        "seeds": named,
        "background": background.name,
        **parts,
    }


def task_of(number: int) -> str:
    """Name of a trial's task in the store."""
    return f"trial-{number:06d}"


def _light(atoms: Atoms) -> Atoms:
    """Without forces and stress, which no move reads, to be sent to a worker."""
    copy = atoms.copy()
    copy.calc = None
    return copy


def _atoms(result: TrialResult) -> Atoms:
    assert result.atoms is not None
    return result.atoms
