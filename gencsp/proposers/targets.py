"""Targets of the joint model as commands and decks write them: ``compactness=0.7``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from gencsp.diffusion.joint.conditions import Property
from gencsp.errors import RequestError


def read_targets(texts: Iterable[str]) -> dict[Property, float]:
    """``name=value`` texts as targets; names are checked where they are used.

    Raises:
        RequestError: a text that is not written like this.
    """
    found: dict[Property, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[cast("Property", name.strip())] = float(value)
        except ValueError as error:
            raise RequestError(
                f"--target {text} is not understood: write it as compactness=0.7."
            ) from error
    return found
