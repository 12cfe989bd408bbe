"""What is kept of the searches that are compared, and whether two structures are one crystal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.filters.funnel import Funnel
from gencsp.measure.synergy import Trace
from gencsp.runs.novelty import write_novelty
from gencsp.runs.seeded import SEEDS
from gencsp.searches.loop import Search
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, TrialResult
from gencsp.similarity.grouping import Grouping
from gencsp.store.base import portable

#: What is measured of each new minimum, as in Fig. 5.
MEASURED = Funnel((("compactness", {}), ("local_diversity", {})))


def distinct(
    structures: Sequence[Atoms], most: int, *, besides: Sequence[Atoms] = ()
) -> list[Atoms]:
    """The first structures of different compositions, at most so many."""
    taken = {Composition.of(one).formula_key for one in besides}
    found: list[Atoms] = []
    for atoms in structures:
        key = Composition.of(atoms).formula_key
        if key not in taken and len(found) < most:
            taken.add(key)
            found.append(atoms)
    return found


def kept_of(run: Search) -> tuple[list[Atoms], list[Atoms]]:
    """The minima of a finished search, and the lowest structure that it began with by itself.

    The minima are the structures lower than all before them, with C and M_LED, and the last one
    with what is new about it.
    """
    minima: list[Atoms] = []
    lowest = float("inf")
    for result in run.results:
        if result.atoms is not None and result.fitness < lowest:
            lowest = result.fitness
            minima.append(_measured(result.atoms, trials=len(run.results)))
    if minima:
        write_novelty(minima[-1])
    own = [one for one in _begun_with(run.results) if one.info[records.MOVE] != SEEDS]
    return minima, [portable(min(own, key=energy_of))] if own else []


def trace_of(minima: Sequence[Atoms], start: Sequence[Atoms]) -> Trace:
    """The trace of a search from what is kept of it."""
    return Trace(
        trials=int(minima[0].info[records.TRIALS]) if minima else 0,
        minima=tuple((_trial(one), energy_of(one)) for one in minima),
        lowest_start=energy_of(start[0]) if start else None,
    )


def is_same(one: Atoms, other: Atoms) -> bool:
    """Whether two relaxed structures are the same crystal."""
    grouping = Grouping(same="close")
    for name, atoms in (("one", one), ("other", other)):
        grouping.add(name, atoms, energy_of(atoms))
    return len(grouping) == 1


def _begun_with(results: Sequence[TrialResult]) -> Iterator[Atoms]:
    """What converged of the structures without parents before the first move."""
    for result in results:
        if result.move not in (SEED_STRUCTURE, RANDOM):
            return
        if result.atoms is not None:
            yield result.atoms


def _measured(atoms: Atoms, *, trials: int) -> Atoms:
    copy = portable(atoms)
    for verdict in MEASURED.judge(copy):
        verdict.write(copy)
    copy.info[records.TRIALS] = trials
    return copy


def _trial(atoms: Atoms) -> int:
    """The number of the trial that made a structure, which its id has."""
    return int(str(atoms.info[records.STRUCTURE_ID]).removeprefix("s"))


def energy_of(atoms: Atoms) -> float:
    """Enthalpy of a relaxed structure, eV/atom."""
    return float(atoms.info[records.ENTHALPY_PER_ATOM])
