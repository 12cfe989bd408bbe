"""Searches and cycles as one call, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from gencsp.convex_hull.end_members import is_system
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.deck import Deck
from gencsp.errors import RequestError, WrongTypeError
from gencsp.records import StructureList
from gencsp.runs.cycle import open_cycle
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.host_cycle import open_host_cycle, plan_host_cycle
from gencsp.runs.search import open_search
from gencsp.runs.system_cycle import open_system_cycle
from gencsp.searches.cycle import Cycle
from gencsp.searches.progress import CycleProgress, SearchProgress
from gencsp.searches.strategy import StrategyMaker
from gencsp.searches.system_cycle import SystemCycle

D = TypeVar("D", bound=Deck)


def search(
    place: str | SearchDeck | None = None,
    *,
    strategy: StrategyMaker | None = None,
    report: Callable[[SearchProgress], None] | None = None,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> StructureList:
    """Random search, basin hopping or genetic search: ``search("TiO2", method="hop", budget=50)``.

    With ``out`` every result is in that folder at once, and the same call goes on where an earlier
    one was stopped, or with a larger budget; without it nothing is written.

    Args:
        place: a formula such as "TiO2", a system such as "Ti-O" or "ZnS-P2S5", or a whole deck.
        strategy: makes a strategy of your own; ``None`` takes the one that ``method`` names.
        report: called after each trial.
        on_reference: called with how many hull references were relaxed at the pressure of the run,
            and of how many.
        settings: fields of :class:`~gencsp.runs.decks.SearchDeck`, where each is described; beside
            a deck they take the place of what it says.

    Returns:
        The structures that converged, best first; ``duplicate_of`` in ``info`` marks those that
        are the same crystal as a better one, and ``copies`` says of the others how many there are;
        ``same`` says what counts as the same.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`gencsp.runs.search.open_search`.
    """
    deck = deck_of_place(SearchDeck, place, settings)
    with open_search(
        deck, strategy=strategy, in_memory=deck.out is None, on_reference=on_reference
    ) as run:
        for progress in run.irun():
            if report is not None:
                report(progress)
        return StructureList(run.ranking())


def cycle(
    formula: str | CycleDeck | None = None,
    *,
    report: Callable[[CycleProgress], None] | None = None,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> StructureList:
    """Generate, relax, refine, inpaint (CHGGen, Fig. 3): ``cycle("Li5Si2", n=20, guests=["Li"])``.

    With ``out`` every result is in that folder at once, and the same call goes on where an earlier
    one was stopped; without it nothing is written.

    Args:
        formula: such as "Li5Si2", a system such as "Li-Si" or "ZnS-P2S5", or a whole deck; with a
            host that has its guests it may be left out: ``cycle(host=atoms, guests=["Li"])``.
        report: called after each step.
        on_reference: called with how many hull references were relaxed at the pressure of the run,
            and of how many.
        settings: fields of :class:`~gencsp.runs.decks.CycleDeck`, where each is described; beside a
            deck they take the place of what it says. ``host`` is a file or a structure.

    Returns:
        The structures that converged, best first; ``duplicate_of`` in ``info`` marks those that
        are the same crystal as a better one, and ``copies`` says of the others how many there are;
        ``same`` says what counts as the same.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`gencsp.runs.cycle.open_cycle`, and with a host as
            :func:`gencsp.runs.host_cycle.plan_host_cycle`.
    """
    deck = deck_of_place(CycleDeck, formula, settings)
    how: dict[str, Any] = {"in_memory": deck.out is None, "on_reference": on_reference}
    if deck.host is not None:
        opened: AbstractContextManager[Cycle | SystemCycle]
        opened = open_host_cycle(plan_host_cycle(deck), **how)
    elif is_system(deck.formula):
        opened = open_system_cycle(deck, **how)
    else:
        opened = open_cycle(deck, **how)
    with opened as run:
        for progress in run.irun():
            if report is not None:
                report(progress)
        return StructureList(run.ranking())


def deck_of_place(kind: type[D], given: str | D | None, settings: Mapping[str, Any]) -> D:
    """A deck from what a call was given: a formula or a system, a deck, and settings.

    Raises:
        DeckError: an unknown setting, or one out of range.
        RequestError: the formula is given twice.
        WrongTypeError: it is neither a text nor a deck.
    """
    if isinstance(given, kind):
        if not settings:
            return given
        return kind.make(**{**given.given, **settings})
    if given is None:
        return kind.make(**settings)
    if not isinstance(given, str):
        raise WrongTypeError(
            f"the formula is a {type(given).__name__}: give a text such as 'Li5Si2', or a "
            f"{kind.__name__}."
        )
    if "formula" in settings:
        raise RequestError("the formula is given twice: leave out 'formula='.")
    return kind.make(formula=given, **settings)
