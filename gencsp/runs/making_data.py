"""Crystals of one's own to train models on: exchange elements, relax, keep what is near the hull.

Each block of structures is a task of a run, which is kept once it is done: a run that was stopped
goes on where it was, or with more structures, and is the same on any number of workers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import read_formula_keys
from gencsp.convex_hull.hull import Hull
from gencsp.errors import WrongTypeError
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import identity
from gencsp.proposers.crystals.exchange import exchanged
from gencsp.provenance import Provenance, Stage
from gencsp.records import SymmetryTolerance
from gencsp.runs.candidates import Price, StageProgress
from gencsp.runs.data_deck import MakeDataDeck
from gencsp.runs.made_data import MadeData
from gencsp.runs.objects import carried, chosen
from gencsp.runs.parts import NamedRelaxer, run_executor
from gencsp.runs.references import hull_at
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.similarity.deduplicate import deduplicate
from gencsp.similarity.rules import CRYSTAL
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Finished, Manifest, portable

#: Structures of a task.
BLOCK = 32
#: Format of a run; a newer one is refused by older versions.
FORMAT = 1
#: Where structures come from.
MAKER = "exchange"


class DataRun:
    """One run, which goes on where it was stopped.

    Args:
        deck: the settings.
        relaxer: makes the relaxer.
        hull: the references.
        manifest: see :class:`MadeData`.
        store: where every block is kept.
        executor: where tasks run.
    """

    def __init__(
        self,
        deck: MakeDataDeck,
        *,
        relaxer: RelaxerMaker,
        hull: Hull,
        manifest: Manifest,
        store: Store,
        executor: Executor,
    ) -> None:
        self.deck = deck
        self.manifest = manifest
        self.relaxer = relaxer
        self.runner = TaskRunner(
            store, executor, prepare=Near(Price(hull), deck.within, deck.below)
        )
        self._near: list[Atoms] = []
        self._failures: Counter[str] = Counter()

    def irun(self) -> Iterator[StageProgress]:
        """Run block by block to the end.

        Raises:
            GencspError: a store that cannot be written, or workers that were lost.
        """
        blocks = self._blocks
        names = [f"made-{k:06d}" for k in range(blocks)]
        ahead, submitted, done = 4 * self.deck.workers, 0, 0
        try:
            for k, name in enumerate(names):
                while submitted < min(blocks, k + ahead):
                    self.runner.submit([names[submitted]], self._call(submitted))
                    submitted += 1
                result = self.runner.result(name)
                self.runner.release(name)
                self._near += map(portable, result.structures)
                self._failures.update(result.failures)
                done += BLOCK
                note = f"{len(self._near)} near the hull"
                yield StageProgress(stage="make", done=done, total=blocks * BLOCK, note=note)
        finally:
            self.runner.cancel()
            self.runner.keep()

    def result(self) -> MadeData:
        """What the run came to; of a run that has ended."""
        lowest = sorted(
            self._near, key=lambda one: (above(one), str(one.info[records.STRUCTURE_ID]))
        )
        energies = [float(one.info[records.ENERGY_PER_ATOM]) for one in lowest]
        groups = deduplicate(lowest, index=CRYSTAL.index(), energies=energies)
        crystals = tuple(lowest[group[0]] for group in groups)
        for atoms in crystals:
            # Below the hull of the references it is on the hull that it is part of.
            atoms.info[records.ENERGY_ABOVE_HULL] = max(above(atoms), 0.0)
        return MadeData(
            crystals=crystals,
            tried=self._blocks * BLOCK,
            near=len(lowest),
            failures=dict(sorted(self._failures.items())),
            manifest=self.manifest,
        )

    @property
    def _blocks(self) -> int:
        """Whole ones, so that a run with more structures begins with the same."""
        return -(-self.deck.n // BLOCK)

    def _call(self, block: int) -> Callable[[], TaskOutput]:
        return partial(
            make_block,
            self.relaxer,
            RelaxSettings(fmax=self.deck.fmax, steps=self.deck.steps),
            seed=self.deck.seed,
            task=f"made-{block:06d}",
            ids=tasks.ids("d", block * BLOCK, BLOCK),
            most_atoms=self.deck.atoms,
            held_out=self.deck.held_out,
        )


def make_block(
    make: RelaxerMaker,
    settings: RelaxSettings,
    *,
    seed: int,
    task: str,
    ids: tuple[str, ...],
    most_atoms: int,
    held_out: Path,
) -> TaskOutput:
    """Exchange elements of as many known crystals as there are ids, and relax what comes of it."""
    begun = time.perf_counter()
    rng = task_generator(seed, task)
    left_out = _formulas(held_out)
    structures = []
    for name in ids:
        atoms = exchanged(rng, most_atoms=most_atoms, left_out=left_out)
        if atoms is not None:
            Provenance(structure_id=name, proposer=MAKER, seed=seed, stage=Stage.GENERATED).write(
                atoms
            )
            structures.append(atoms)
    drawn = time.perf_counter()
    done = tasks.relax(
        make, structures, settings, stage=Stage.RELAXED, tolerance=SymmetryTolerance()
    )
    failures = Counter(done.failures)
    failures["no new compound"] = len(ids) - len(structures)
    finished = Finished(structures=done.structures, failures=+failures)
    now = time.perf_counter()
    return TaskOutput(results=(finished,), seconds={"make": drawn - begun, "relax": now - drawn})


@dataclass(frozen=True, slots=True)
class Near:
    """Leaves only what converged near the hull, before it is stored.

    Attributes:
        price: writes E_d.
        within: most E_d, eV/atom.
        below: furthest below the hull, eV/atom.
    """

    price: Price
    within: float
    below: float

    def __call__(self, finished: Finished) -> Finished:
        """The structures near the hull; the others are counted."""
        converged = [one for one in finished.structures if not records.failed(one.info)]
        priced = self.price(Finished(structures=tuple(converged), failures={})).structures
        known = [one for one in priced if records.above_hull(one.info) is not None]
        near = tuple(one for one in known if -self.below <= above(one) <= self.within)
        failures = Counter(finished.failures)
        failures["no reference"] += len(priced) - len(known)
        failures["above the hull"] += sum(above(one) > self.within for one in known)
        failures["implausibly far below the hull"] += sum(above(one) < -self.below for one in known)
        return Finished(structures=near, failures=+failures)


def above(atoms: Atoms) -> float:
    """E_d of a structure that has one, eV/atom."""
    value = records.above_hull(atoms.info)
    assert value is not None, "what has none is left out"
    return value


@contextmanager
def open_data_run(
    deck: MakeDataDeck, *, in_memory: bool = False, executor: Executor | None = None
) -> Iterator[DataRun]:
    """A run ready to begin or to go on: inputs are checked, models found, the folder locked.

    Args:
        deck: the settings.
        in_memory: write nothing, whatever the deck says of a folder.
        executor: where tasks run, which the caller opens and closes; ``None`` opens local
            processes.

    Raises:
        StructureFileError: the held-out formulas or the hull cannot be read.
        CompositionError: a line of the held-out formulas is none.
        WeightsError, EngineError, PotentialError, HullReferenceError: a model or a reference is
            missing, or another model made the references.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    held_out = deck.held_out.resolve()
    formulas = _formulas(held_out)
    relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
    hull = hull_at(0.0, deck.hull, [], relaxer.potential, relaxer.load, workers=deck.workers)
    folder = None if in_memory else deck.folder
    with run_executor(carried(dict(deck)), "local", workers=deck.workers, opened=executor) as own:
        models = own.submit(_identify, relaxer).result()
        hull.require_model(models["potential"])
        manifest: Manifest = {
            "kind": "make-data",
            "format": FORMAT,
            "held_out": sha256("\n".join(sorted(formulas)).encode()).hexdigest()[:12],
            "atoms": deck.atoms,
            "within": deck.within,
            "below": deck.below,
            "seed": deck.seed,
            "fmax": deck.fmax,
            "steps": deck.steps,
            "hull": hull.digest,
            **models,
        }
        whole = deck.model_copy(update={"held_out": held_out})
        with nullcontext(MemoryStore()) if folder is None else DiskStore(folder, manifest) as store:
            yield DataRun(
                whole,
                relaxer=relaxer,
                hull=hull,
                manifest=manifest,
                store=store,
                executor=own,
            )


