"""Searches seeded with generated structures against searches of their compositions alone.

PIGEN, "Synergy between generative models and crystal structure prediction" and Extended Data
Table 3. For each model, compositions are drawn from what it generates, half of them behind the
filters; each is searched twice, at the same settings and from the same seed: from the composition
alone, and with the generated structure among the structures that the search begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import RequestError, WrongTypeError
from gencsp.executors import ThisProcess
from gencsp.files import file_name
from gencsp.filters import Summary
from gencsp.filters.funnel import Funnel
from gencsp.measure.synergy import Comparison, Trace
from gencsp.proposers.targets import read_targets
from gencsp.runs.candidate_parts import Parts, candidate_manifest
from gencsp.runs.candidates import Candidates, Price, StageProgress
from gencsp.runs.discover_decks import SynergyDeck
from gencsp.runs.generators import DeNovo, read_given
from gencsp.runs.novelty import write_novelty
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.runs.seeded import SEEDS, open_seeded_search, sizes_of, watched
from gencsp.searches.loop import Search
from gencsp.searches.runner import TaskRunner
from gencsp.searches.trial import RANDOM, SEED_STRUCTURE, TrialResult
from gencsp.similarity.grouping import Grouping
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Finished, Manifest, portable

#: A model without targets.
PLAIN = "plain"
#: Blocks that are generated before the survivors are counted again.
ROUND = 4
#: What is measured of each new minimum, as in Fig. 5.
MEASURED = Funnel((("compactness", {}), ("local_diversity", {})))
#: The two searches of a composition.
SEEDED, UNSEEDED = "seeded", "unseeded"


@dataclass(frozen=True, slots=True)
class Model:
    """A generator of the comparison.

    Attributes:
        text: as it was given.
        targets: texts such as ``m_led=9``; empty for none, and for files.
        files: of another generator, in its place.
    """

    text: str
    targets: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @classmethod
    def read(cls, text: str) -> Model:
        """``plain``, targets with commas, or a file.

        Raises:
            RequestError: it is none of them.
        """
        if text == PLAIN:
            return cls(text)
        if Path(text).exists():
            return cls(text, files=(Path(text),))
        targets = tuple(part.strip() for part in text.split(","))
        try:
            read_targets(targets)
        except RequestError as error:
            raise RequestError(
                f"the model '{text}' is neither a file nor targets: write it as "
                f"m_led=9,compactness=0.7, or plain for none."
            ) from error
        return cls(text, targets)

    def source(self, deck: SynergyDeck) -> DeNovo | list[Atoms]:
        """What generates, or the structures of the files."""
        if self.files:
            return read_given(self.files, deck.generate)
        return DeNovo.of(
            deck.proposer,
            self.targets,
            guidance=deck.guidance,
            elements=deck.elements,
            atoms=deck.atoms,
            weights=deck.weights,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A composition with its structures.

    Attributes:
        comparison: the energies.
        generated: the structure that was generated, relaxed; ``None`` where nothing is left of it.
        minima: each structure lower than all before it, of the two searches by their names, in the
            order of trials; with C and M_LED in ``info``, in the form of filters.
    """

    comparison: Comparison
    generated: Atoms | None
    minima: dict[str, tuple[Atoms, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """What came of one model.

    Attributes:
        model: the generator.
        generated: structures that were made.
        summary: of the filters.
        compared: its compositions, the filtered ones first.
        missing: filtered compositions that were asked for and not found.
    """

    model: Model
    generated: int
    summary: Summary
    compared: tuple[Compared, ...]
    missing: int

    def comparisons(self, *, filtered: bool) -> list[Comparison]:
        """Of the filtered compositions, or of the others."""
        every = (one.comparison for one in self.compared)
        return [one for one in every if one.filtered is filtered]


class ModelRun:
    """The comparison for one model, which goes on where it was stopped.

    Args:
        deck: the settings.
        model: the generator.
        source: it, or the structures of its files.
        parts: filters, relaxer and hull.
        store: of everything but the searches.
        folder: of the searches; ``None`` for memory.
    """

    def __init__(
        self,
        deck: SynergyDeck,
        model: Model,
        *,
        source: DeNovo | Sequence[Atoms],
        parts: Parts,
        store: Store,
        folder: Path | None,
    ) -> None:
        self.deck = deck
        self.model = model
        self.store = store
        self.folder = folder
        self.runner = TaskRunner(store, ThisProcess(), prepare=Price(parts.hull))
        self.candidates = Candidates(
            source,
            n=deck.generate,
            stages=parts.stages,
            relaxer=parts.relaxer,
            relax=parts.relax,
            seed=deck.seed,
            runner=self.runner,
            ahead=2 * deck.workers,
        )
        self._filtered: list[Atoms] = []
        self._raw: list[Atoms] = []
        self._compared: list[Compared] = []

    def irun(self) -> Iterator[StageProgress]:
        """Run step by step to the end; raises what :meth:`.discover.Discovery.irun` does."""
        try:
            with run_executor(carried(dict(self.deck)), "local", workers=self.deck.workers) as own:
                self.runner.executor = own
                yield from self._draw()
                yield from self.candidates.relax([*self._filtered, *self._raw])
        finally:
            self.runner.keep()
            self.runner.executor = ThisProcess()
        self._compared = []
        for filtered, drawn in ((True, self._filtered), (False, self._raw)):
            for atoms in drawn:
                for name in (SEEDED, UNSEEDED):
                    yield from self._search(name, atoms)
                self._compared.append(self._compare(atoms, filtered=filtered))

    def result(self) -> ModelResult:
        """What came of it; of a run that has ended."""
        return ModelResult(
            model=self.model,
            generated=len(self.candidates.judged),
            summary=self.candidates.summary,
            compared=tuple(self._compared),
            missing=self.deck.n // 2 - len(self._filtered),
        )

    def _draw(self) -> Iterator[StageProgress]:
        """Generate until there are enough compositions; the first ones are as good as drawn."""
        candidates, wanted = self.candidates, self.deck.n // 2
        for blocks in range(ROUND, candidates.blocks + ROUND, ROUND):
            yield from candidates.generate(blocks)
            yield from candidates.filter()
            self._raw = distinct(candidates.judged, self.deck.n - wanted)
            self._filtered = distinct(candidates.survivors, wanted, besides=self._raw)
            if len(self._raw) == self.deck.n - wanted and len(self._filtered) == wanted:
                return

    def _search(self, name: str, atoms: Atoms) -> Iterator[StageProgress]:
        """One of the two searches, unless the store has what came of it."""
        identity = str(atoms.info[records.STRUCTURE_ID])
        task = self._task(name, atoms)
        if self.store.get(task) is not None:
            return
        composition = Composition.of(atoms).reduced
        folder = None if self.folder is None else self.folder / f"{identity}-{name}"
        with open_seeded_search(
            self.deck,
            composition,
            sizes_of([atoms]),
            [atoms] if name == SEEDED else [],
            out=folder,
            in_memory=self.folder is None,
        ) as run:
            yield from watched(run, f"{self.model.text}, {composition.formula}, {name}")
            minima, start = kept_of(run)
        failures = dict(run.ledger.failures)
        self.store.finish_all(
            {
                task: Finished(structures=tuple(minima), failures=failures),
                self._task(f"start-{name}", atoms): Finished(structures=tuple(start), failures={}),
            }
        )

    def _compare(self, atoms: Atoms, *, filtered: bool) -> Compared:
        minima = {name: self._stored(name, atoms) for name in (SEEDED, UNSEEDED)}
        traces = {
            name: trace_of(found, self._stored(f"start-{name}", atoms))
            for name, found in minima.items()
        }
        identity = str(atoms.info[records.STRUCTURE_ID])
        generated = self.candidates.relaxed.get(identity)
        if generated is not None and records.failed(generated.info):
            generated = None
        lowest = [found[-1] for found in minima.values() if found]
        comparison = Comparison(
            model=self.model.text,
            filtered=filtered,
            formula=Composition.of(atoms).reduced.formula,
            structure_id=identity,
            generated=None if generated is None else _energy(generated),
            seeded=traces[SEEDED],
            unseeded=traces[UNSEEDED],
            unchanged=bool(lowest)
            and generated is not None
            and is_same(generated, min(lowest, key=_energy)),
            novelty=str(minima[SEEDED][-1].info.get(records.NOVELTY, "")) if minima[SEEDED] else "",
        )
        return Compared(comparison=comparison, generated=generated, minima=minima)

    def _stored(self, name: str, atoms: Atoms) -> tuple[Atoms, ...]:
        found = self.store.get(self._task(name, atoms))
        return () if found is None else found.structures

    def _task(self, name: str, atoms: Atoms) -> str:
        identity = str(atoms.info[records.STRUCTURE_ID])
        return f"{name}-{identity}-{self.deck.budget}-{self.deck.patience or 0}"


class Synergy:
    """The comparison for all models of a deck; make one with :func:`open_synergy`.

    Args:
        deck: the settings.
        parts: filters, relaxer and hull.
        sources: the generators, or the structures of their files, by model.
        manifests: what the run of each model is known by again.
        in_memory: write nothing.

    Attributes:
        results: of the models that are done.
    """

    def __init__(
        self,
        deck: SynergyDeck,
        *,
        parts: Parts,
        sources: Mapping[Model, DeNovo | Sequence[Atoms]],
        manifests: Mapping[Model, Manifest],
        in_memory: bool = False,
    ) -> None:
        self.deck = deck
        self.parts = parts
        self.sources = sources
        self.manifests = manifests
        self.in_memory = in_memory
        self.results: list[ModelResult] = []

    def irun(self) -> Iterator[StageProgress]:
        """Run step by step, one model after the other; raises as :meth:`ModelRun.irun`.

        Raises:
            StoreError: the folder of a model holds another run, or cannot be written.
        """
        self.results = []
        for model, source in self.sources.items():
            folder = None if self.in_memory else self.deck.folder / file_name(model.text)
            with self._store(model, folder) as store:
                run = ModelRun(
                    self.deck, model, source=source, parts=self.parts, store=store, folder=folder
                )
                yield from run.irun()
                self.results.append(run.result())

    def _store(self, model: Model, folder: Path | None) -> AbstractContextManager[Store]:
        if folder is None:
            return nullcontext(MemoryStore())
        return DiskStore(folder, self.manifests[model])


def open_synergy(deck: SynergyDeck, *, in_memory: bool = False) -> Synergy:
    """A comparison ready to begin or to go on; all errors of the inputs are found here.

    Args:
        deck: the settings.
        in_memory: write nothing.

    Raises:
        GencspError: as :func:`gencsp.runs.discover.open_discovery`.
    """
    parts = Parts.of(deck)
    models = dict.fromkeys(map(Model.read, deck.model))
    sources = {model: model.source(deck) for model in models}
    manifests = {
        model: candidate_manifest("synergy", deck, source, parts, n=deck.generate)
        for model, source in sources.items()
    }
    return Synergy(deck, parts=parts, sources=sources, manifests=manifests, in_memory=in_memory)


def synergy(
    deck: SynergyDeck | None = None,
    *,
    report: Callable[[StageProgress], None] | None = None,
    **settings: Any,
) -> list[ModelResult]:
    """Seeded against unseeded searches: ``synergy(model=["m_led=9"], n=40, patience=1500)``.

    With ``out`` every result is in that folder at once, and the same call goes on where an earlier
    one was stopped; without it nothing is written.

    Args:
        deck: whole settings; or give them one by one.
        report: called after each step.
        settings: fields of :class:`~gencsp.runs.discover_decks.SynergyDeck`, where each is
            described; beside a deck they take the place of what it says.

    Returns:
        What came of each model; :class:`gencsp.measure.synergy.Columns` makes the table of it.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`gencsp.runs.discover.open_discovery`.
    """
    if deck is not None and not isinstance(deck, SynergyDeck):
        raise WrongTypeError(
            f"the deck is a {type(deck).__name__}: give a SynergyDeck, or settings by name."
        )
    whole = SynergyDeck.make(**{**({} if deck is None else deck.given), **settings})
    run = open_synergy(whole, in_memory=whole.out is None)
    for step in run.irun():
        if report is not None:
            report(step)
    return run.results


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
    return minima, [portable(min(own, key=_energy))] if own else []


def trace_of(minima: Sequence[Atoms], start: Sequence[Atoms]) -> Trace:
    """The trace of a search from what is kept of it."""
    return Trace(
        trials=int(minima[0].info[records.TRIALS]) if minima else 0,
        minima=tuple((_trial(one), _energy(one)) for one in minima),
        lowest_start=_energy(start[0]) if start else None,
    )


def is_same(one: Atoms, other: Atoms) -> bool:
    """Whether two relaxed structures are the same crystal."""
    grouping = Grouping(same="close")
    for name, atoms in (("one", one), ("other", other)):
        grouping.add(name, atoms, _energy(atoms))
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


def _energy(atoms: Atoms) -> float:
    return float(atoms.info[records.ENTHALPY_PER_ATOM])
