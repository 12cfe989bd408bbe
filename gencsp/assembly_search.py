"""Puts named parts together into searches: what ``gencsp search`` and the drivers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ase.cell import Cell

from gencsp.assembly import ChgnetRelaxer, EngineName, NamedProposer
from gencsp.composition import Composition
from gencsp.convex_hull import Hull
from gencsp.decks import SearchDeck
from gencsp.errors import RequestError
from gencsp.execute.named import open_executor
from gencsp.io import read_structures
from gencsp.proposers import Proposer, proposer_names
from gencsp.relax.settings import RelaxSettings
from gencsp.search.airss import AirssDeck, read_airss
from gencsp.search.basin_hopping import BasinHopping
from gencsp.search.books import Books
from gencsp.search.contracts import ProposerMaker
from gencsp.search.genetic import Genetic
from gencsp.search.loop import Search, SearchSettings, search_manifest
from gencsp.search.moves import Move, Tools, get_move
from gencsp.search.random_search import RandomSearch
from gencsp.search.running import Running
from gencsp.search.scatter import ScatterProposer
from gencsp.search.sources import ProposerSource, Source, Turns, pool_source
from gencsp.search.space import Space
from gencsp.search.stop import StopRules
from gencsp.search.trial import Strategy
from gencsp.search.worker import Bench
from gencsp.store import DiskStore
from gencsp.volume import predict_volume

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel

HOP_MOVES = (
    "rattle",
    "strain",
    "swap",
    "permute",
    "void",
    "slabs",
    "neighbour-group",
    "renoise",
    "repaint",
)
GENETIC_MOVES = (
    "heredity",
    "cut-and-splice",
    "crossover",
    "strain",
    "permute",
    "rattle",
    "neighbour-group",
)
#: A fixed cell may be emptier or fuller than the predicted volume by this factor.
CROWDING = 1.35


@dataclass(frozen=True, slots=True)
class ShippedScoreModel:
    """Makes the score model of a weights file; ``None`` for the one that ships with gencsp."""

    weights: Path | None = None

    def __call__(self) -> ScoreModel:
        from gencsp.diffusion.score_model import load_score_model

        return load_score_model(self.weights)


@dataclass(frozen=True, slots=True)
class Scatter:
    """Makes the proposer for fixed cells."""

    pairs: tuple[tuple[str, str, float], ...] = ()

    def __call__(self) -> Proposer:
        return ScatterProposer(pairs={(a, b): distance for a, b, distance in self.pairs})


#: Makes the strategy of a search from its settings and books.
StrategyMaker = Callable[[SearchSettings, Books], Strategy]


@contextmanager
def open_search(deck: SearchDeck, *, strategy: StrategyMaker | None = None) -> Iterator[Search]:
    """A search ready to run, or to go on: inputs checked, models found, folder claimed.

    Everything that can be wrong with the inputs is found before the folder is touched.

    Args:
        deck: the settings.
        strategy: makes a strategy of your own; ``None`` takes the one that the deck names.

    Raises:
        CompositionError, RequestError: settings that make no sense together.
        StructureFileError: a file of seeds, a cell or a target that cannot be read.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
        ExecutorError: the executor cannot start.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    settings = search_settings(deck)
    hull = search_hull(deck, settings.space)
    books = Books(
        hull=hull,
        live=hull if settings.space.variable else None,
        targets=() if deck.target is None else tuple(read_structures([deck.target])),
    )
    background = _background(deck, settings)
    seeds = _named_apart(
        [_source(text, deck, settings) for text in deck.seeds], taken={background.name}
    )
    if strategy is None:
        plan = _strategy(deck, settings, books, seeded=bool(seeds))
    else:
        plan = strategy(settings, books)
    model = ShippedScoreModel(deck.weights)
    with open_executor(deck.executor, workers=deck.workers) as executor:
        makers = [s.make for s in (*seeds, background) if isinstance(s, ProposerSource)]
        scored = any(get_move(name).needs_model for name in _move_names(deck)) or any(
            isinstance(make, NamedProposer) and make.name != "random" for make in makers
        )
        models = executor.submit(
            _identify_models, makers, model if scored else None, deck.engine
        ).result()
        hull.require_model(models["potential"])
        manifest = search_manifest(
            settings,
            plan,
            seeds,
            background,
            hull=hull.digest,
            **models,
        )
        with DiskStore(folder(deck), manifest) as store:
            yield Search(
                settings,
                strategy=plan,
                seeds=seeds,
                background=background,
                bench=Bench(
                    seed=settings.seed,
                    space=settings.space,
                    relaxer=ChgnetRelaxer(deck.engine),
                    relax=settings.relax,
                    tolerance=settings.tolerance,
                    tools=Tools(
                        score_model=model,
                        elements=settings.space.elements if settings.space.variable else (),
                        fixed_cell=settings.space.cell is not None,
                    ),
                    separations=settings.pairs or None,
                ),
                books=books,
                running=Running(store, executor, prepare=books.price),
                stop=stop_rules(deck),
            )


