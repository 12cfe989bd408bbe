"""Strategies by name: ours, and third parties' through the entry points ``gencsp.strategies``.

An entry point names a :data:`StrategyMaker`: called with the settings of the search and its books,
it returns a :class:`~gencsp.search.trial.Strategy`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points

from gencsp.decks import SearchDeck
from gencsp.errors import RequestError
from gencsp.search.basin_hopping import BasinHopping
from gencsp.search.books import Books
from gencsp.search.genetic import Genetic
from gencsp.search.loop import SearchSettings
from gencsp.search.moves import Move, get_move
from gencsp.search.random_search import RandomSearch
from gencsp.search.sources import Turns
from gencsp.search.trial import Strategy

GROUP = "gencsp.strategies"

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

#: Makes the strategy of a search from its settings and books.
StrategyMaker = Callable[[SearchSettings, Books], Strategy]


def strategy_names() -> tuple[str, ...]:
    """Names of all strategies that are installed, ours first."""
    theirs = {point.name for point in entry_points(group=GROUP)}
    return (*_OURS, *sorted(theirs - _OURS.keys()))


def named_strategy(deck: SearchDeck) -> StrategyMaker:
    """The maker of the strategy that a deck names.

    Raises:
        RequestError: there is none of this name.
    """
    if deck.method in _OURS:
        return partial(_OURS[deck.method], deck)
    for point in entry_points(group=GROUP, name=deck.method):
        theirs: StrategyMaker = point.load()
        return theirs
    raise RequestError(
        f"there is no method '{deck.method}': choose from {', '.join(strategy_names())}."
    )


def move_names(deck: SearchDeck) -> tuple[str, ...]:
    """The moves that a deck names, or its method has unless told otherwise."""
    if deck.method == "random":
        return ("rattle",)
    if deck.moves is not None:
        return deck.moves
    own = {"hop": HOP_MOVES, "genetic": GENETIC_MOVES}.get(deck.method, ())
    return (*own, "transmute") if own and deck.system is not None else own


def _random(deck: SearchDeck, settings: SearchSettings, _books: Books) -> Strategy:
    return RandomSearch(turns=_turns(deck, settings), shakes=deck.shakes)


def _hop(deck: SearchDeck, settings: SearchSettings, _books: Books) -> Strategy:
    moves = _moves(deck, settings)
    return BasinHopping(moves=moves, turns=_turns(deck, settings), walkers=settings.ahead)


def _genetic(deck: SearchDeck, settings: SearchSettings, books: Books) -> Strategy:
    return Genetic(
        moves=_moves(deck, settings),
        turns=_turns(deck, settings),
        fitness=books.fitness,
        size=deck.population,
    )


_OURS: dict[str, Callable[[SearchDeck, SearchSettings, Books], Strategy]] = {
    "random": _random,
    "hop": _hop,
    "genetic": _genetic,
}


def _turns(deck: SearchDeck, settings: SearchSettings) -> Turns:
    return Turns(share=settings.seed_share, seeded=bool(deck.seeds))


def _moves(deck: SearchDeck, settings: SearchSettings) -> list[Move]:
    """The moves of a deck that can honour a fixed cell and a fixed composition, where they are."""
    moves = [get_move(name) for name in move_names(deck)]
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
