"""The strategy that a deck names, and the moves that it names with it."""

from __future__ import annotations

from gencsp.runs.decks import SearchDeck
from gencsp.runs.units import seeds_of
from gencsp.searches.ledger import Ledger
from gencsp.searches.moves import MOVES
from gencsp.searches.settings import SearchSettings
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.strategy import STRATEGIES, StrategyContext
from gencsp.searches.trial import Strategy


def strategy_context(deck: SearchDeck, settings: SearchSettings, ledger: Ledger) -> StrategyContext:
    """What the search of a deck provides to its strategy.

    Raises:
        RequestError, DeckError: there is no such move, or it has no such option.
    """
    return StrategyContext(
        settings=settings,
        ledger=ledger,
        schedule=SeedSchedule(share=settings.seed_share, seeded=bool(seeds_of(deck))),
        moves=None if deck.moves is None else tuple(map(MOVES.make, deck.moves)),
    )


def named_strategy(deck: SearchDeck, context: StrategyContext) -> Strategy:
    """The strategy that a deck names, with its options.

    Raises:
        RequestError, DeckError: there is none of this name, it has no such option, or no move is
            left for it.
    """
    return STRATEGIES.make(deck.method, context=context)