def folder(deck: SearchDeck) -> Path:
    """The folder of the run."""
    name = search_settings(deck).space.name
    return deck.out or Path("runs") / f"{name}-{deck.method}-{deck.seed}"


def stop_rules(deck: SearchDeck) -> StopRules:
    """When the search of a deck ends."""
    return StopRules(
        budget=deck.budget,
        seconds=None if deck.minutes is None else 60 * deck.minutes,
        patience=deck.patience,
    )


def search_settings(deck: SearchDeck) -> SearchSettings:
    """What a deck says about the search itself.

    Raises:
        CompositionError, RequestError, StructureFileError, DeckError: it makes no sense.
    """
    given = [deck.formula, deck.system, deck.airss]
    if sum(place is not None for place in given) != 1:
        raise RequestError("give one of a formula, a chemical system and an AIRSS deck.")
    airss = AirssDeck() if deck.airss is None else read_airss(deck.airss)
    pressure = deck.pressure if airss.pressure is None else airss.pressure
    space = _space(deck, airss, pressure)
    pairs = {**airss.separations(space.elements), **_pairs(deck.separations, space.elements)}
    return SearchSettings(
        space=space,
        seed=deck.seed,
        relax=RelaxSettings(
            fmax=deck.fmax,
            steps=deck.steps,
            pressure=pressure,
            fixed_cell=space.cell is not None,
            keep_symmetry=deck.keep_symmetry,
            minimiser=deck.minimiser,
        ),
        ahead=deck.ahead,
        batch=deck.batch,
        seed_share=deck.seed_share,
        volume_spread=deck.volume_spread,
        separations=tuple((a, b, distance) for (a, b), distance in sorted(pairs.items())),
    )


def search_hull(deck: SearchDeck, space: Space) -> Hull:
    """The hull of a deck, found to hold all that the space needs.

    Raises:
        HullReferenceError: no reference for an element.
        RequestError: a chemical system under pressure, with references at none.
    """
    if space.variable and space.pressure != 0 and deck.hull is None:
        raise RequestError(
            "enthalpies of different compositions compare on a hull at their own pressure alone: "
            "give its entries with --hull, or search one composition."
        )
    hull = Hull.load(deck.hull)
    whole = Composition(tuple((symbol, 1) for symbol in space.elements))
    hull.decomposition_energy(whole, 0.0)
    return hull


def _space(deck: SearchDeck, airss: AirssDeck, pressure: float) -> Space:
    volume = deck.volume or airss.volume_per_atom
    groups = deck.space_groups or airss.space_groups
    elements = airss.elements if airss.composition is None else ()
    if deck.system is not None or elements:
        if deck.cell is not None or deck.units is not None:
            raise RequestError("a chemical system has no one cell and no one formula unit.")
        return Space.system(
            elements or tuple((deck.system or "").split("-")),
            min_atoms=airss.min_atoms or 2,
            max_atoms=airss.max_atoms or deck.atoms,
            volume_per_atom=volume,
            space_groups=groups,
            pressure=pressure,
        )
    composition = airss.composition or Composition.parse(deck.formula or "")
    cell = None if deck.cell is None else read_structures([deck.cell])[0].cell
    units = deck.units or airss.units
    if units is None:
        units = tuple(composition.reduced.units_within(deck.atoms))
        if cell is not None:
            units = _units_that_fill(composition.reduced, cell, units)
    return Space.fixed(
        composition,
        units=units,
        cell=cell,
        volume_per_atom=volume,
        space_groups=groups,
        pressure=pressure,
    )


def _units_that_fill(
    composition: Composition, cell: Cell, units: tuple[int, ...]
) -> tuple[int, ...]:
    """Numbers of formula units that bring a cell near the predicted volume."""
    wanted = predict_volume(composition).value * composition.size
    near = tuple(u for u in units if 1 / CROWDING < cell.volume / (wanted * u) < CROWDING)
    if not near:
        raise RequestError(
            f"a cell of {cell.volume:.0f} Å³ holds no whole number of {composition} at a likely "
            f"volume ({wanted:.0f} Å³ each): name the formula units, or allow more atoms."
        )
    return near


