"""Symbols of space groups."""

from __future__ import annotations

from functools import cache

import spglib

from gencsp.errors import RequestError


@cache
def symbol_of(number: int) -> str:
    """The short Hermann-Mauguin symbol of a space group, 1 to 230, in its standard setting.

    Raises:
        RequestError: there is no such space group.
    """
    if number not in _symbols():
        raise RequestError(f"there is no space group {number}: they are numbered 1 to 230.")
    return _symbols()[number]


@cache
def _symbols() -> dict[int, str]:
    """Of each space group the first of spglib's settings, which is the standard one."""
    settings = [spglib.get_spacegroup_type(hall) for hall in range(530, 0, -1)]
    return {one.number: one.international_short for one in settings}
