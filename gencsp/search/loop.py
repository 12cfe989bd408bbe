"""The one loop of all searches: ask, run, keep, judge, tell.

Trials are asked for and told about in the order of their numbers, in batches of a fixed size: a
batch is asked for as soon as all trials have been told that lie ``ahead`` before its last one. What
runs in between keeps the workers busy and changes nothing, so a run is the same on any number of
them, and a run that was killed is replayed from its store up to where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial

from ase import Atoms

from gencsp.errors import PluginError, RequestError, StoreError
from gencsp.relax.settings import RelaxSettings
from gencsp.search.books import Books
from gencsp.search.moves.base import Move
from gencsp.search.randomness import task_generator
from gencsp.search.ranking import Ranked, line_of
from gencsp.search.running import Running
from gencsp.search.sources import PoolSource, ProposerSource, Source, Supply
from gencsp.search.space import Space
from gencsp.search.stop import StopRules
from gencsp.search.tasks import SymmetryTolerance
from gencsp.search.trial import RANDOM, SEED, Result, Strategy
from gencsp.search.worker import Bench, Job, run_trials
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
        separations: least distances of pairs of elements, Å.
    """

    space: Space
    seed: int = 0
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    rattle: float = 0.0
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    ahead: int = 8
    batch: int = 1
    block: int = 8
    seed_share: float = 0.5
    volume_spread: float = 0.0
    separations: tuple[tuple[str, str, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("ahead", "batch", "block"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        if self.ahead < self.batch:
            raise RequestError(
                f"ahead is {self.ahead} and batch {self.batch}: at least one batch must be ahead."
            )
        if self.rattle < 0:
            raise RequestError(f"the rattle is {self.rattle} Å: it must be zero or more.")
        if self.seed < 0:
            raise RequestError(f"the seed is {self.seed}: it must be zero or more.")
        if (self.space.cell is not None) is not self.relax.fixed_cell:
            raise RequestError("a fixed cell must be fixed in the space and in the relaxation.")

    @property
    def pairs(self) -> dict[tuple[str, str], float]:
        """Least distances, Å, by pair."""
        return {(a, b): distance for a, b, distance in self.separations}

    def manifest(self) -> dict[str, Scalar | list[Scalar] | None]:
        """What makes a run with these settings this run, flat."""
        flat = {key: getattr(self, key) for key in ("seed", "ahead", "batch", "block")}
        flat |= {"seed_share": self.seed_share, "volume_spread": self.volume_spread}
        flat["rattle"] = self.rattle
        flat |= {"separations": [f"{a}-{b}={d:g}" for a, b, d in self.separations]}
        flat |= self.space.manifest()
        for part in ("relax", "tolerance"):
            values = asdict(getattr(self, part))
            flat |= {f"{part}_{key}": value for key, value in values.items()}
        return flat


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is, after each trial.

    Attributes:
        done: trials told; those of an earlier session count.
        total: the budget.
        relaxed: relaxations among them.
        new: different crystals.
        records: new minima, see :class:`~gencsp.search.trial.Result`.
        best: decomposition energy of the lowest structure, eV/atom; ``None`` while there is none.
        best_id: its id.
        failures: what failed, by reason.
        per_minute: trials told a minute of this session.
        result: of the last trial; ``None`` at the start.
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
    result: Result | None


class Search:
    """One run of a search.

    Args:
        settings: what all searches have in common.
        strategy: decides what is tried.
        seeds: proposers and pools that seed the search; may be none.
        background: the proposer behind them, which never ends.
        bench: what workers need.
        books: judge the results.
        running: runs tasks and keeps what they leave.
        stop: when to end.

    Attributes:
        results: of all trials told, in their order.
        stopped: why the search ended; empty while it has not.
        supply: how many structures came from which source.
        pools: the seeds from files, which know what of them was skipped.
    """

    def __init__(
        self,
        settings: SearchSettings,
        *,
        strategy: Strategy,
        seeds: tuple[Source, ...],
        background: ProposerSource,
        bench: Bench,
        books: Books,
        running: Running,
        stop: StopRules,
    ) -> None:
        self.settings = settings
        self.strategy = strategy
        self.bench = bench
        self.books = books
        self.running = running
        self.stop = stop
        self.supply = Supply(
            seeds,
            background,
            settings.space,
            running=running,
            seed=settings.seed,
            block=settings.block,
        )
        self.pools = tuple(source for source in seeds if isinstance(source, PoolSource))
        self.results: list[Result] = []
        self.stopped = ""
        self.elapsed = 0.0
        self._names: dict[int, str] = {}
        self._begun = 0.0
        self._fresh = 0

    def run(self) -> list[Ranked]:
        """Run to the end; returns the ranked table. See :meth:`irun`."""
        for _ in self.irun():
            pass
        return self.ranking()

    def irun(self) -> Iterator[SearchProgress]:
        """Run step by step: yields at the start and after each trial is told.

        Raises:
            StoreError: the store cannot be written or is full, or holds other trials than those
                that this version of the search asks for.
            WorkerError: a worker process died.
        """
        self._begun = time.perf_counter()
        yield self._progress(None)
        try:
            yield from self._run_trials()
        finally:
            # Also where an error, or whoever steps through the search, ends it here.
            self.running.keep()

    def _run_trials(self) -> Iterator[SearchProgress]:
        settings, budget = self.settings, self.stop.budget
        for kind in (SEED, RANDOM):
            share = settings.seed_share if kind == SEED else 1 - settings.seed_share
            if share > 0 and (kind == RANDOM or self.supply.seeded):
                self.supply.begin(kind, min(budget, settings.block))
        asked = 0
        while asked < budget:
            size = min(settings.batch, budget - asked)
            # A last, smaller batch is asked for when a whole one would be: more budget later then
            # goes on as if it had been there from the start.
            yield from self._tell_to(asked + settings.batch - settings.ahead)
            if self._ended():
                break
            self._submit(range(asked, asked + size))
            asked += size
        yield from self._tell_to(asked)
        self.running.cancel()
        self.stopped = self.stopped or f"the budget of {budget} trials was used"

    def ranking(self) -> list[Ranked]:
        """The relaxed structures by fitness; of each crystal the lowest is the original."""
        found = [r for r in self.results if r.atoms is not None]
        fitness = {r.number: self.books.fitness(_atoms(r)) for r in found}
        found.sort(key=lambda r: (fitness[r.number], r.number))
        originals: dict[str, str] = {}
        lines = []
        for result in found:
            atoms = _atoms(result)
            own = str(atoms.info["structure_id"])
            crystal = result.duplicate_of or own
            original = originals.setdefault(crystal, own)
            lines.append(line_of(atoms, "" if original == own else original))
        return lines

    def _ended(self) -> bool:
        return bool(self.stopped)

    def _tell_to(self, end: int) -> Iterator[SearchProgress]:
        """Tell all trials before ``end``, or until a reason to stop."""
        while len(self.results) < end and not self._ended():
            number = len(self.results)
            name = self._names.pop(number, "")
            if name:
                self._fresh += not self.running.was_kept(task_of(number))
                finished = self.running.result(task_of(number))
                self._check_same(number, name, finished)
                result = self.books.judge(number, name, finished)
            else:
                result = Result(number=number, move=RANDOM, failure="proposers ended")
                self.books.failures[result.failure] += 1
            self.strategy.tell(result, rng=task_generator(self.settings.seed, f"tell-{number}"))
            self.results.append(result)
            self.elapsed = time.perf_counter() - self._begun
            self.stopped = self.stop.reason(
                relaxed_since_record=self.books.relaxed_since_record,
                seconds=self.elapsed,
                target=self.books.target,
            )
            yield self._progress(result)

    def _submit(self, numbers: range) -> None:
        jobs = [job for number in numbers if (job := self._plan(number)) is not None]
        if jobs:
            call = partial(run_trials, self.bench, jobs)
            self.running.submit([job.task for job in jobs], call)

    def _plan(self, number: int) -> Job | None:
        """What the strategy asks for, ready to be sent; ``None`` where nothing is left to try."""
        rng = task_generator(self.settings.seed, f"ask-{number}")
        trial = self.strategy.ask(number, rng=rng)
        name, parents = trial.move, trial.parents
        if trial.move in (SEED, RANDOM):
            taken = self.supply.take(trial.move, needed=self.stop.budget - number)
            if taken is None:
                return None
            name, start = taken
            parents = (start,)
        self._names[number] = trial.move
        return Job(
            task=task_of(number),
            structure_id=f"s{number:05d}",
            name=name,
            move=None if trial.move in (SEED, RANDOM) else move_of(self.strategy, trial.move),
            parents=tuple(_light(parent) for parent in parents),
        )

    def _check_same(self, number: int, name: str, finished: Finished) -> None:
        """A store that was made by other rules must not be read as if it were this run."""
        for atoms in finished.structures:
            kept = str(atoms.info.get("move", ""))
            if name not in (SEED, RANDOM) and kept != name:
                raise StoreError(
                    f"trial {number} of the run in the store is a '{kept}', and this version of "
                    f"the search asks for '{name}': start a new run with --out."
                )

    def _progress(self, result: Result | None) -> SearchProgress:
        books = self.books
        elapsed = time.perf_counter() - self._begun
        best = books.best
        return SearchProgress(
            done=len(self.results),
            total=self.stop.budget,
            relaxed=books.relaxed,
            new=sum(books.new.values()),
            records=sum(books.records.values()),
            best=None if best is None else float(best.info["decomposition_energy"]),
            best_id="" if best is None else str(best.info["structure_id"]),
            failures=books.failures,
            per_minute=60 * self._fresh / elapsed if elapsed else 0.0,
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
    seeds: tuple[Source, ...],
    background: ProposerSource,
    **parts: Scalar | None,
) -> Manifest:
    """The manifest of a run: settings, strategy, seeds, and what names its parts.

    When a search stops is left out: a run goes on with a larger budget.
    """
    named = [
        f"{s.name}*{s.weight:g}" + (f"#{s.digest}" if isinstance(s, PoolSource) else "")
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


def _atoms(result: Result) -> Atoms:
    assert result.atoms is not None
    return result.atoms
