"""Seeded against unseeded searches for one model, see :mod:`gencsp.runs.synergy`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.filters import Summary
from gencsp.measure.synergy import Comparison
from gencsp.proposers.targets import read_targets
from gencsp.runs.candidate_parts import Parts
from gencsp.runs.candidates import Candidates, Price, StageProgress
from gencsp.runs.discover_decks import SynergyDeck
from gencsp.runs.generators import DeNovo, read_given
from gencsp.runs.seeded import open_seeded_search, sizes_of, watched
from gencsp.runs.synergy_traces import distinct, energy_of, is_same, kept_of, trace_of
from gencsp.searches.runner import TaskRunner
from gencsp.store import Store
from gencsp.store.base import Finished

#: A model without targets.
PLAIN = "plain"
#: Blocks that are generated before the survivors are counted again.
ROUND = 4
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
            device=deck.device,
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
        executor: where all tasks run, those of the searches too.
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
        executor: Executor,
    ) -> None:
        self.deck = deck
        self.model = model
        self.store = store
        self.folder = folder
        self.runner = TaskRunner(store, executor, prepare=Price(parts.hull))
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
            yield from self._draw()
            yield from self.candidates.relax([*self._filtered, *self._raw])
        finally:
            # The executor goes on: without what nobody waits for any more.
            self.runner.cancel()
            self.runner.keep()
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
            executor=self.runner.executor,
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
            generated=None if generated is None else energy_of(generated),
            seeded=traces[SEEDED],
            unseeded=traces[UNSEEDED],
            unchanged=bool(lowest)
            and generated is not None
            and is_same(generated, min(lowest, key=energy_of)),
            novelty=str(minima[SEEDED][-1].info.get(records.NOVELTY, "")) if minima[SEEDED] else "",
        )
        return Compared(comparison=comparison, generated=generated, minima=minima)

    def _stored(self, name: str, atoms: Atoms) -> tuple[Atoms, ...]:
        found = self.store.get(self._task(name, atoms))
        return () if found is None else found.structures

    def _task(self, name: str, atoms: Atoms) -> str:
        identity = str(atoms.info[records.STRUCTURE_ID])
        return f"{name}-{identity}-{self.deck.budget}-{self.deck.patience or 0}"
