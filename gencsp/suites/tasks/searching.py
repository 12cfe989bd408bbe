"""What a worker does for one known crystal of a suite of searches."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.measure.match_rate import distance
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.searches.runner import TaskOutput
from gencsp.similarity import same_crystal
from gencsp.similarity.matching import STANDARD
from gencsp.store.base import Finished, portable
from gencsp.suites.searchers import Searcher
from gencsp.suites.truths import KnownCrystal

#: eV/atom below the known crystal from which on a structure counts as lower.
LOWER = 1e-3
#: Why a search has nothing to compare energies with.
UNRELAXED = "known crystal does not relax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """How crystals are searched.

    Attributes:
        searcher: searches.
        relaxer: makes the relaxer of the known crystals.
        relax: how these are relaxed; they keep their symmetry.
    """

    searcher: Searcher
    relaxer: RelaxerMaker
    relax: RelaxSettings


@dataclass(slots=True)
class _Search:
    """What a search has come to.

    Attributes:
        targets: the known crystal, as it is and relaxed.
        energy: of the relaxed one, eV/atom; ``None`` where it does not relax.
        relaxations: so far.
        seconds: of the processor, until the crystal was found.
        found, lower: relaxations until the crystal, or one lower, was there.
        best: the lowest structure.
        hit: the one that is the known crystal.
    """

    targets: tuple[Atoms, ...]
    energy: float | None
    relaxations: int = 0
    seconds: float = 0.0
    found: int | None = None
    lower: int | None = None
    best: Atoms | None = None
    hit: Atoms | None = None

    def judge(self, atoms: Atoms) -> None:
        """Look at one more structure."""
        energy = _energy(atoms)
        if self.best is None or energy < _energy(self.best):
            self.best = atoms
        if self.lower is None and self.energy is not None and energy < self.energy - LOWER:
            self.lower = self.relaxations
        if any(same_crystal(atoms, target) for target in self.targets):
            self.found, self.hit = self.relaxations, atoms


def search_for(how: Searching, crystal: KnownCrystal, *, seed: int) -> TaskOutput:
    """Search a crystal's composition until the crystal is found or the budget is used.

    Args:
        how: method, seeds, budget and potential.
        crystal: what is to be found; of it the search is told the composition and the number of
            atoms in the cell.
        seed: of the search.

    Returns:
        The lowest structure, whose ``info`` says what the search has come to, and the one that is
        the known crystal, where that is another; none where nothing relaxed.
    """
    begun = time.perf_counter()
    failures = Counter[str]()
    known = _relaxed(how, crystal)
    if known is None:
        failures[UNRELAXED] += 1
    done = _Search(
        targets=(crystal.atoms,) if known is None else (crystal.atoms, known),
        energy=None if known is None else _energy(known),
    )
    steps = how.searcher.steps(crystal, seed=seed, failures=failures)
    spent, clock = 0.0, time.process_time()
    with closing(steps):
        for step in steps:
            # What is done with a step here is no part of the search.
            spent += time.process_time() - clock
            done.relaxations, done.seconds = step.relaxations, spent + step.elsewhere
            if step.atoms is not None:
                done.judge(step.atoms)
            if done.found is not None:
                break
            clock = time.process_time()
    finished = Finished(
        structures=_kept(done, crystal, seed),
        failures={reason: n for reason, n in sorted(failures.items()) if n > 0},
    )
    return TaskOutput(results=(finished,), seconds={"search": time.perf_counter() - begun})


def _relaxed(how: Searching, crystal: KnownCrystal) -> Atoms | None:
    """The known crystal by the potential of the search, in its symmetry."""
    relaxer = tasks.cached_make(how.relaxer)
    settings = replace(how.relax, keep_symmetry=True)
    (result,) = relaxer([portable(crystal.atoms)], settings)
    return records.record(result, records.SymmetryTolerance()) if result.converged else None


def _kept(done: _Search, crystal: KnownCrystal, seed: int) -> tuple[Atoms, ...]:
    """The structures to keep, the lowest first, with what came of the search."""
    if done.best is None:
        return ()
    kept = []
    hit = () if done.hit is None or done.hit is done.best else (done.hit,)
    for atoms in (done.best, *hit):
        one = portable(atoms)
        _name_apart(one, f"{crystal.key}-seed{seed}")
        one.info[records.KNOWN_CRYSTAL] = crystal.key
        if done.energy is not None:
            one.info[records.ENERGY_ABOVE_KNOWN] = _energy(one) - done.energy
        rms = distance(one, crystal.atoms, tolerances=STANDARD)
        if np.isfinite(rms):
            one.info[records.RMS_TO_KNOWN] = rms
        kept.append(one)
    info = kept[0].info
    info[records.RELAXATIONS] = done.relaxations
    info[records.PROCESSOR_SECONDS] = done.seconds
    for key, after in ((records.FOUND_AFTER, done.found), (records.LOWER_AFTER, done.lower)):
        if after is not None:
            info[key] = after
    return tuple(kept)


def _name_apart(atoms: Atoms, task: str) -> None:
    """Name a structure after its search, as its ids are those of every search."""
    origin = Provenance.read(atoms)
    assert origin is not None, "every structure of a search says where it comes from"
    replace(origin, structure_id=f"{task}-{origin.structure_id}", parents="").write(atoms)


def _energy(atoms: Atoms) -> float:
    return float(atoms.info[records.ENERGY_PER_ATOM])
