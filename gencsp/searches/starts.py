"""Sources of structures without parents: files and proposers, and their order.

A proposer makes its structures in blocks, each a task of its own with a generator that belongs to
its name, so that block b is the same whenever and wherever it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Count, Positive, Share, check, check_fields
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances
from gencsp.io.structures import name_of
from gencsp.proposers.base import Request
from gencsp.provenance import Provenance, Stage
from gencsp.searches.contracts import ProposerMaker
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskRunner
from gencsp.searches.space import Space
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE
from gencsp.searches.worker import is_apart, propose_block
from gencsp.store.base import portable
from gencsp.units.members import has_units, keep_names

#: Blocks in a row without a structure after which a proposer counts as exhausted.
EMPTY_BLOCKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerStarts:
    """A proposer that gives structures to start from.

    Attributes:
        name: under which its structures are counted; tasks are named after it.
        make: makes the proposer, once in each worker.
        weight: its share among the sources is proportional to this.
        block: structures of one task; ``None`` for the search's own number. A large block suits a
            proposer that is cheap, or one that is faster in large batches.
    """

    name: str
    make: ProposerMaker
    weight: Positive = 1.0
    block: Count | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStarts:
    """Structures from files, in their order.

    Attributes:
        name: under which they are counted.
        structures: with provenance; all of them belong to the space of the search.
        skipped: names of the structures left out, by the reason.
        weight: their share among the sources is proportional to this.
    """

    name: str
    structures: tuple[Atoms, ...]
    skipped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    weight: Positive = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def digest(self) -> str:
        """Short hash of the structures, 12 hexadecimal digits."""
        total = sha256()
        for atoms in self.structures:
            for array in (atoms.numbers.astype(int), atoms.positions, atoms.cell.array):
                total.update(array.tobytes())
        return total.hexdigest()[:12]


StartSource = ProposerStarts | PoolStarts


def pool_source(
    name: str,
    structures: Iterable[Atoms],
    space: Space,
    *,
    seed: int,
    separations: LeastDistances = NO_PAIRS,
    weight: float = 1.0,
    units: bool = False,
) -> PoolStarts:
    """The structures of a pool that a search can use, and the names of the others by reason.

    Args:
        name: of the pool.
        structures: in the order in which they are to be used.
        space: of the search.
        seed: random seed of the run.
        separations: least distances, see :class:`~gencsp.searches.worker.TrialContext`.
        weight: their share among the sources is proportional to this.
        units: whether only structures that name their rigid units can be used.
    """
    kept: list[Atoms] = []
    skipped: dict[str, list[str]] = {}
    for index, atoms in enumerate(structures):
        reason = _unfit(atoms, space, separations, units=units)
        if reason:
            formula = Composition.in_cell(atoms).formula
            skipped.setdefault(reason, []).append(f"{name_of(atoms, index)} ({formula})")
            continue
        before = Provenance.read(atoms)
        seeded = portable(atoms)
        seeded.calc = None
        seeded.info = {}
        keep_names(atoms, seeded)
        if records.UNIT_CRYSTAL in atoms.info:
            seeded.info[records.UNIT_CRYSTAL] = str(atoms.info[records.UNIT_CRYSTAL])
        Provenance(
            structure_id=f"{name}:{name_of(atoms, index)}",
            proposer=before.proposer if before else "files",
            model=before.model if before else "",
            seed=seed,
            stage=Stage.GENERATED,
        ).write(seeded)
        kept.append(seeded)
    return PoolStarts(
        name=name,
        structures=tuple(kept),
        skipped={reason: tuple(names) for reason, names in skipped.items()},
        weight=weight,
    )


class SeedSchedule:
    """Alternates between seed structures and background proposer, evenly, at a given share.

    Args:
        share: of the seed structures, 0 to 1; it has no effect where there are none.
        seeded: whether there are seed structures.
    """

    def __init__(self, *, share: float, seeded: bool) -> None:
        check("share", share, Share)
        self.share = share if seeded else 0.0
        self._taken = 0
        self._possible = (SEED_STRUCTURE, RANDOM) if self.share > 0 else (RANDOM,)

    @property
    def possible(self) -> tuple[str, ...]:
        """All kinds that may occur in the run: seeds can end, and then all are random."""
        return self._possible

    def end_seeds(self) -> None:
        """From now on there are no seeds; for a strategy whose results say so."""
        self.share = 0.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of ``SEED_STRUCTURE`` and ``RANDOM`` occur from now on."""
        return tuple(
            kind
            for kind, share in ((SEED_STRUCTURE, self.share), (RANDOM, 1 - self.share))
            if share > 0
        )

    def next(self) -> str:
        """``SEED_STRUCTURE`` or ``RANDOM``; it begins with a seed structure where there are any."""
        k = self._taken
        self._taken += 1
        # Ceilings rather than floors, so that a share however small begins with a seed.
        return SEED_STRUCTURE if -(-(k + 1) * self.share // 1) > -(-k * self.share // 1) else RANDOM


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A structure to start a trial from.

    Attributes:
        kind: ``SEED_STRUCTURE``, or ``RANDOM`` where the background proposer made it.
        source: name of the source.
        atoms: the structure.
    """

    kind: str
    source: str
    atoms: Atoms


class StartSupply:
    """Gives structures to start trials from, of several sources in proportion to their weights.

    An exhausted source is left out; where all seeds are exhausted, the background proposer is used.
    Blocks of proposals are begun ahead of need. Which of the last ones are made before the search
    ends depends on the workers, so the store may hold some that no trial took; the next session
    takes them.

    Args:
        sources: of the seed structures; may be empty.
        background: a proposer that never runs out.
        space: of the search.
        runner: runs the tasks in which proposers make their structures.
        seed: random seed of the run.
        block: structures of one task, where a source has no number of its own.
        trials: that run at once. So many structures of each proposer are begun before they are
            needed, and one block more, so that proposers keep up with any number of workers.
    """

    def __init__(
        self,
        sources: Sequence[StartSource],
        background: ProposerStarts,
        space: Space,
        *,
        runner: TaskRunner,
        seed: int,
        block: int,
        trials: int = 1,
    ) -> None:
        self._streams = [
            _Pool(source)
            if isinstance(source, PoolStarts)
            else _Blocks(source, space, runner=runner, seed=seed, block=block, trials=trials)
            for source in sources
        ]
        self._background = _Blocks(
            background, space, runner=runner, seed=seed, block=block, trials=trials
        )
        self.taken = dict.fromkeys([*(s.source.name for s in self._streams), background.name], 0)

    @property
    def seeded(self) -> bool:
        """Whether there are any seeds."""
        return bool(self._streams)

    def begin(self, kind: str, needed: int) -> None:
        """Start to propose the structures that a search will take next.

        At most ``needed`` structures of each source are begun.
        """
        streams = self._streams if kind == SEED_STRUCTURE else [self._background]
        for stream in streams:
            stream.begin(needed)

    def take(self, kind: str, *, needed: int) -> Start | None:
        """The next structure of the source whose turn it is; ``None`` where all of them ended.

        Args:
            kind: ``SEED_STRUCTURE`` or ``RANDOM``.
            needed: how many structures may still be taken, this one included.

        Raises:
            StoreError: as :meth:`.TaskRunner.result`.
            WorkerError: as :meth:`.TaskRunner.result`.
        """
        streams = list(self._streams) if kind == SEED_STRUCTURE else []
        streams.sort(key=lambda s: (self.taken[s.source.name] + 1) / s.source.weight)
        for stream in [*streams, self._background]:
            atoms = stream.next(needed)
            if atoms is not None:
                self.taken[stream.source.name] += 1
                made = RANDOM if stream is self._background else SEED_STRUCTURE
                return Start(kind=made, source=stream.source.name, atoms=atoms)
        return None


class _Pool:
    def __init__(self, source: PoolStarts) -> None:
        self.source = source
        self._left = iter(source.structures)

    def begin(self, needed: int) -> None:
        """Nothing to make."""

    def next(self, needed: int) -> Atoms | None:  # noqa: ARG002
        return next(self._left, None)


class _Blocks:
    def __init__(
        self,
        source: ProposerStarts,
        space: Space,
        *,
        runner: TaskRunner,
        seed: int,
        block: int,
        trials: int,
    ) -> None:
        self.source = source
        self._space = space
        self._runner = runner
        self._seed = seed
        self._block = block if source.block is None else source.block
        # Blocks that are under way at once.
        self._ahead = 1 + -(-trials // self._block)
        self._submitted = 0
        self._opened = 0
        self._empty = 0
        self._asked = Counter[Composition]()
        self._ready: list[Atoms] = []

    def begin(self, needed: int) -> None:
        """Submit enough blocks, but no more than can be used.

        Only one at first: the relaxations of the first block must not wait for other blocks.
        """
        useful = -(-max(0, needed - len(self._ready)) // self._block)
        while self._submitted - self._opened < min(self._ahead, useful, max(1, self._opened)):
            task = self._task(self._submitted)
            start = self._submitted * self._block
            requests = self._requests(task)
            ids = [f"{self.source.name}-{k:05d}" for k in range(start, start + self._block)]
            call = partial(
                propose_block,
                self.source.make,
                requests,
                seed=self._seed,
                task=task,
                ids=ids,
                first=not start,
            )
            self._runner.submit([task], call)
            self._submitted += 1

    def next(self, needed: int) -> Atoms | None:
        while not self._ready and self._empty < EMPTY_BLOCKS:
            self.begin(max(1, needed))
            task = self._task(self._opened)
            self._ready = list(self._runner.result(task).structures)
            self._runner.release(task)
            self._opened += 1
            self._empty = 0 if self._ready else self._empty + 1
        if not self._ready:
            return None
        # Before a structure is removed from the list: an error here must not lose it.
        self.begin(needed)
        return self._ready.pop(0)

    def _requests(self, task: str) -> list[Request]:
        """Of the next block; each says how many of its composition were asked for before."""
        found = []
        for request in self._space.requests(self._block, rng=task_generator(self._seed, task)):
            found.append(replace(request, offset=self._asked[request.composition]))
            self._asked[request.composition] += request.n
        return found

    def _task(self, number: int) -> str:
        return f"{Stage.GENERATED}-{self.source.name}-{number:05d}"


def _unfit(atoms: Atoms, space: Space, separations: LeastDistances, *, units: bool) -> str:
    if units and not has_units(atoms):
        return "no rigid units named"
    if not space.allows_counts(atoms):
        return "wrong composition or size"
    if not space.allows_cell(atoms):
        return "another cell"
    if not is_apart(atoms, separations):
        return "atoms too close"
    return ""
