"""The proposer of a run with rigid units, chosen from what its user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gencsp.composition import Composition
from gencsp.errors import RequestError, WrongTypeError
from gencsp.plugins import Choice
from gencsp.proposers.registry import proposer_choice, proposer_class
from gencsp.units.formulas import split_formula
from gencsp.units.lookup import get_units
from gencsp.units.unit import RigidUnit

#: Proposer of rigid units where none is named.
RANDOM_UNITS = "units-random"


def units_of_formula(
    formula: str | Composition, units: Sequence[str]
) -> tuple[tuple[RigidUnit, ...], tuple[str, ...]]:
    """The units of a formula, single atoms among them, and names or files of its molecules.

    Args:
        formula: as it is written; brackets name units by themselves.
        units: names or files.

    Raises:
        CompositionError: the formula cannot be read.
        UnitError: the formula does not split into these units.
    """
    found = split_formula(formula, units).units
    given = {unit.name: str(text) for text in units for unit in get_units([text])}
    texts = tuple(given.get(unit.name, unit.name) for unit in found if not unit.is_atom)
    return found, texts


def unit_proposer(given: Any, units: Sequence[str]) -> Choice:
    """A proposer by name that places rigid units, told which they are.

    Args:
        given: its name, with or without options.
        units: names or files of molecules and complex ions.

    Raises:
        RequestError: it places single atoms.
    """
    choice = proposer_choice(given)
    kind = proposer_class(choice)
    if not kind.places_units:
        raise RequestError(
            f"the proposer '{choice.name}' places single atoms and no rigid units: use "
            f"{RANDOM_UNITS}, or leave --units out."
        )
    if "units" not in kind.model_fields or choice.value or "units" in choice.options:
        return choice
    return Choice.of(choice.name, {**choice.options, "units": list(map(str, units))})


def with_units(
    given: Any,
    formula: str,
    units: Sequence[str],
    *,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """The proposer of a call, which may name rigid units.

    Args:
        given: a proposer in any form; ``None`` for the default one.
        formula: as it is written.
        units: names or files; none where nothing is said of units.
        options: of the proposer, which may name them too.

    Raises:
        RequestError: units, and a proposer that places single atoms.
        CompositionError, UnitError: as :func:`units_of_formula`.
    """
    if given is None:
        given = RANDOM_UNITS if units else "mixed"
    by_name = isinstance(given, str | Mapping | Choice)
    if not by_name:
        if units:
            raise RequestError("a proposer that is an object knows its units: leave them out.")
        return given
    choice = proposer_choice(given)
    told = choice.value or choice.options or "units" in (options or {})
    if not units and (told or not proposer_class(choice).places_units):
        return given
    return unit_proposer(choice, units_of_formula(formula, units)[1])


def unit_texts(given: str | Sequence[str | Path]) -> tuple[str, ...]:
    """Names or files of units, from a text with commas or one by one.

    Raises:
        WrongTypeError: a number, which is one of formula units.
    """
    parts = given.split(",") if isinstance(given, str) else given
    texts = tuple(str(part).strip() for part in parts if str(part).strip())
    numbers = [text for text in texts if text.isdecimal()]
    if numbers:
        raise WrongTypeError(
            f"'{numbers[0]}' is no rigid unit such as NH2: numbers of formula units are given by "
            f"--formula-units."
        )
    return texts
