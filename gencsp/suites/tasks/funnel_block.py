"""What a worker does for a block of a row of PIGEN's tables: make, judge and relax crystals."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.deck import Natural, check_fields
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.filters.base import Verdict
from gencsp.filters.funnel import Funnel
from gencsp.measure.pseudo_random import pseudo_random
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance, Stage
from gencsp.records import SymmetryTolerance
from gencsp.runs.candidates import bare
from gencsp.runs.generators import StoredJointModel
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.searches.runner import TaskOutput
from gencsp.searches.tasks import cached_make
from gencsp.store.base import Finished, portable
from gencsp.suites.tasks.model_rows import ModelRow, sample_row

#: Column of the paper, filter.
COLUMNS = {
    "A'": "distances",
    "A": "pair_potential",
    "B": "compositional_novelty",
    "C": "compactness",
    "D": "local_diversity",
    "K": "complexity",
}
#: Prototypes of Fig. 3d.
TOP = 100
PROTOTYPES = "prototypes"
#: Filters that judge every crystal, and those that take long.
_CHEAP = Funnel(tuple((COLUMNS[column], {}) for column in ("A'", "A", "B", "C", "K")))
_DIVERSE = Funnel(((COLUMNS["D"], {}),))
_FRAMEWORK = Funnel(((PROTOTYPES, {"top": TOP}),))

#: Makes some crystals by their places in a row.
Make = Callable[[range], list[Atoms]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Makes the crystals of a row, each with random numbers of its own.

    Attributes:
        row: how.
        seed: of the run.
        settings: of the sampler.
        model: makes the model.
    """

    row: ModelRow
    seed: int
    settings: JointSamplerSettings
    model: StoredJointModel

    def __call__(self, places: range) -> list[Atoms]:
        """Make some of them."""
        rngs = [np.random.default_rng([self.seed, k]) for k in places]
        if self.row.made_by == "pseudo-random":
            return [pseudo_random(rng) for rng in rngs]
        model: JointModel = cached_make(self.model)
        return sample_row(model, self.row, rngs, settings=self.settings)


@dataclass(frozen=True, slots=True)
class Taken:
    """Crystals of files in the place of a model.

    Attributes:
        structures: of the block.
    """

    structures: tuple[Atoms, ...]

    def __call__(self, places: range) -> list[Atoms]:  # noqa: ARG002
        """Copies of them, without what else files say."""
        return [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in self.structures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How the crystals of a block are judged.

    Attributes:
        relaxer: makes the relaxer.
        relax: how to relax.
        diverse: crystals of a block that filter D judges whatever other filters say.
        relaxed: crystals of a block that are relaxed whatever filters say.
    """

    relaxer: RelaxerMaker
    relax: RelaxSettings
    diverse: Natural = 16
    relaxed: Natural = 1

    def __post_init__(self) -> None:
        check_fields(self)


def make_and_judge(
    make: Make, how: Judging, *, row: str, name: str, seed: int, places: range
) -> TaskOutput:
    """Make a block of crystals, judge each by the filters, relax some and what passes A to D.

    Args:
        make: makes them.
        how: filters and relaxation.
        row: of the table, as the proposer that is recorded.
        name: of the row in the ids of structures.
        seed: of the run.
        places: of the crystals in the row.

    Returns:
        The crystals in order, with their places and the verdicts in ``info``, and then those that
        were relaxed, whose parents are their starts.
    """
    begun, used = time.perf_counter(), time.process_time()
    made = make(places)
    spent = (time.process_time() - used) / max(len(made), 1)
    crystals = []
    for k, atoms in zip(places, made, strict=True):
        one = portable(atoms)
        one.info = {records.RANK: k, records.PROCESSOR_SECONDS: spent}
        Provenance(
            structure_id=f"{name}-s{seed}-{k:05d}",
            proposer=row,
            model="",
            seed=seed,
            stage=Stage.GENERATED,
            parents="",
        ).write(one)
        crystals.append(one)
    seconds = {"generate": time.perf_counter() - begun}
    begun = time.perf_counter()
    chosen = [one for k, one in enumerate(crystals) if _judge(one, how, k) or k < how.relaxed]
    seconds["filter"] = time.perf_counter() - begun
    begun = time.perf_counter()
    ended = tasks.relax(
        how.relaxer,
        [bare(one) for one in chosen],
        how.relax,
        stage=Stage.RELAXED,
        tolerance=SymmetryTolerance(),
    )
    seconds["relax"] = time.perf_counter() - begun
    for atoms in ended.structures:
        atoms.info.pop(records.PROCESSOR_SECONDS, None)
    finished = Finished(structures=(*crystals, *ended.structures), failures=ended.failures)
    return TaskOutput(results=(finished,), seconds=seconds)


def passed(atoms: Atoms, column: str) -> bool | None:
    """Whether a crystal passed the filter of a column; ``None`` where that did not judge it."""
    verdict = Verdict.read(atoms, COLUMNS[column])
    return None if verdict is None else verdict.passed


def rank_of(atoms: Atoms) -> float | None:
    """Rank of the first prototype that a crystal has; infinite for none, ``None`` if not judged."""
    verdict = Verdict.read(atoms, PROTOTYPES)
    if verdict is None or (not verdict.passed and np.isnan(verdict.value)):
        return None
    return float("inf") if verdict.passed else verdict.value


def passes(atoms: Atoms, columns: Sequence[str]) -> bool:
    """Whether a crystal passed the filters of all these columns."""
    return all(passed(atoms, column) for column in columns)


def _judge(atoms: Atoms, how: Judging, place: int) -> bool:
    """Write the verdicts into ``info``; returns whether A to D are passed."""
    _write(_CHEAP, atoms)
    plausible = passes(atoms, "ABC")
    if plausible or place < how.diverse:
        _write(_DIVERSE, atoms)
    if plausible:
        _write(_FRAMEWORK, atoms)
    return plausible and passes(atoms, "D")


def _write(funnel: Funnel, atoms: Atoms) -> None:
    for verdict in funnel.judge(atoms):
        verdict.write(atoms)
