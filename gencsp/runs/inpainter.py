"""What puts the guests back, from a deck that has the settings of a sampler."""

from __future__ import annotations

from gencsp.proposers.registry import require_inpainter
from gencsp.proposers.sampling import deck_sampler
from gencsp.runs.decks import CycleDeck
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedProposer
from gencsp.runs.pool_decks import RefineDeck


def inpainter_of(deck: CycleDeck | RefineDeck) -> NamedProposer:
    """The maker of the proposer that completes frameworks.

    Raises:
        RequestError, DeckError: as :func:`gencsp.proposers.sampling.deck_sampler`, or an inpainter
            that is not known, or has other options.
        InpainterError: it makes whole crystals alone.
    """
    inpainter = NamedProposer(
        chosen(deck.inpainter), deck.weights, sampler=deck_sampler(deck), device=deck.device
    )
    require_inpainter(inpainter.given)
    return inpainter
