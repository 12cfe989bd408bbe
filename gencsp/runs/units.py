"""The rigid units that the deck of a search or a cycle names."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import is_system
from gencsp.errors import RequestError, UnitError
from gencsp.plugins import Choice
from gencsp.proposers.unit_choice import units_of_formula
from gencsp.runs.decks import UNITS_METHOD, CycleDeck, SearchDeck
from gencsp.runs.objects import Carried, Named
from gencsp.units.unit import RigidUnit


@dataclass(frozen=True, slots=True)
class UnitsOfRun:
    """Rigid units of a run.

    Attributes:
        units: of the formula, single atoms among them.
        texts: names or files of its molecules and complex ions, for proposers.
    """

    units: tuple[RigidUnit, ...]
    texts: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the molecules and complex ions, each with a short hash of its shape."""
        return tuple(f"{one.name}#{_digest(one)}" for one in self.units if not one.is_atom)

    @property
    def alone(self) -> tuple[str, ...]:
        """Species whose atoms are all in no unit."""
        bound = {
            symbol for one in self.units if not one.is_atom for symbol in one.composition.elements
        }
        return tuple(one.name for one in self.units if one.is_atom and one.name not in bound)


def units_of_cycle(deck: CycleDeck) -> UnitsOfRun | None:
    """The units of a cycle; ``None`` where it generates single atoms.

    Raises:
        RequestError: units, and a system or a host.
        UnitError: the formula does not split into the units, or there is no guest that is in none.
    """
    if not deck.units:
        return None
    if deck.host is not None:
        raise RequestError(
            "a host is kept as it is, and its guests are single atoms: leave --units out."
        )
    if is_system(deck.formula):
        raise RequestError("rigid units need one formula: give one, or leave --units out.")
    found = UnitsOfRun(*units_of_formula(deck.formula, deck.units))
    if not found.alone:
        raise UnitError(
            f"every species of {deck.formula} is in rigid units, which stay whole, so that a cycle "
            f"has no guests to take out: use 'gencsp search' with --units."
        )
    bound = [symbol for symbol in deck.guests or () if symbol not in found.alone]
    if bound and set(bound) <= set(Composition.parse(deck.formula).elements):
        raise UnitError(
            f"{', '.join(bound)} is part of a rigid unit, which stays whole: guests can be "
            f"{', '.join(found.alone)}."
        )
    return found


def units_of_deck(deck: SearchDeck, composition: Composition) -> UnitsOfRun | None:
    """The units of a search; ``None`` where it moves single atoms.

    A formula with brackets names units by itself, where the method or the relaxation needs them.

    Raises:
        RequestError: units in a chemical system, or a method that must relax them rigidly and
            may not.
        UnitError: the formula does not split into the units, or none is named.
    """
    learns = Choice.read(deck.method).name == UNITS_METHOD
    if not asks_for_units(deck):
        return None
    if deck.system is not None:
        raise RequestError("rigid units need one formula: leave the chemical system out.")
    if deck.rigid_units is False and learns:
        raise RequestError(
            f"the method '{UNITS_METHOD}' keeps units rigid at first: leave --no-rigid-units out."
        )
    formula = composition if deck.formula is None else deck.formula
    found, texts = units_of_formula(formula, deck.units or ())
    return UnitsOfRun(found, texts)


def asks_for_units(deck: SearchDeck) -> bool:
    """Whether a search is one of rigid units: they are named, or its settings need them."""
    learns = Choice.read(deck.method).name == UNITS_METHOD
    return bool(deck.units or deck.rigid_units or learns)


def seeds_of(deck: SearchDeck) -> tuple[Named | Carried, ...]:
    """The seeds of a search; with rigid units none by default, since ``mixed`` places atoms."""
    default = SearchDeck.model_fields["seeds"].default
    return () if asks_for_units(deck) and deck.seeds == default else deck.seeds


def _digest(unit: RigidUnit) -> str:
    total = sha256(" ".join(unit.symbols).encode())
    total.update(np.round(unit.positions, 6).tobytes())
    return total.hexdigest()[:8]
