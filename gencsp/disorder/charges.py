"""Charges of ions for Ewald sums, where the composition leaves little choice."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

#: Charge of an atom in the mean, in e, up to which a composition counts as neutral: amounts of
#: files are rounded.
NEUTRAL = 0.02


def ionic_charges(amounts: Mapping[str, float]) -> dict[str, float] | None:
    """The usual charge of each element, in e, so that the whole is neutral; ``None`` where none is.

    First all elements have one of pymatgen's ``common_oxidation_states``; where no choice is
    neutral, one transition metal has a mean charge between its lowest and highest one, as Co in
    Li0.5CoO2. Metals and compounds of several mixed valences have none.

    Args:
        amounts: of each element, in any unit.
    """
    from pymatgen.core import Element

    elements = {symbol: Element(symbol) for symbol in amounts}
    states = {symbol: one.common_oxidation_states for symbol, one in elements.items()}
    total = sum(amounts.values())
    if len(amounts) < 2 or not all(states.values()):
        return None
    choices = [dict(zip(states, one, strict=True)) for one in product(*states.values())]
    best = min(choices, key=lambda one: abs(_charge(amounts, one)))
    if abs(_charge(amounts, best)) <= NEUTRAL * total:
        return {symbol: float(charge) for symbol, charge in best.items()}
    for symbol in (one for one, element in elements.items() if element.is_transition_metal):
        lowest, highest = (
            min(elements[symbol].oxidation_states),
            max(elements[symbol].oxidation_states),
        )
        for choice in choices:
            others = {s: q for s, q in choice.items() if s != symbol}
            mean = -_charge(amounts, others) / amounts[symbol]
            if max(lowest, 0) < mean <= highest:
                return {**{s: float(q) for s, q in others.items()}, symbol: mean}
    return None


def is_neutral(counts: Mapping[str, int], charges: Mapping[str, float]) -> bool:
    """Whether whole counts of ions are neutral."""
    return abs(_charge(counts, charges)) < 1e-6


def _charge(amounts: Mapping[str, float], charges: Mapping[str, float]) -> float:
    return sum(amounts[symbol] * charge for symbol, charge in charges.items())
