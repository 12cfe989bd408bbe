"""Crystals made de novo, filtered and relaxed, task by task in the store of a run.

The first stages of Fig. 5c of PIGEN, which ``gencsp discover`` and ``gencsp synergy`` share. Each
task is a pure function of its inputs and of the generator that belongs to its name, and its result
is stored before another task uses it: so a run that was killed goes on where it was, and is the
same on any number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.errors import HullReferenceError
from gencsp.executors import ThisProcess
from gencsp.filters import Funnel, Judged, Summary, Verdict, judge_pool
from gencsp.filters.funnel import FilterSpec
from gencsp.io.pools import InMemory
from gencsp.io.structures import name_of
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance, Stage
from gencsp.records import SymmetryTolerance
from gencsp.runs.generators import DeNovo
from gencsp.searches import tasks
from gencsp.searches.contracts import HullReference, RelaxerMaker
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.store.base import Finished, portable

#: Structures of a task that generates or filters, and of one that relaxes.
BLOCK, RELAXED_TOGETHER = 16, 4
#: Largest seed that a block is given.
_SEEDS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How far a stage of a run is.

    Attributes:
        stage: what is done, such as "generate".
        done, total: tasks, or trials of a search.
        note: what has come of it.
    """

    stage: str
    done: int
    total: int
    note: str = ""


