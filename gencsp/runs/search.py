"""Opens a search from a deck, for ``gencsp search`` and the drivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from gencsp.convex_hull.diagram import load_diagrams
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import RequestError
from gencsp.io.structures import read_structures
from gencsp.minimise.watching import PathFolder
from gencsp.plugins import Choice
from gencsp.potentials.base import identity, require_elements
from gencsp.powder.kept import keep_pattern
from gencsp.proposers.registry import maker_class
from gencsp.proposers.sampling import deck_sampler, sampler_manifest
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import NO_HULL, Carried, carried, chosen
from gencsp.runs.parts import (
    NamedProposer,
    NamedRelaxer,
    ShippedScoreModel,
    require_weights,
    run_executor,
)
from gencsp.runs.patterns import pattern_of
from gencsp.runs.references import likely_volume, optional_hull_at
from gencsp.runs.settings import folder, save_deck, search_settings, stop_rules
from gencsp.runs.starts import background_source, seed_sources
from gencsp.runs.strategies import named_strategy, strategy_context
from gencsp.runs.trust import remember
from gencsp.searches.contracts import Maker, ProposerMaker
from gencsp.searches.ledger import Ledger
from gencsp.searches.loop import Search
from gencsp.searches.moves import MOVES, ConfiguredMove, Move, Tools
from gencsp.searches.moves.base import OwnModel
from gencsp.searches.runner import TaskRunner
from gencsp.searches.settings import SearchSettings, search_manifest
from gencsp.searches.space import Space
from gencsp.searches.starts import ProposerStarts, StartSource
from gencsp.searches.strategy import StrategyMaker
from gencsp.searches.trial import Strategy
from gencsp.searches.worker import TrialContext
from gencsp.store import DiskStore, Manifest, MemoryStore, Store

#: Where paths of relaxations are, in the folder of the run.
PATHS = "paths"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A search put together from its deck, before it has a store and an executor.

    Attributes:
        deck: the settings.
        settings: what the deck says about the search itself.
        hull: the references; in a chemical system it grows with the search. ``None`` where energies
            alone are to be compared.
        ledger: judges the results.
        seeds: sources of seed structures.
        background: the proposer of the other structures without parents.
        strategy: decides what is tried.
    """

    deck: SearchDeck
    settings: SearchSettings
    hull: Hull | None
    ledger: Ledger
    seeds: tuple[StartSource, ...]
    background: ProposerStarts
    strategy: Strategy

    @classmethod
    def of(
        cls,
        deck: SearchDeck,
        *,
        strategy: StrategyMaker | None = None,
        on_reference: ReferenceReport | None = None,
    ) -> Self:
        """Load all parts that a deck names; raises what :func:`open_search` does."""
        settings = search_settings(deck)
        for name in deck.moves or ():
            # Also where this method uses no moves, so that a misspelt name is reported.
            MOVES.configure(name)
        require_weights(deck.weights)
        hull = search_hull(deck, settings.space, on_reference=on_reference)
        settings = _at_pressure(settings, hull)
        ledger = Ledger(
            hull=hull,
            live=hull if settings.space.variable else None,
            targets=() if deck.target is None else tuple(read_structures([deck.target])),
            pattern=pattern_of(deck, settings.space.elements),
            pattern_weight=deck.xrd_weight,
        )
        background = background_source(deck, settings)
        seeds = seed_sources(deck, settings, background)
        context = strategy_context(deck, settings, ledger)
        return cls(
            deck=deck,
            settings=settings,
            hull=hull,
            ledger=ledger,
            seeds=seeds,
            background=background,
            strategy=named_strategy(deck, context) if strategy is None else strategy(context),
        )

    def check_models(self, executor: Executor) -> Manifest:
        """The manifest of the run; its models are loaded once in a worker, for their names.

        Raises:
            WeightsError, EngineError, HullReferenceError: a model is missing, or another one made
                the references.
            PotentialError: the potential was not made for one of the elements.
        """
        sources = (*self.seeds, self.background)
        makers = [source.make for source in sources if isinstance(source, ProposerStarts)]
        scored = any(move.needs_model for move in self.strategy.moves.values()) or any(
            isinstance(make, NamedProposer)
            and not isinstance(make.name, Carried)
            and maker_class(make.name).needs_model
            for make in makers
        )
        model = ShippedScoreModel(self.deck.weights, self.deck.device) if scored else None
        relaxer = NamedRelaxer(self.deck.engine, chosen(self.deck.potential), self.deck.device)
        elements = self.settings.space.elements
        own = own_models(self.strategy.moves)
        identified = executor.submit(_identify_models, makers, model, relaxer, elements, own)
        if self.hull is not None:
            load_diagrams()
        models = identified.result()
        if self.hull is not None:
            self.hull.require_model(models["potential"])
        return search_manifest(
            self.settings,
            self.strategy,
            self.seeds,
            self.background,
            hull=NO_HULL if self.hull is None else self.hull.digest,
            options=_own_options([*makers, relaxer]),
            preset=self.deck.preset,
            **self._pattern(),
            **sampler_manifest(deck_sampler(self.deck)),
            **models,
        )

    def _pattern(self) -> dict[str, str | float]:
        """What names the measured pattern in the manifest; nothing where there is none."""
        compared = self.ledger.pattern
        if compared is None:
            return {}
        return {"xrd": compared.pattern.digest, "xrd_weight": self.ledger.pattern_weight}

    def context(self) -> TrialContext:
        """What workers need to carry out its trials."""
        space = self.settings.space
        return TrialContext(
            seed=self.settings.seed,
            space=space,
            relaxer=NamedRelaxer(self.deck.engine, chosen(self.deck.potential), self.deck.device),
            relax=self.settings.relax,
            rattle=self.settings.rattle,
            tolerance=self.settings.tolerance,
            tools=Tools(
                score_model=ShippedScoreModel(self.deck.weights, self.deck.device),
                device=self.deck.device,
                elements=space.free_elements,
                fixed_cell=space.cell is not None,
            ),
            separations=self.settings.separations,
            keep_paths=self.deck.keep_paths,
        )

    def search(self, store: Store, executor: Executor) -> Search:
        """The search, ready to run."""
        paths = PathFolder(folder(self.deck) / PATHS) if self.deck.keep_paths else None
        return Search(
            self.settings,
            strategy=self.strategy,
            seeds=self.seeds,
            background=self.background,
            context=self.context(),
            ledger=self.ledger,
            runner=TaskRunner(
                store,
                executor,
                prepare=self.ledger.price,
                keep_path=None if paths is None else paths.keep,
            ),
            stop=stop_rules(self.deck),
            same=self.deck.same,
        )


