"""What a worker does for one known crystal of a suite of proposals."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.deck import Count
from gencsp.measure.match_rate import distance
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request
from gencsp.provenance import Stage
from gencsp.records import SymmetryTolerance
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.searches.runner import TaskOutput
from gencsp.similarity.matching import Tolerances
from gencsp.store.base import Finished
from gencsp.suites.checked_proposer import CheckedMaker
from gencsp.suites.truths import KnownCrystal


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How structures are judged that were made for a known crystal.

    Attributes:
        relaxer: makes the relaxer; ``None`` to relax nothing.
        relax: how to relax.
        tolerances: of the matcher.
    """

    relaxer: RelaxerMaker | None
    relax: RelaxSettings
    tolerances: Tolerances


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying(Judging):
    """How crystals are tried to be found.

    Attributes:
        proposer: makes the one under test.
        n: proposals for each crystal.
    """

    proposer: CheckedMaker
    n: Count


def propose_and_match(how: Trying, crystal: KnownCrystal, *, seed: int) -> TaskOutput:
    """Propose structures of a crystal's composition, relax them, compare all with it.

    Args:
        how: proposer, relaxer and matcher.
        crystal: what is to be found; of it the proposer is told the composition and the number of
            atoms in the cell.
        seed: of the run.

    Returns:
        The proposals in their order, and what became of them; ``info`` says how far each is from
        the known crystal, where it matches.
    """
    task = crystal.part(seed)
    request = Request(composition=crystal.composition, n=how.n, units=(crystal.units,))
    # The first letter is that of the stage.
    ids = tuple(f"g{task}-{k:03d}" for k in range(how.n))
    begun, used = time.perf_counter(), time.process_time()
    made = tasks.propose(how.proposer, request, seed=seed, task=task, ids=ids)
    seconds = {"propose": time.perf_counter() - begun}
    spent = time.process_time() - used
    for rank, atoms in enumerate(made.structures):
        atoms.info[records.RANK] = rank
        atoms.info[records.PROCESSOR_SECONDS] = spent / len(made.structures)
    judged = judge(how, crystal, made)
    return TaskOutput(results=judged.results, seconds={**seconds, **judged.seconds})


def judge(how: Judging, crystal: KnownCrystal, made: Finished) -> TaskOutput:
    """Relax structures that were made for a crystal, and compare all with it.

    Args:
        how: relaxer and matcher.
        crystal: what was to be found.
        made: the structures, each with provenance and ``rank``; they are changed in place.

    Returns:
        The structures and what became of them, as of :func:`propose_and_match`.
    """
    seconds = {}
    structures, failures = list(made.structures), Counter(made.failures)
    if how.relaxer is not None:
        begun = time.perf_counter()
        relaxed = _relaxed(how.relaxer, how.relax, made.structures)
        seconds["relax"] = time.perf_counter() - begun
        structures += relaxed.structures
        failures.update(relaxed.failures)
    for atoms in structures:
        atoms.info[records.KNOWN_CRYSTAL] = crystal.key
        if not records.failed(atoms.info):
            rms = distance(atoms, crystal.atoms, tolerances=how.tolerances)
            if np.isfinite(rms):
                atoms.info[records.RMS_TO_KNOWN] = rms
    finished = Finished(structures=tuple(structures), failures=dict(failures))
    return TaskOutput(results=(finished,), seconds=seconds)


def _relaxed(relaxer: RelaxerMaker, settings: RelaxSettings, proposed: Sequence[Atoms]) -> Finished:
    """The proposals relaxed, each with the rank that it had."""
    done = tasks.relax(
        relaxer, proposed, settings, stage=Stage.RELAXED, tolerance=SymmetryTolerance()
    )
    rank = {str(one.info[records.STRUCTURE_ID]): one.info[records.RANK] for one in proposed}
    for atoms in done.structures:
        atoms.info[records.RANK] = rank[str(atoms.info[records.PARENTS])]
        atoms.info.pop(records.PROCESSOR_SECONDS, None)
    return done
