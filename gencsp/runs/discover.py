"""Generation, filters, relaxation and searches in one run (PIGEN, Fig. 5c).

Crystals are generated de novo, filtered, relaxed; those near the hull seed a search of their
composition each; what comes out is ranked by its distance to the hull and by what is new about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import WrongTypeError
from gencsp.runs.candidate_parts import Parts, candidate_manifest
from gencsp.runs.candidates import Candidates, Price, StageProgress
from gencsp.runs.discover_decks import DiscoverDeck
from gencsp.runs.discovered import Discovered, Survivors, above_hull, by_composition
from gencsp.runs.generators import DeNovo, read_given
from gencsp.runs.novelty import KNOWN, NOVELTIES, judge_novelty, write_novelty
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.runs.seeded import SEEDS, open_seeded_search, sizes_of, watched
from gencsp.searches.loop import Search
from gencsp.searches.runner import TaskRunner
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Finished, portable

#: Crystals that are listed of the search of a composition, the lowest of those near the hull.
LISTED = 5


class Discovery:
    """One run, which goes on where it was stopped.

    Args:
        deck: the settings.
        parts: generator, relaxer and hull.
        source: what generates, or structures of files.
        store: where everything before the searches is kept, and what they came to.
        folder: where the searches are kept; ``None`` for memory.
        executor: where all tasks run, those of the searches too.
    """

    def __init__(
        self,
        deck: DiscoverDeck,
        *,
        parts: Parts,
        source: DeNovo | Sequence[Atoms],
        store: Store,
        folder: Path | None,
        executor: Executor,
    ) -> None:
        self.deck = deck
        self.parts = parts
        self.store = store
        self.folder = folder
        self.runner = TaskRunner(store, executor, prepare=Price(parts.hull))
        self.candidates = Candidates(
            source,
            n=deck.n,
            stages=parts.stages,
            relaxer=parts.relaxer,
            relax=parts.relax,
            seed=deck.seed,
            runner=self.runner,
            ahead=2 * deck.workers,
        )
        self._near: list[Atoms] = []
        self._chosen: tuple[Survivors, ...] = ()
        self._found: dict[str, tuple[Atoms, ...]] = {}

    def irun(self) -> Iterator[StageProgress]:
        """Run step by step to the end.

        Raises:
            GencspError: a store that cannot be written, workers that were lost, and as
                :func:`gencsp.runs.search.open_search`.
        """
        try:
            yield from self._prepare()
        finally:
            # The executor goes on: without what nobody waits for any more.
            self.runner.cancel()
            self.runner.keep()
        for chosen in self._chosen:
            yield from self._search(chosen)

    def result(self) -> Discovered:
        """What the run came to; of a run that has ended."""
        relaxed = [one for one in self.candidates.relaxed.values() if one is not None]
        converged = [one for one in relaxed if not records.failed(one.info)]
        summary = self.candidates.summary
        funnel = [("generated", len(self.candidates.judged))]
        funnel += [(stage.name, stage.in_sequence) for stage in summary.stages]
        funnel += [
            ("relaxed", len(converged)),
            (f"within {1000 * self.deck.within:g} meV/atom", len(self._near)),
            ("compositions of these", len(by_composition(self._near))),
            ("compositions searched", len(self._chosen)),
        ]
        taken = {str(chosen.composition.formula_key) for chosen in self._chosen}
        others = [one for one in self._near if Composition.of(one).formula_key not in taken]
        crystals = [*others, *(one for found in self._found.values() for one in found)]
        return Discovered(
            deck=self.deck,
            funnel=tuple(funnel),
            summary=summary,
            searched=self._chosen,
            crystals=tuple(sorted(map(portable, crystals), key=self._order)),
            failures=dict(self.candidates.failures),
        )

    def _prepare(self) -> Iterator[StageProgress]:
        candidates = self.candidates
        yield from candidates.generate()
        yield from candidates.filter()
        yield from candidates.relax(candidates.survivors)
        relaxed = [one for one in candidates.relaxed.values() if one is not None]
        near = sorted(filter(self._is_near, relaxed), key=above_hull)
        self._near = []
        for step, structures in candidates.assess("novelty", near, judge_novelty):
            for one in structures:
                one.info |= {records.TRIALS: 0, records.UNCHANGED: True}
            self._near += structures
            yield step
        self._chosen = by_composition(self._near)[: self.deck.top]

    def _search(self, chosen: Survivors) -> Iterator[StageProgress]:
        """Search a composition, unless the store has what came of it."""
        formula = chosen.composition.formula
        task = f"found-{formula}-{self.deck.budget}-{self.deck.patience or 0}"
        kept = self.store.get(task)
        if kept is None:
            folder = None if self.folder is None else self.folder / "searches" / formula
            with open_seeded_search(
                self.deck,
                chosen.composition,
                sizes_of(chosen.structures),
                chosen.structures,
                out=folder,
                in_memory=self.folder is None,
                same=self.deck.same,
                executor=self.runner.executor,
            ) as run:
                yield from watched(run, formula)
                kept = Finished(structures=self._listed(run, formula))
            self.store.finish(task, kept)
        self._found[formula] = kept.structures

    def _listed(self, run: Search, formula: str) -> tuple[Atoms, ...]:
        """The lowest crystals of a finished search, with what is new about them."""
        ranked = run.ranking()
        seeds = {
            str(one.info.get(records.DUPLICATE_OF) or one.info[records.STRUCTURE_ID])
            for one in ranked
            if one.info.get(records.MOVE) == SEEDS
        }
        crystals = [one for one in ranked if not one.info.get(records.DUPLICATE_OF)]
        near = [one for place, one in enumerate(crystals) if not place or self._is_near(one)]
        listed = []
        for one in near[:LISTED]:
            own = write_novelty(portable(one))
            own.info[records.TRIALS] = len(run.results)
            own.info[records.UNCHANGED] = str(one.info[records.STRUCTURE_ID]) in seeds
            listed.append(_of_search(own, formula))
        return tuple(listed)

    def _is_near(self, atoms: Atoms) -> bool:
        above = records.above_hull(atoms.info)
        failed = records.failed(atoms.info)
        return not failed and above is not None and above <= self.deck.within

    def _order(self, atoms: Atoms) -> tuple[bool, int, float, str]:
        novelty = NOVELTIES.index(str(atoms.info.get(records.NOVELTY, KNOWN)))
        identity = str(atoms.info[records.STRUCTURE_ID])
        return not self._is_near(atoms), novelty, above_hull(atoms), identity


@contextmanager
def open_discovery(
    deck: DiscoverDeck, *, in_memory: bool = False, executor: Executor | None = None
) -> Iterator[Discovery]:
    """A run ready to begin or to go on: inputs are checked, models found, the folder locked.

    All errors of the inputs are found before anything is written to the folder.

    Args:
        deck: the settings.
        in_memory: write nothing, whatever the deck says of a folder.
        executor: where tasks run, which the caller opens and closes; ``None`` opens local
            processes.

    Raises:
        RequestError: a target, element, filter or generator that is not known.
        StructureFileError: a file of the pool, or the hull, cannot be read.
        WeightsError, EngineError, PotentialError, HullReferenceError: a model or a reference is
            missing, or was not made for one of the elements.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    if deck.pool:
        source: DeNovo | list[Atoms] = read_given(deck.pool, deck.n)
    else:
        source = DeNovo.of(
            deck.proposer,
            deck.target,
            guidance=deck.guidance,
            elements=deck.elements,
            atoms=deck.atoms,
            weights=deck.weights,
            device=deck.device,
        )
    parts = Parts.of(deck)
    folder = None if in_memory else deck.folder
    with run_executor(carried(dict(deck)), "local", workers=deck.workers, opened=executor) as own:
        manifest = candidate_manifest("discover", deck, source, parts, n=deck.n, executor=own)
        with nullcontext(MemoryStore()) if folder is None else DiskStore(folder, manifest) as store:
            yield Discovery(
                deck, parts=parts, source=source, store=store, folder=folder, executor=own
            )


