"""What workers do in a cycle: one function for each kind of task.

Each takes plain data and makers of models (a model is made once in a process and kept), and
returns a :class:`~gencsp.store.base.Finished`: structures that failed are counted, not raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import TypeVar

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.descriptors.flaws import is_finite
from gencsp.errors import NoRoomError, RequestError
from gencsp.minimise.result import Outcome
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request, reasons_of
from gencsp.provenance import Provenance, Stage
from gencsp.records import SymmetryTolerance, record
from gencsp.searches.contracts import Maker, ProposerMaker, RelaxerMaker
from gencsp.searches.progress import REJECTED
from gencsp.searches.randomness import task_generator
from gencsp.store.base import Finished, portable
from gencsp.symmetry.hosts import framework
from gencsp.symmetry.ladder import ABOVE_P1, Ladder
from gencsp.symmetry.refinement import refine
from gencsp.symmetry.symbols import symbol_of
from gencsp.units.broken import bond_change, broken_units
from gencsp.units.members import has_units, keep_names, keep_names_of_part, name_completed

Made = TypeVar("Made")

#: Share of its length by which a bond of a rigid unit may change as a framework is symmetrised.
DISTORTED = 0.1
#: Why a trial of a search ended without a relaxation.
NO_CHILD = "move made no structure"


def propose(
    make: ProposerMaker,
    request: Request,
    *,
    seed: int,
    task: str,
    ids: Sequence[str],
    first: bool = True,
) -> Finished:
    """Propose as many structures as there are ids; a host becomes their parent.

    What completes a host of rigid units names these too.

    Args:
        make: makes the proposer.
        request: what to propose.
        seed: of the run.
        task: its name, from which every random choice follows.
        ids: of the structures.
        first: whether it is the first task of its proposer in the run. That rigid units find no
            room is an error there; later it is bad luck, which is counted.

    Raises:
        NoRoomError: see ``first``.
    """
    proposer = cached_make(make)
    rejected_before = reasons_of(proposer)
    host = None if request.host is None else Provenance.read(request.host)
    structures = []
    made = proposer.propose(request, rng=task_generator(seed, task))
    failures = Counter[str]()
    for structure_id, atoms in zip(ids, _unless_no_room(made, failures, first), strict=False):
        Provenance(
            structure_id=structure_id,
            proposer=str(atoms.info.get(records.PROPOSER, proposer.name)),
            model=str(atoms.info.get(records.MODEL, "")),
            seed=seed,
            stage=Stage.GENERATED if host is None else Stage.INPAINTED,
            parents="" if host is None else host.structure_id,
        ).write(atoms)
        if request.host is not None:
            name_completed(request.host, atoms)
        structures.append(atoms)
    rejected = reasons_of(proposer) - rejected_before
    failures.update({_joined(REJECTED, reason): n for reason, n in rejected.items()})
    failures["proposer gave up"] = len(ids) - len(structures)
    return Finished(structures=tuple(structures), failures=_counted(failures))


def _unless_no_room(
    structures: Iterator[Atoms], failures: Counter[str], first: bool
) -> Iterator[Atoms]:
    try:
        yield from structures
    except NoRoomError:
        if first:
            raise
        failures["no room for rigid units"] += 1


def relax(
    make: RelaxerMaker,
    structures: Sequence[Atoms],
    settings: RelaxSettings,
    *,
    stage: Stage,
    tolerance: SymmetryTolerance,
) -> Finished:
    """Relax; every structure is returned with its result (see :func:`gencsp.records.record`).

    Those that did not converge are counted; they are kept as well if all coordinates are finite.
    """
    relaxed = sorted(cached_make(make)(structures, settings), key=lambda result: result.index)
    prefix = "r" if stage is Stage.RELAXED else "x"
    kept, failures = [], Counter[str]()
    for result in relaxed:
        atoms = record(result, tolerance)
        parent = _provenance(structures[result.index])
        parent.child(_with_prefix(prefix, parent), stage).write(atoms)
        if not result.converged:
            failures[str(result.outcome)] += 1
        if is_finite(atoms):
            kept.append(atoms)
    return Finished(structures=tuple(kept), failures=_counted(failures))


def frameworks(
    structures: Iterable[Atoms], *, guests: Sequence[str], ladder: Ladder = ABOVE_P1
) -> Finished:
    """Take the guests out and symmetrise what is left, by increasing tolerance.

    The cell keeps its formula units, so that as many guests are put back as were taken out. A
    framework whose symmetry is low at every tolerance, or ends in a group that the ladder drops, is
    counted as a failure. One that the ladder keeps nonetheless stays as it is. Frameworks of rigid
    units name them; one whose units are no longer what they were counts as a failure, too.
    """
    kept, failures = [], Counter[str]()
    for atoms in structures:
        bare = framework(atoms, guests)
        keep_names_of_part(atoms, ~np.isin(atoms.get_chemical_symbols(), list(guests)), bare)
        refinement = refine(
            bare,
            ladder=ladder.rungs,
            low=ladder.low,
            nearest=ladder.nearest,
            cell="input",
        )
        if not refinement.refined and not ladder.keeps_low:
            failures[f"framework stays {' or '.join(map(symbol_of, sorted(ladder.low)))}"] += 1
            continue
        if not ladder.keeps(refinement.space_group.number):
            failures[f"framework is {refinement.space_group.symbol}"] += 1
            continue
        if has_units(bare) and not _keeps_units(bare, refinement.atoms):
            failures["framework distorts rigid units"] += 1
            continue
        parent = _provenance(atoms)
        host = portable(refinement.atoms)
        host.info = {
            records.SPACE_GROUP: refinement.space_group.symbol,
            records.SPACE_GROUP_NUMBER: refinement.space_group.number,
            records.FRAMEWORK_SYMPREC: refinement.symprec,
            records.FRAMEWORK_ANGLE_TOLERANCE: refinement.angle_tolerance,
        }
        keep_names(bare, host)
        parent.child(_with_prefix("f", parent), Stage.FRAMEWORK).write(host)
        kept.append(host)
    return Finished(structures=tuple(kept), failures=_counted(failures))


def _keeps_units(before: Atoms, after: Atoms) -> bool:
    """Whether rigid units have nearly the bonds that they had before they were symmetrised."""
    change = bond_change(before, after) or 0.0
    return abs(change) < DISTORTED and not broken_units(before, after)


def usable(structures: Iterable[Atoms]) -> list[Atoms]:
    """The structures that are results: all but those whose relaxation ended in another verdict."""
    return [
        atoms
        for atoms in structures
        if atoms.info.get(records.OUTCOME, Outcome.CONVERGED) == Outcome.CONVERGED
    ]


def ids(prefix: str, start: int, n: int) -> tuple[str, ...]:
    """Ids of ``n`` tasks from number ``start`` on, such as ``g0003`` and ``g0004``."""
    return tuple(f"{prefix}{number:04d}" for number, _ in zip(count(start), range(n), strict=False))


@lru_cache(maxsize=8)
def cached_make(make: Maker[Made]) -> Made:
    """The part that a maker makes, made once in a process: models stay loaded between tasks."""
    return make()


def _provenance(atoms: Atoms) -> Provenance:
    found = Provenance.read(atoms)
    if found is None:
        raise RequestError("a structure without provenance cannot be a parent: write it first.")
    return found


def _with_prefix(prefix: str, parent: Provenance) -> str:
    """``r0003`` from ``g0003``: a structure keeps its number through the cycle."""
    return prefix + parent.structure_id[1:]


def _joined(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _counted(failures: Counter[str]) -> dict[str, int]:
    return {reason: n for reason, n in sorted(failures.items()) if n > 0}