def _pairs(texts: dict[str, float], elements: tuple[str, ...]) -> dict[tuple[str, str], float]:
    pairs = {}
    for text, distance in texts.items():
        names = text.split("-")
        if len(names) != 2 or not set(names) <= set(elements) or not distance > 0:
            raise RequestError(
                f"'{text}' = {distance} is not the separation of two elements of this search: "
                f"write Si-O = 1.5, in Å."
            )
        one, other = sorted(names)
        pairs[one, other] = float(distance)
    return pairs


def _source(text: str, deck: SearchDeck, settings: SearchSettings) -> Source:
    name, weight = text, 1.0
    before, colon, after = text.rpartition(":")
    if colon and after.replace(".", "", 1).isdigit():
        name, weight = before, float(after)
    if not weight > 0:
        raise RequestError(f"the weight of the seeds '{name}' is {weight}: give one above zero.")
    if name in proposer_names():
        if name == "pool":
            raise RequestError("name the files of a pool instead of 'pool'.")
        return ProposerSource(name=name, make=_proposer(name, deck, settings), weight=weight)
    path = Path(name)
    if not path.exists():
        raise RequestError(
            f"'{name}' is neither a file nor a proposer: proposers are "
            f"{', '.join(proposer_names())}."
        )
    return pool_source(
        path.stem,
        read_structures([path]),
        settings.space,
        seed=settings.seed,
        separations=settings.pairs or None,
        weight=weight,
    )


def _named_apart(sources: list[Source], *, taken: set[str]) -> tuple[Source, ...]:
    """The same sources, those of one name told apart by a number."""
    apart = []
    for source in sources:
        name, number = source.name, 2
        while name in taken:
            name, number = f"{source.name}{number}", number + 1
        taken.add(name)
        apart.append(replace(source, name=name))
    return tuple(apart)


def _background(deck: SearchDeck, settings: SearchSettings) -> ProposerSource:
    if settings.space.cell is not None and deck.background == "random":
        return ProposerSource(name="scatter", make=Scatter(settings.separations))
    make = _proposer(deck.background, deck, settings)
    return ProposerSource(name=deck.background, make=make)


def _proposer(name: str, deck: SearchDeck, settings: SearchSettings) -> NamedProposer:
    return NamedProposer(name, deck.weights, settings.separations, settings.volume_spread)


def _move_names(deck: SearchDeck) -> tuple[str, ...]:
    if deck.method == "random":
        return ("rattle",)
    if deck.moves is not None:
        return deck.moves
    own = HOP_MOVES if deck.method == "hop" else GENETIC_MOVES
    return (*own, "transmute") if deck.system is not None else own


def _moves(deck: SearchDeck, settings: SearchSettings) -> list[Move]:
    """The moves of a deck that can honour a fixed cell and a fixed composition, where they are."""
    moves = [get_move(name) for name in _move_names(deck)]
    most = 1 if deck.method == "hop" else 2
    for move in moves:
        if move.n_parents > most:
            raise RequestError(f"'{move.name}' needs {move.n_parents} parents: use 'genetic'.")
    able = [
        move
        for move in moves
        if (move.keeps_cell or settings.space.cell is None)
        and (move.keeps_counts or settings.space.variable)
    ]
    if not able:
        raise RequestError("no move is left that this search can make: name others with --moves.")
    return able


def _strategy(
    deck: SearchDeck, settings: SearchSettings, books: Books, *, seeded: bool
) -> Strategy:
    turns = Turns(share=settings.seed_share, seeded=seeded)
    if deck.method == "random":
        return RandomSearch(turns=turns, shakes=deck.shakes)
    moves = _moves(deck, settings)
    if deck.method == "hop":
        return BasinHopping(moves=moves, turns=turns, walkers=settings.ahead)
    return Genetic(moves=moves, turns=turns, fitness=books.fitness, size=deck.population)


def _identify_models(
    makers: list[ProposerMaker], model: ShippedScoreModel | None, engine: EngineName
) -> dict[str, str]:
    """Load the models once, in a worker, and say which they are."""
    from gencsp.engine.select import get_engine

    for make in makers:
        make()
    potential = get_engine(engine)
    return {
        "score_model": "" if model is None else model().digest,
        "engine": potential.name,
        "potential": potential.model,
        "potential_digest": potential.digest,
    }