def discover(
    deck: DiscoverDeck | None = None,
    *,
    report: Callable[[StageProgress], None] | None = None,
    **settings: Any,
) -> Discovered:
    """Generate, filter, relax, search, rank: ``discover(elements=["Li", "Nb", "N"], n=1000)``.

    The workflow of PIGEN's Fig. 5c. With ``out`` every result is in that folder at once, and the
    same call goes on where an earlier one was stopped, or with a larger budget; without it nothing
    is written.

    Args:
        deck: whole settings; or give them one by one.
        report: called after each step.
        settings: fields of :class:`~gencsp.runs.discover_decks.DiscoverDeck`, where each is
            described; beside a deck they take the place of what it says.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`gencsp.runs.discover.open_discovery`.
    """
    if deck is not None and not isinstance(deck, DiscoverDeck):
        raise WrongTypeError(
            f"the deck is a {type(deck).__name__}: give a DiscoverDeck, or settings by name."
        )
    whole = DiscoverDeck.make(**{**({} if deck is None else deck.given), **settings})
    with open_discovery(whole, in_memory=whole.out is None) as run:
        for step in run.irun():
            if report is not None:
                report(step)
        return run.result()


def _of_search(atoms: Atoms, formula: str) -> Atoms:
    """With ids that no other search has, and the survivors under their ids in this run."""
    info = atoms.info
    parents = []
    for parent in str(info.get(records.PARENTS, "")).split(";"):
        pool, colon, own = parent.partition(f"{SEEDS}:")
        parents.append(own if colon and not pool else parent and f"{formula}:{parent}")
    info[records.STRUCTURE_ID] = f"{formula}:{info[records.STRUCTURE_ID]}"
    info[records.PARENTS] = ";".join(parents)
    return atoms
