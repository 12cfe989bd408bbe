"""The measured powder pattern that a deck names, beside which its structures are put."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from gencsp.errors import RequestError
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.reflections import require_scattering_factors
from gencsp.powder.similarity import PatternComparison
from gencsp.runs.fields import DEFAULT_WAVELENGTH


class NamesPattern(Protocol):
    """A deck with these settings."""

    @property
    def xrd(self) -> Path | None:
        """File of the pattern."""
        ...

    @property
    def wavelength(self) -> str:
        """Of the pattern, Å or a name."""
        ...


def pattern_of(deck: NamesPattern, elements: Iterable[str] = ()) -> PatternComparison | None:
    """What compares structures with the pattern of a deck; ``None`` where it names none.

    Args:
        deck: names the file and the wavelength.
        elements: of the structures to come, where they are known.

    Raises:
        PatternError: the file or the wavelength cannot be used, or there are no scattering factors
            for an element.
        RequestError: a wavelength, or a weight, without a pattern.
    """
    if deck.xrd is None and getattr(deck, "xrd_weight", 0.0) != 0.0:
        raise _without_pattern("--xrd-weight")
    found = named_pattern(deck.xrd, deck.wavelength)
    if found is not None:
        require_scattering_factors(elements)
    return found


def named_pattern(xrd: Path | None, wavelength: str) -> PatternComparison | None:
    """What compares structures with the pattern in a file; ``None`` where none is named.

    Raises:
        PatternError: the file or the wavelength cannot be used.
        RequestError: a wavelength without a pattern.
    """
    if xrd is None:
        if wavelength != DEFAULT_WAVELENGTH:
            raise _without_pattern("--wavelength")
        return None
    return PatternComparison(MeasuredPattern.read(xrd, wavelength=wavelength))


def _without_pattern(option: str) -> RequestError:
    return RequestError(f"{option} says how a measured pattern is used: name one with --xrd.")
