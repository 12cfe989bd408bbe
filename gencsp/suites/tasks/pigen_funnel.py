"""Crystals of their makers' own compositions through PIGEN's filters.

Extended Data Tables 1 and 2 and Fig. 3d: which share of crystals passes each filter alone and all
in sequence, is stable, unique and novel, and has none of the first N prototypes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Self

from ase import Atoms

from gencsp import records
from gencsp.convex_hull.hull import Hull
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.errors import SuiteError
from gencsp.files import file_name
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials.base import identity
from gencsp.proposers.options import changed
from gencsp.runs.candidates import Price
from gencsp.runs.generators import StoredJointModel, read_given
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedRelaxer
from gencsp.runs.references import hull_at
from gencsp.searches.runner import TaskOutput
from gencsp.searches.starts import PoolStarts
from gencsp.searches.tasks import cached_make
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck
from gencsp.suites.generator import POOL, generator_of
from gencsp.suites.outcome import Outcome, failures_of
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.funnel_block import (
    Judging,
    Made,
    Make,
    Taken,
    make_and_judge,
    passes,
)
from gencsp.suites.tasks.funnel_values import (
    FunnelSettings,
    curve_of,
    greatest_of,
    is_relaxed,
    measures_of,
    rows_of,
)
from gencsp.suites.tasks.model_rows import ModelRow


class PigenFunnel(SuiteTask):
    """Crystals through filters; see the module."""

    settings_class = FunnelSettings
    stage = "funnel"

    def __init__(
        self,
        settings: FunnelSettings,
        deck: BenchDeck,
        rows: Sequence[ModelRow],
        *,
        pool: Sequence[Atoms] | None,
        sampler: JointSamplerSettings,
        hull: Hull,
        relaxer: NamedRelaxer,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.rows = rows
        self.pool = pool
        self.sampler = sampler
        self.hull = hull
        self.relaxer = relaxer
        self.price = Price(hull)

    @property
    def model(self) -> StoredJointModel:
        """Makes the model of the rows."""
        return StoredJointModel(self.deck.weights, self.deck.device)

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:  # noqa: ARG003
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        generator = generator_of(deck)
        rows, pool, changes = settings.chosen, None, {}
        if isinstance(generator, Path):
            pool = read_given([generator], _whole(deck.compositions or settings.n, settings.block))
            rows = (ModelRow(name=POOL),)
        else:
            changes = _sampler_of(generator)
        for row in rows:
            _ = row.aims
        relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
        return cls(
            settings,
            deck,
            rows,
            pool=pool,
            sampler=changed(JointSamplerSettings(), {**settings.sampler, **changes}, name="pigen"),
            hull=hull_at(0.0, None, [], relaxer.potential, relaxer.load),
            relaxer=relaxer,
        )

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        rows = self.rows if self.pool is None else ()
        found = executor.submit(_identify, tuple(rows), self.model, self.relaxer).result()
        self.hull.require_model(str(found["potential"]))
        pool = PoolStarts(name=POOL, structures=tuple(self.pool or ())).digest
        return {
            "proposer": "pigen" if self.pool is None else POOL,
            "pool": "" if self.pool is None else pool,
            "rows": [row.name for row in self.rows],
            "sampler": str(self.sampler),
            "hull": self.hull.digest,
            **found,
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a block of a row with a seed."""
        settings = self.settings
        how = Judging(
            relaxer=self.relaxer,
            relax=RelaxSettings(fmax=settings.fmax, steps=settings.steps),
            diverse=settings.diverse,
            relaxed=settings.relaxed,
        )
        return {
            _task(row, seed, places): partial(
                make_and_judge,
                self._make(row, seed, places),
                how,
                row=row.name,
                name=file_name(row.name),
                seed=seed,
                places=places,
            )
            for row, seed, places in self._blocks()
        }

    def prepare(self, finished: Finished) -> Finished:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: with decomposition energies."""
        return self.price(finished)

    def note(self, result: Finished) -> str:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        made = [one for one in result.structures if not is_relaxed(one)]
        return f"{sum(passes(one, 'ABCD') for one in made)} of {len(made)} pass A-D"

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        found = {row.name: self._found(row, results) for row in self.rows}
        n = len(self.pool) if self.pool is not None else self._n
        return Outcome(
            measures=tuple(measure for row in self.rows for measure in measures_of(row.name)),
            rows=tuple(
                one
                for row in self.rows
                for one in rows_of(row.name, found[row.name], self.settings)
            ),
            sample_size={"crystals of each row": n, "seeds": self._seeds},
            protocol={
                "rows": [row.model_dump(mode="json") for row in self.rows],
                "S.U.N.": "of the first crystals of each block, relaxed: within 0.1 eV/atom of the "
                "hull, first of its kind, and no crystal of OQMD-ICSD of at most 20 atoms",
                "E": "energy above a hull of energies of the same potential, after relaxation; one "
                "that does not end counts as not passed; the paper takes DFT's",
                "hull": self.hull.digest,
            },
            failures=failures_of(results),
            tables={
                "outside the first N prototypes": {
                    name: curve_of([one for one, _ in crystals]) for name, crystals in found.items()
                }
            },
            wholes={f"{name}: F": greatest_of(crystals) for name, crystals in found.items()},
        )

    @property
    def _n(self) -> int:
        return _whole(self.deck.compositions or self.settings.n, self.settings.block)

    @property
    def _seeds(self) -> int:
        """A pool is the same with every seed."""
        return self.deck.seeds if self.pool is None else 1

    def _blocks(self) -> Iterator[tuple[ModelRow, int, range]]:
        """Block by block of all rows, so that what is done at any time is balanced."""
        n, size = len(self.pool) if self.pool is not None else self._n, self.settings.block
        for seed, start, row in product(range(self._seeds), range(0, n, size), self.rows):
            yield row, seed, range(start, min(n, start + size))

    def _make(self, row: ModelRow, seed: int, places: range) -> Make:
        if self.pool is not None:
            return Taken(tuple(self.pool[k] for k in places))
        return Made(row=row, seed=seed, settings=self.sampler, model=self.model)

    def _found(
        self, row: ModelRow, results: Mapping[str, Finished]
    ) -> list[tuple[Atoms, Atoms | None]]:
        """The crystals of a row, each with what it relaxed to, where it was relaxed."""
        found = []
        for one, seed, places in self._blocks():
            if one is row:
                structures = results[_task(row, seed, places)].structures
                after = {str(a.info[records.PARENTS]): a for a in structures if is_relaxed(a)}
                found += [
                    (a, after.get(str(a.info[records.STRUCTURE_ID])))
                    for a in structures
                    if not is_relaxed(a)
                ]
        return found


def _sampler_of(generator: Any) -> dict[str, Any]:
    """Changes to the sampler that come with the generator's name."""
    options = Choice.read(generator).options
    if set(options) - {"sampler"}:
        raise SuiteError(
            "the rows of this suite have targets, guidance and sizes of their own: give pigen "
            "alone, or with its sampler, and other weights by --weights."
        )
    return dict(options.get("sampler", {}))


def _identify(
    rows: tuple[ModelRow, ...], stored: StoredJointModel, relaxer: NamedRelaxer
) -> dict[str, str]:
    """Names of the models, which are loaded once in a worker; targets are checked there."""
    digest = ""
    if any(row.made_by == "model" for row in rows):
        model: JointModel = cached_make(stored)
        for row in rows:
            model.check_targets(row.aims)
        digest = model.digest
    potential = relaxer.load()
    return {
        "model": digest,
        **identity(potential),
    }


def _task(row: ModelRow, seed: int, places: range) -> str:
    return f"{file_name(row.name)}-seed{seed}-{places.start:06d}"


def _whole(n: int, block: int) -> int:
    return -(-n // block) * block
