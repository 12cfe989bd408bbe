"""Formulas with broken numbers, such as Li0.388Ta0.238La0.475Cl3: the nearest cell."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from gencsp.composition import Composition
from gencsp.disorder.charges import ionic_charges
from gencsp.disorder.counts import nearest_counts
from gencsp.disorder.crystal import SiteGroup
from gencsp.errors import CompositionError, NearestFormulaWarning

#: An element or a bracket with a broken number behind it.
_BROKEN = re.compile(r"[A-Za-z)\]}]\d*\.\d")


@dataclass(frozen=True, slots=True)
class NearestCell:
    """A whole-number formula for one with broken numbers.

    Attributes:
        composition: of the cell, elements as they were written.
        distance: share of the atoms that are others, 0 to 1.
        neutral: whether the usual charges of its ions add up to zero; ``None`` where those of the
            formula as it was written do not, or leave a choice.
    """

    composition: Composition
    distance: float
    neutral: bool | None


def nearest_cell(formula: str, max_atoms: int) -> NearestCell | None:
    """The nearest cell of a formula with broken numbers; ``None`` for a formula without them.

    Hydrates, such as CaSO4·0.5H2O, are formulas without them: they can be made whole exactly.

    Args:
        formula: as :meth:`.Composition.parse` takes it, but for its numbers.
        max_atoms: most atoms in a cell.

    Raises:
        CompositionError: it cannot be read.
        RequestError: no cell within the limit holds an atom of every element.
    """
    try:
        Composition.parse(formula)
    except CompositionError as error:
        amounts = _amounts(formula)
        if amounts is None:
            raise error
    else:
        return None
    total = sum(amounts.values())
    groups = [SiteGroup(symbol, {symbol: n / total}) for symbol, n in amounts.items()]
    charges = ionic_charges(amounts)
    found = nearest_counts(groups, [1] * len(groups), max_atoms=max_atoms, charges=charges)
    composition = Composition(tuple(found.amounts.items()))
    return NearestCell(composition, found.distance, None if charges is None else found.neutral)


def whole_formula(formula: str, max_atoms: int) -> str:
    """A formula with broken numbers as that of its nearest cell; any other as it is.

    Args:
        formula: as it was given.
        max_atoms: most atoms in a cell.

    Raises:
        CompositionError: one with a full stop cannot be read.
        RequestError: no cell within the limit holds an atom of every element.

    Warns:
        NearestFormulaWarning: another formula is taken; which, and how far it is.
    """
    found = nearest_cell(formula, max_atoms) if "." in formula else None
    if found is None:
        return formula
    charge = {True: ", its ions neutral", False: ", its ions not neutral", None: ""}
    warnings.warn(
        f"{formula} has broken numbers: taken is the nearest cell of at most {max_atoms} atoms, "
        f"{found.composition} ({100 * found.distance:.2g} % of its atoms are others"
        f"{charge[found.neutral]}).",
        NearestFormulaWarning,
        stacklevel=3,
    )
    return found.composition.formula


def _amounts(formula: str) -> dict[str, float] | None:
    """Amounts of a formula that fails for its broken numbers alone; ``None`` for any other."""
    if not _BROKEN.search(formula):
        return None
    # The same formula with whole numbers tells whether anything else is wrong with it.
    Composition.parse(re.sub(r"\d+\.\d+|\.\d+", "2", formula))
    from pymatgen.core import Composition as PymatgenComposition

    parsed = PymatgenComposition(formula, strict=True)
    return {str(element): float(amount) for element, amount in parsed.items()}
