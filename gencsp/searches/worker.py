"""What workers do for a search: propose blocks of seeds, and carry out trials.

A trial is a pure function of its plan and of the generator that belongs to its name, so it may run
anywhere, and again after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ase import Atoms

from gencsp import records
from gencsp.deck import Displacement, Seed, check_fields
from gencsp.descriptors.flaws import MOVED_SHARE, is_finite
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.minimise.result import Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request
from gencsp.proposers.checks import keeps_apart
from gencsp.provenance import Provenance, Stage, join_parents
from gencsp.records import SymmetryTolerance
from gencsp.searches import tasks
from gencsp.searches.contracts import ProposerMaker, RelaxerMaker
from gencsp.searches.moves.base import Move, Tools
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskOutput
from gencsp.searches.space import Space
from gencsp.store.base import Finished, portable
from gencsp.units.broken import bond_change
from gencsp.units.contacts import units_keep_apart
from gencsp.units.members import has_units, keep_names, rattled

#: Children that a move may try to make before the trial is given up.
CHILDREN = 12
#: Keys of ``info`` that a relaxed structure takes over from the structure before relaxation.
_OF_THE_START = (
    records.STRUCTURE_ID,
    records.PROPOSER,
    records.MODEL,
    records.PARENTS,
    records.MOVE,
    records.SEED,
    records.UNIT_NAMES,
    records.UNIT_CRYSTAL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext:
    """What a worker needs to carry out trials; it is sent along with them.

    Attributes:
        seed: random seed of the run.
        space: compositions, sizes and cells of the search.
        relaxer: makes the relaxer, once in each worker.
        relax: how to relax.
        rattle: see :class:`~gencsp.searches.settings.SearchSettings`.
        tolerance: for space groups.
        tools: what moves may use.
        separations: least distances of pairs of elements, in place of those that follow from
            the covalent radii.
        keep_paths: hand over the path of every relaxation.
    """

    seed: Seed
    space: Space
    relaxer: RelaxerMaker
    relax: RelaxSettings = field(default_factory=RelaxSettings)
    rattle: Displacement = 0.0
    tolerance: SymmetryTolerance = field(default_factory=SymmetryTolerance)
    tools: Tools
    separations: LeastDistances = field(default_factory=LeastDistances)
    keep_paths: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTask:
    """One trial as it is sent to a worker.

    Attributes:
        task: its name in the store.
        structure_id: id of the structure that results.
        name: of the move, or of the source of a structure that no move made.
        move: makes the structure to relax from the parents; ``None`` relaxes the one parent.
        parents: structures with provenance.
    """

    task: str
    structure_id: str
    name: str
    move: Move | None
    parents: tuple[Atoms, ...]


def propose_block(
    make: ProposerMaker,
    requests: Sequence[Request],
    *,
    seed: int,
    task: str,
    ids: Sequence[str],
    first: bool = False,
) -> TaskOutput:
    """Propose the structures of some requests, which may be of several compositions.

    Raises:
        NoRoomError: the ``first`` task of its source, see :func:`gencsp.searches.tasks.propose`.
    """
    begun = time.perf_counter()
    structures: list[Atoms] = []
    failures: dict[str, int] = {}
    for part, request in enumerate(requests):
        made = tasks.propose(
            make,
            request,
            seed=seed,
            task=f"{task}.{part}",
            ids=ids[len(structures) : len(structures) + request.n],
            first=first,
        )
        structures.extend(made.structures)
        for reason, count in made.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    finished = Finished(structures=tuple(structures), failures=failures)
    return TaskOutput(results=(finished,), seconds={"propose": time.perf_counter() - begun})


def run_trials(context: TrialContext, jobs: Sequence[TrialTask]) -> TaskOutput:
    """Make the structures of some trials and relax them, all in one batch."""
    begun = time.perf_counter()
    made = [_start(context, job) for job in jobs]
    relaxing = time.perf_counter()
    starts = [(k, atoms) for k, atoms in enumerate(made) if atoms is not None]
    results: list[Finished] = [Finished(failures={tasks.NO_CHILD: 1}) for _ in jobs]
    paths = _Paths() if context.keep_paths else None
    if starts:
        relaxed = _relax(context, [atoms for _, atoms in starts], paths)
        judging = time.perf_counter()
        for result in relaxed:
            place, start = starts[result.index]
            atoms = records.record(result, context.tolerance)
            for key in _OF_THE_START:
                if key in start.info:
                    atoms.info[key] = start.info[key]
            atoms.info[records.STAGE] = str(Stage.RELAXED)
            if paths is not None:
                paths.name(result)
            results[place] = Finished(
                structures=(atoms,) if is_finite(atoms) else (),
                failures={} if result.converged else {str(result.outcome): 1},
            )
    else:
        judging = time.perf_counter()
    ended = time.perf_counter()
    seconds = {"move": relaxing - begun, "relax": judging - relaxing, "symmetry": ended - judging}
    named = {} if paths is None else paths.named
    return TaskOutput(results=tuple(results), seconds=seconds, paths=named)


class _Paths:
    """Paths of some relaxations, by the places of their starts and then by the ids of structures.

    Attributes:
        named: frames by the id of the structure that they lead to, each with energy, forces and
            stress, and in ``info`` the model of the energy.
    """

    def __init__(self) -> None:
        self.named: dict[str, tuple[Atoms, ...]] = {}
        self._frames: dict[int, list[Atoms]] = {}

    def add(self, index: int, frames: list[Atoms]) -> None:
        """Go on with the path of a start."""
        self._frames.setdefault(index, []).extend(portable(frame) for frame in frames)

    def name(self, result: Relaxed) -> None:
        """Name the path of a result, whose structure has its id."""
        frames = self._frames.pop(result.index, [])
        for frame in frames:
            if frame.calc is not None:
                energy = float(frame.calc.results["energy"])
                records.write_energy(
                    frame, energy, model=result.energy_model, digest=result.energy_digest
                )
        if frames:
            self.named[str(result.atoms.info[records.STRUCTURE_ID])] = tuple(frames)


def _relax(context: TrialContext, starts: Sequence[Atoms], paths: _Paths | None) -> list[Relaxed]:
    """Relax with or without the symmetry of the start, or one after the other.

    Forces of a symmetric crystal have its symmetry: without a push it relaxes to the nearest
    stationary point of its group, saddle or minimum.
    """
    relaxer = tasks.cached_make(context.relaxer)
    if paths is not None:
        relaxer = partial(relaxer, on_path=paths.add)
    if not context.rattle:
        return list(relaxer(starts, context.relax))
    free = replace(context.relax, keep_symmetry=False)
    again_free = replace(free, rigid_units=False)
    if not context.relax.keep_symmetry:
        return list(relaxer([_rattled(context, atoms) for atoms in starts], free))
    done = {result.index: result for result in relaxer(starts, context.relax)}
    again = [index for index, result in done.items() if result.converged]
    if paths is not None:
        relaxer = partial(
            tasks.cached_make(context.relaxer),
            on_path=lambda place, frames: paths.add(again[place], frames),
        )
    for result in relaxer([_rattled(context, done[index].atoms) for index in again], again_free):
        index = again[result.index]
        before = done[index]
        broken = "; ".join(filter(None, (before.broken_units, result.broken_units)))
        # Of the whole way: how a bond changed twice does not add up.
        start = starts[index]
        changed = bond_change(start, result.atoms) if has_units(start) else None
        done[index] = replace(
            result,
            index=index,
            steps=before.steps + result.steps,
            broken_units=broken,
            unit_bond_change=changed,
        )
    return list(done.values())


def _rattled(context: TrialContext, atoms: Atoms) -> Atoms:
    """A copy with every coordinate displaced normally; units as a whole, where they are rigid."""
    rng = task_generator(context.seed, f"rattle-{atoms.info[records.STRUCTURE_ID]}")
    moved = portable(atoms)
    moved.calc = None
    if context.relax.rigid_units:
        moved.positions = rattled(moved, context.rattle, rng=rng).positions
        return moved
    moved.positions += rng.normal(scale=context.rattle, size=moved.positions.shape)
    return moved


def _start(context: TrialContext, job: TrialTask) -> Atoms | None:
    """The structure to relax, with provenance; ``None`` where no attempt of the move gave one."""
    if job.move is None:
        return _labelled(job.parents[0], job, context.seed)
    rng = task_generator(context.seed, job.task)
    for _ in range(CHILDREN):
        child = job.move(job.parents, rng=rng, tools=context.tools)
        if (
            child is not None
            and context.space.allows_counts(child)
            and is_apart(child, context.separations)
        ):
            return _labelled(child, job, context.seed)
    return None


def is_apart(child: Atoms, separations: LeastDistances) -> bool:
    """Whether atoms are apart; least distances that the user names are those between units."""
    if not has_units(child):
        return keeps_apart(child, separation=MOVED_SHARE, separations=separations)
    return keeps_apart(child, separation=MOVED_SHARE) and units_keep_apart(child, separations)


def _labelled(atoms: Atoms, job: TrialTask, seed: int) -> Atoms:
    start = portable(atoms)
    start.calc = None
    if not has_units(atoms):  # units stay whole, wherever the cell cuts them
        start.wrap()
    start.info = {}
    keep_names(atoms, start)
    if records.UNIT_CRYSTAL in atoms.info:
        start.info[records.UNIT_CRYSTAL] = atoms.info[records.UNIT_CRYSTAL]
    origins = [Provenance.read(parent) for parent in job.parents]
    first = next(origin for origin in origins if origin is not None)
    Provenance(
        structure_id=job.structure_id,
        proposer=first.proposer,
        model=first.model,
        seed=seed,
        stage=Stage.GENERATED,
        parents=join_parents(origin.structure_id for origin in origins if origin is not None),
    ).write(start)
    start.info[records.MOVE] = job.name
    return start