class Candidates:
    """Structures of a generator or of a pool, through the stages before a search.

    Args:
        source: makes structures de novo; or those that another generator made, in order.
        n: how many, at most.
        stages: names and options of the filters, in order.
        relaxer: makes the relaxer.
        relax: how to relax.
        seed: of the run.
        runner: runs and stores the tasks.
        ahead: tasks under way at once; results do not depend on it.

    Attributes:
        judged: all structures so far with the verdicts of the filters, in the order in which they
            were made.
        survivors: those that passed every filter.
        relaxed: what became of those that were relaxed, by the id of the start; ``None`` where
            nothing is left of it.
        failures: what failed, by reason.
    """

    def __init__(
        self,
        source: DeNovo | Sequence[Atoms],
        *,
        n: int,
        stages: Sequence[FilterSpec],
        relaxer: RelaxerMaker,
        relax: RelaxSettings,
        seed: int,
        runner: TaskRunner,
        ahead: int = 4,
    ) -> None:
        self.source = source
        self.n = n if isinstance(source, DeNovo) else min(n, len(source))
        self.funnel = Funnel(tuple(stages))
        self.relaxer = relaxer
        self.relax_settings = relax
        self.seed = seed
        self.runner = runner
        self.ahead = ahead
        self.generated: list[Atoms] = []
        self.judged: list[Atoms] = []
        self.survivors: list[Atoms] = []
        self.relaxed: dict[str, Atoms | None] = {}
        self.failures: dict[str, int] = {}
        self._blocks: list[tuple[Atoms, ...]] = []
        self._judged_blocks = 0

    @property
    def blocks(self) -> int:
        """Blocks in which all structures are made."""
        return -(-self.n // BLOCK)

    def generate(self, blocks: int | None = None) -> Iterator[StageProgress]:
        """Generate up to so many blocks; ``None`` for all."""
        total = self.blocks if blocks is None else min(blocks, self.blocks)
        calls = {
            _task("generated", k): self._generation(k) for k in range(len(self._blocks), total)
        }
        yield self._made(total)
        for result in self._run(calls):
            self._blocks.append(result.structures)
            self.generated += result.structures
            yield self._made(total)

    def filter(self) -> Iterator[StageProgress]:
        """Judge all structures that were generated so far."""
        split = _first_ordered(self.funnel)
        calls = {
            _task("filtered", k): partial(judge, self.funnel.stages[:split], self._blocks[k])
            for k in range(self._judged_blocks, len(self._blocks))
        }
        yield self._passed()
        for result in self._run(calls):
            self.judged += result.structures
            self.survivors += [one for one in result.structures if _survived(one)]
            self._judged_blocks += 1
            yield self._passed()
        if split < len(self.funnel.filters):
            self._judge_in_order(split)
            yield self._passed()

    def relax(self, structures: Sequence[Atoms]) -> Iterator[StageProgress]:
        """Relax structures that were generated; those that were relaxed before are left out."""
        left = [one for one in structures if _id(one) not in self.relaxed]
        groups = [left[k : k + RELAXED_TOGETHER] for k in range(0, len(left), RELAXED_TOGETHER)]
        calls = {
            _joined("relaxed", group): partial(
                relax, self.relaxer, tuple(map(bare, group)), self.relax_settings
            )
            for group in groups
        }
        done = 0
        yield StageProgress(stage="relax", done=0, total=len(left))
        for group, result in zip(groups, self._run(calls), strict=True):
            found = {str(one.info[records.PARENTS]): one for one in result.structures}
            self.relaxed |= {_id(one): found.get(_id(one)) for one in group}
            done += len(group)
            converged = sum(
                one is not None and not records.failed(one.info) for one in self.relaxed.values()
            )
            note = f"{converged} converged"
            yield StageProgress(stage="relax", done=done, total=len(left), note=note)

    def assess(
        self, label: str, structures: Sequence[Atoms], call: Callable[[Sequence[Atoms]], TaskOutput]
    ) -> Iterator[tuple[StageProgress, tuple[Atoms, ...]]]:
        """Do something else with structures, a few in a task; yields what comes back."""
        groups = [
            tuple(structures[k : k + RELAXED_TOGETHER])
            for k in range(0, len(structures), RELAXED_TOGETHER)
        ]
        calls = {_joined(label, group): partial(call, group) for group in groups}
        done = 0
        for group, result in zip(groups, self._run(calls), strict=True):
            done += len(group)
            yield StageProgress(stage=label, done=done, total=len(structures)), result.structures

    @property
    def summary(self) -> Summary:
        """How many structures passed each filter, alone and in sequence."""
        names = tuple(one.name for one in self.funnel.filters)
        summary = Summary(names)
        for number, atoms in enumerate(self.judged):
            verdicts = (Verdict.read(atoms, name) for name in names)
            found = tuple(one for one in verdicts if one is not None)
            summary.add(Judged(name_of(atoms, number), atoms, found))
        return summary

    def _generation(self, block: int) -> Callable[[], TaskOutput]:
        start, task = block * BLOCK, _task("generated", block)
        size = min(BLOCK, self.n - start)
        ids = tasks.ids("g", start, size)
        if isinstance(self.source, DeNovo):
            return partial(generate, self.source, seed=self.seed, task=task, ids=ids)
        return partial(take, self.source[start : start + size], seed=self.seed, ids=ids)

    def _judge_in_order(self, split: int) -> None:
        """Filters that compare a structure with those before it, for the survivors alone."""
        task = f"filtered-in-order-{self._judged_blocks:05d}"
        before = [one for one in self.judged if _survived(one)]
        call = partial(judge, self.funnel.stages[split:], tuple(before))
        (result,) = self._run({task: call})
        for one, again in zip(before, result.structures, strict=True):
            one.info |= {
                key: value
                for key, value in again.info.items()
                if key.startswith(records.FILTER_PREFIX)
            }
        self.survivors = [one for one in before if _survived(one)]

    def _run(self, calls: Mapping[str, Callable[[], TaskOutput]]) -> Iterator[Finished]:
        """Results in order; a few calls are under way at once."""
        names = list(calls)
        submitted = 0
        for number, name in enumerate(names):
            while submitted < min(len(names), number + self.ahead):
                self.runner.submit([names[submitted]], calls[names[submitted]])
                submitted += 1
            result = self.runner.result(name)
            self.runner.release(name)
            for reason, count in result.failures.items():
                self.failures[reason] = self.failures.get(reason, 0) + count
            # Copies: what the runner holds may not be written to the store yet.
            structures = tuple(map(portable, result.structures))
            yield Finished(structures=structures, failures=result.failures)

    def _made(self, total: int) -> StageProgress:
        note = f"{len(self.generated)} structures"
        return StageProgress(stage="generate", done=len(self._blocks), total=total, note=note)

    def _passed(self) -> StageProgress:
        note = f"{len(self.survivors)} survive"
        total = len(self._blocks)
        return StageProgress(stage="filter", done=self._judged_blocks, total=total, note=note)


def generate(maker: DeNovo, *, seed: int, task: str, ids: Sequence[str]) -> TaskOutput:
    """Generate as many structures as there are ids, with a seed that belongs to the task."""
    begun = time.perf_counter()
    own = int(task_generator(seed, task).integers(_SEEDS))
    made = list(maker.propose(len(ids), seed=own))
    structures = tuple(
        _named(one, name, seed=seed, traced=False) for name, one in zip(ids, made, strict=False)
    )
    short = len(ids) - len(structures)
    failures = {"generator gave up": short} if short else {}
    return _output(structures, failures, generate=begun)


def take(given: Sequence[Atoms], *, seed: int, ids: Sequence[str]) -> TaskOutput:
    """Structures of another generator, with ids of the run."""
    structures = tuple(
        _named(one, name, seed=seed, traced=True) for name, one in zip(ids, given, strict=True)
    )
    return _output(structures, {})


def judge(stages: tuple[FilterSpec, ...], structures: Sequence[Atoms]) -> TaskOutput:
    """Judge structures by filters; they come back in order, with the verdicts in ``info``."""
    begun = time.perf_counter()
    pool = [InMemory(name_of(atoms, k), atoms) for k, atoms in enumerate(structures)]
    done = list(judge_pool(pool, Funnel(stages), executor=ThisProcess()))
    kept = tuple(one.atoms for one in done if one.atoms is not None)
    lost = len(done) - len(kept)
    return _output(kept, {"no crystal": lost} if lost else {}, filter=begun)


def relax(make: RelaxerMaker, structures: Sequence[Atoms], settings: RelaxSettings) -> TaskOutput:
    """Relax structures, see :func:`gencsp.searches.tasks.relax`."""
    begun = time.perf_counter()
    done = tasks.relax(
        make, structures, settings, stage=Stage.RELAXED, tolerance=SymmetryTolerance()
    )
    return _output(done.structures, dict(done.failures), relax=begun)


@dataclass(frozen=True, slots=True)
class Price:
    """Writes the decomposition energy into relaxed structures, before they are stored."""

    hull: HullReference

    def __call__(self, finished: Finished) -> Finished:
        """Where the references lack an element, the reason stands in the place of the energy."""
        for atoms in finished.structures:
            if records.ENTHALPY_PER_ATOM not in atoms.info:
                continue
            try:
                records.write_decomposition_energy(atoms, self.hull)
            except HullReferenceError as error:
                atoms.info[records.REASON] = str(error)
        return finished


def _output(structures: Iterable[Atoms], failures: Mapping[str, int], **begun: float) -> TaskOutput:
    now = time.perf_counter()
    seconds = {stage: now - since for stage, since in begun.items()}
    finished = Finished(structures=tuple(structures), failures=failures)
    return TaskOutput(results=(finished,), seconds=seconds)


def _named(atoms: Atoms, structure_id: str, *, seed: int, traced: bool) -> Atoms:
    """A copy with an id of the run, which names the structure of a file as its parent."""
    before = Provenance.read(atoms)
    copy = portable(atoms)
    copy.calc = None
    copy.info = {}
    return Provenance(
        structure_id=structure_id,
        proposer=before.proposer if before else "files",
        model=before.model if before else "",
        seed=seed,
        stage=Stage.GENERATED,
        parents=str(atoms.info.get(records.STRUCTURE_ID, "")) if traced else "",
    ).write(copy)


def bare(atoms: Atoms) -> Atoms:
    """Without what filters say, which relaxation makes void."""
    copy = portable(atoms)
    records.clear_results(copy, moved=True)
    return copy


def _first_ordered(funnel: Funnel) -> int:
    ordered = [one.ordered for one in funnel.filters]
    return ordered.index(True) if True in ordered else len(ordered)


def _survived(atoms: Atoms) -> bool:
    return bool(atoms.info.get(records.FILTER_SURVIVED, False))


def _id(atoms: Atoms) -> str:
    return str(atoms.info[records.STRUCTURE_ID])


def _joined(stage: str, structures: Sequence[Atoms]) -> str:
    """The name of a task that is known by its structures."""
    return f"{stage}-{'+'.join(map(_id, structures))}"


def _task(stage: str, number: int) -> str:
    return f"{stage}-{number:05d}"