@contextmanager
def open_search(
    deck: SearchDeck,
    *,
    strategy: StrategyMaker | None = None,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[Search]:
    """A search ready to run or to continue: inputs are checked, models found, the folder locked.

    All errors of the inputs are found before anything is written to the folder.

    Args:
        deck: the settings.
        strategy: makes a strategy of your own; ``None`` takes the one that the deck names.
        in_memory: write nothing, whatever the deck says of a folder.
        on_reference: called with how many hull references were relaxed at the pressure of the
            search, and of how many; they are kept for later searches.
        executor: where tasks run, which the caller opens and closes; ``None`` opens the one that
            the deck names.

    Raises:
        CompositionError, RequestError: settings are invalid or contradict each other.
        StructureFileError: a file of seeds, a cell or a target cannot be read.
        WeightsError, EngineError, HullReferenceError: a model or a reference is missing.
        ExecutorError: the executor cannot start.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    if in_memory and deck.keep_paths:
        raise RequestError("paths are kept in the folder of the run: give 'out'.")
    plan = Plan.of(deck, strategy=strategy, on_reference=on_reference)
    with run_executor(
        carried(dict(deck)), deck.executor, workers=deck.workers, opened=executor
    ) as tasks:
        manifest = plan.check_models(tasks)
        if in_memory:
            yield plan.search(MemoryStore(), tasks)
            return
        where = folder(deck)
        with DiskStore(where, manifest) as store:
            save_deck(deck, where)
            if plan.ledger.pattern is not None:
                keep_pattern(plan.ledger.pattern.pattern, where)
            remember(deck)
            yield plan.search(store, tasks)


def search_hull(
    deck: SearchDeck, space: Space, *, on_reference: ReferenceReport | None = None
) -> Hull | None:
    """The hull of a deck, checked to hold a reference for every element of the space.

    Raises:
        HullReferenceError: no reference for an element, or references at another pressure.
        RequestError: a chemical system without any references.
    """
    if deck.hull == NO_HULL and space.variable:
        raise RequestError(
            f"without a hull only energies of one composition compare: give a formula, or make "
            f"references with 'gencsp references {'-'.join(space.elements)} --potential ...' for "
            f"--hull."
        )
    relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
    hull = optional_hull_at(
        space.pressure,
        deck.hull,
        [space.elements],
        relaxer.potential,
        relaxer.load,
        workers=deck.workers,
        report=on_reference,
    )
    if hull is not None:
        hull.require_elements(space.elements)
    return hull


def _at_pressure(settings: SearchSettings, hull: Hull | None) -> SearchSettings:
    """Settings with the volume of proposals that the references make likely.

    Without references, and in a chemical system, where each composition has its own, proposers
    predict it.
    """
    space = settings.space
    given = space.cell is not None or space.volume_per_atom is not None
    if hull is None or given or space.variable or not space.pressure:
        return settings
    volume = likely_volume(hull, space.compositions[0][0])
    return replace(settings, space=replace(space, volume_per_atom=volume))


def _own_options(makers: Sequence[object]) -> str | None:
    """Options given with the names of parts, for the manifest; ``None`` where there are none."""
    names = [
        getattr(make, "name", None) or getattr(make, "potential", None)
        for make in makers
        # A potential that is an object says by its model and digest which one it is.
        if not isinstance(getattr(make, "potential", None), Carried)
    ]
    texts = [
        str(one)
        for one in names
        if isinstance(one, Carried) or (isinstance(one, Choice) and one.settings != "{}")
    ]
    return "; ".join(texts) or None


def own_models(moves: Mapping[str, Move]) -> dict[str, Maker[OwnModel]]:
    """What makes the models that moves have beside the score model, by the names of the moves."""
    makers = {
        name: move.own_model() for name, move in moves.items() if isinstance(move, ConfiguredMove)
    }
    return {name: make for name, make in makers.items() if make is not None}


def _identify_models(
    makers: list[ProposerMaker],
    model: ShippedScoreModel | None,
    relaxer: NamedRelaxer,
    elements: tuple[str, ...],
    own: dict[str, Maker[OwnModel]],
) -> dict[str, str]:
    """Names and hashes of the models, which are loaded once in a worker to find them.

    Those that moves have beside the score model are ``own``, by the names of the moves.
    """
    for make in makers:
        make()
    potential = relaxer.load()
    require_elements(potential, elements)
    digests = "; ".join(f"{name} {make().digest}" for name, make in own.items())
    return {
        "score_model": "" if model is None else model().digest,
        **identity(potential),
        **({"move_models": digests} if digests else {}),
    }