def make_data(
    deck: MakeDataDeck | None = None,
    *,
    report: Callable[[StageProgress], None] | None = None,
    **settings: Any,
) -> MadeData:
    """Exchange elements of known crystals, relax, keep what is near the hull.

    With ``out`` every block is in that folder at once, and the same call goes on where an earlier
    one was stopped, or with a larger ``n``; without it nothing is written.

    Args:
        deck: whole settings; or give them one by one.
        report: called after each block.
        settings: fields of :class:`~gencsp.runs.data_deck.MakeDataDeck`, where each is described;
            beside a deck they take the place of what it says.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`open_data_run`.
    """
    if deck is not None and not isinstance(deck, MakeDataDeck):
        raise WrongTypeError(
            f"the deck is a {type(deck).__name__}: give a MakeDataDeck, or settings by name."
        )
    whole = MakeDataDeck.make(**{**({} if deck is None else deck.given), **settings})
    with open_data_run(whole, in_memory=whole.out is None) as run:
        for step in run.irun():
            if report is not None:
                report(step)
        return run.result()


@lru_cache(maxsize=2)
def _formulas(path: Path) -> frozenset[str]:
    """The held-out formulas, read once in a process."""
    return read_formula_keys(path)


def _identify(relaxer: NamedRelaxer) -> dict[str, str]:
    """Names and hashes of the potential, which is loaded in a worker to find them."""
    potential = relaxer.load()
    return identity(potential)
