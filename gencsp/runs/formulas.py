"""Formulas with broken numbers among the settings of a run."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from gencsp.errors import GencspError
from gencsp.runs.presets import PresetDeck


class FormulaDeck(PresetDeck):
    """A deck with a formula, a limit of atoms and a preset.

    A formula with broken numbers, such as Li0.388Ta0.238La0.475Cl3, is read as a request for the
    nearest cell within the limit, which a :class:`~gencsp.errors.NearestFormulaWarning` names.
    """

    @model_validator(mode="before")
    @classmethod
    def _nearest_cell(cls, given: Any) -> Any:
        formula = given.get("formula") if isinstance(given, dict) else None
        if not isinstance(formula, str) or "." not in formula:
            return given
        atoms = given.get("atoms", cls.model_fields["atoms"].default)
        if not isinstance(atoms, int):
            return given
        from gencsp.disorder.formulas import whole_formula

        try:
            return {**given, "formula": whole_formula(formula, atoms)}
        except GencspError:
            # What is wrong with it is said where it is used.
            return given
