"""Opens a cycle on the compositions of a system from a deck."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import CompositionError, RequestError
from gencsp.runs.cycle import cycle_settings, open_cycles
from gencsp.runs.decks import CycleDeck
from gencsp.runs.objects import NO_HULL
from gencsp.runs.units import units_of_cycle
from gencsp.searches.settings import CycleSettings
from gencsp.searches.shares import shared
from gencsp.searches.space import Space
from gencsp.searches.system_cycle import SystemCycle


@contextmanager
def open_system_cycle(
    deck: CycleDeck,
    *,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[SystemCycle]:
    """A cycle on a chemical system or a tie-line, ready to run or to continue.

    Args:
        deck: the settings; its formula is a system such as Li-Si or ZnS-P2S5.
        in_memory: see :func:`gencsp.runs.cycle.open_cycle`.
        on_reference: see :func:`gencsp.runs.cycle.open_cycle`.
        executor: see :func:`gencsp.runs.cycle.open_cycle`.

    Raises:
        GencspError: as :func:`gencsp.runs.cycle.open_cycle`, and as :func:`system_settings`.
    """
    every = system_settings(deck)
    space = _space(deck)
    with open_cycles(
        deck,
        every,
        in_memory=in_memory,
        on_reference=on_reference,
        executor=executor,
        composition=space.name,
        n=deck.n,
        shares=[f"{one.composition} {one.n}" for one in every],
    ) as opened:
        assert opened.hull is not None, "the settings have refused a run without one"
        yield SystemCycle(
            opened.cycles,
            members=EndMembers.parse(deck.formula),
            possible=space.compositions.number,
            hull=opened.hull,
            store=opened.store,
        )


def system_settings(deck: CycleDeck) -> list[CycleSettings]:
    """The settings of the cycle of each composition.

    The structures to generate are shared by :func:`gencsp.searches.shares.shared`. Of the guests
    that are named a composition has those that it holds; one without any has its own chosen.

    Raises:
        CompositionError: the system or a guest cannot be read, or a guest is not in the system.
        RequestError: no composition fits in a cell, there is no hull to compare them on, or rigid
            units.
    """
    units_of_cycle(deck)  # a system has none
    if deck.hull == NO_HULL:
        raise RequestError(
            f"without a hull only energies of one composition compare: give a formula in place of "
            f"{deck.formula}, or leave out --hull {NO_HULL}."
        )
    members = EndMembers.parse(deck.formula)
    for symbol in deck.guests or ():
        if symbol not in members.elements:
            raise CompositionError(f"{symbol} is not in {members}, so it cannot be a guest.")
    found = []
    for share in shared(_space(deck).compositions, deck.n, most=deck.compositions):
        formula, guests = share.composition.formula, _guests(deck, share.composition.elements)
        changes = {"formula": formula, "guests": guests, "n": share.n, "compositions": None}
        settings = cycle_settings(deck.model_copy(update=changes))
        found.append(replace(settings, first=share.first))
    return found


def _space(deck: CycleDeck) -> Space:
    return Space.system(EndMembers.parse(deck.formula), max_atoms=deck.atoms)


def _guests(deck: CycleDeck, elements: tuple[str, ...]) -> tuple[str, ...] | None:
    return tuple(symbol for symbol in deck.guests or () if symbol in elements) or None
