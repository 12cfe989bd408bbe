"""Checks of the settings that ``set()`` of a calculator may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase.calculators.calculator import equal

from gencsp.errors import RequestError


def settings_to_change(
    name: str, changes: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Those of ``changes`` that differ from the settings of the calculator ``name``.

    Raises:
        RequestError: the calculator has no such setting, or not one that can be changed.
    """
    for key in changes:
        if key not in settings:
            raise RequestError(
                f"the calculator '{name}' has no setting '{key}' that can be changed: known are "
                f"{', '.join(sorted(settings))}; make a new calculator for anything else."
            )
    return {key: value for key, value in changes.items() if not equal(value, settings[key])}
