"""The strategy that a deck names, and the moves that it names with it."""

from __future__ import annotations

from gencsp.decks import SearchDeck
from gencsp.search.books import Books
from gencsp.search.loop import SearchSettings
from gencsp.search.moves import MOVES
from gencsp.search.sources import Turns
from gencsp.search.strategy import STRATEGIES, StrategyContext
from gencsp.search.trial import Strategy


def strategy_context(deck: SearchDeck, settings: SearchSettings, books: Books) -> StrategyContext:
    """What the search of a deck provides to its strategy.

    Raises:
        RequestError, DeckError: there is no such move, or it has no such option.
    """
    return StrategyContext(
        settings=settings,
        books=books,
        turns=Turns(share=settings.seed_share, seeded=bool(deck.seeds)),
        moves=None if deck.moves is None else tuple(map(MOVES.make, deck.moves)),
    )


def named_strategy(deck: SearchDeck, context: StrategyContext) -> Strategy:
    """The strategy that a deck names, with its options.

    Raises:
        RequestError, DeckError: there is none of this name, it has no such option, or no move is
            left for it.
    """
    return STRATEGIES.make(deck.method, context=context)
