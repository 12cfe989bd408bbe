"""Charge balance: whether the usual oxidation states of the elements can add up to zero.

The states are those that occur in the ICSD, and where it has none the known ones, as pymatgen lists
them (``Element.icsd_oxidation_states``, ``oxidation_states``); each atom may have its own, so mixed
valence counts as balanced (Fe3O4). That is what pymatgen's ``Composition.oxi_state_guesses`` asks
too, which lists every way to do so; here only the sums that can be reached are followed, because
fifteen elements in one cell have too many ways to list.

Exempt by rule: structures of one element, and structures of metals alone, whose bonds need no such
balance. Metals are those of pymatgen's ``Element.is_metal``: alkali, alkaline-earth, transition and
post-transition metals, lanthanides, actinides. The verdict says so.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from typing import ClassVar

from ase import Atoms
from pydantic import Field

from gencsp.composition import Composition
from gencsp.filters.base import ConfiguredFilter, Verdict

#: Atoms of one element up to which all ways to share states are followed one by one.
_FEW = 12


class ChargeBalance(ConfiguredFilter):
    """Passes a structure whose formula can be neutral, and what is exempt.

    The value is the least absolute charge of a formula unit (in e, per atom) that can be reached.
    """

    name: ClassVar[str] = "charge_balance"
    quantity: ClassVar[str] = "least charge (e/atom)"

    exempt_metals: bool = Field(True, description="Structures of metals alone pass.")
    exempt_elements: bool = Field(True, description="Structures of one element pass.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        composition = Composition.of(atoms)
        window = (0.0, 0.0)
        if self.exempt_elements and len(composition.elements) == 1:
            return self.verdict(0.0, window, "one element: exempt")
        if self.exempt_metals and all(map(_is_metal, composition.elements)):
            return self.verdict(0.0, window, "metals alone: exempt")
        return self.verdict(least_charge(composition) / composition.size, window)


def least_charge(composition: Composition) -> int:
    """The least absolute charge, in e, that a formula unit can have.

    Very large where an element has no oxidation states, such as a noble gas.
    """
    reached = {0}
    for symbol, n in composition.counts:
        own = _sums(states_of(symbol), n)
        if not own:
            return 10**9
        reached = {a + b for a in reached for b in own}
    return min(map(abs, reached))


@cache
def states_of(symbol: str) -> tuple[int, ...]:
    """Oxidation states, in e."""
    from pymatgen.core import Element

    element = Element(symbol)
    return tuple(sorted(element.icsd_oxidation_states or element.oxidation_states))


@cache
def _sums(states: tuple[int, ...], n: int) -> frozenset[int]:
    """Charges that n atoms can have together."""
    if n <= _FEW:
        return (
            frozenset(map(sum, combinations_with_replacement(states, n))) if states else frozenset()
        )
    half = _sums(states, n // 2)
    return frozenset(a + b for a in half for b in _sums(states, n - n // 2))


@cache
def _is_metal(symbol: str) -> bool:
    from pymatgen.core import Element

    return bool(Element(symbol).is_metal)
