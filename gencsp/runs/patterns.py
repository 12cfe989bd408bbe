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
    if deck.xrd is None:
        for name, default in (("wavelength", DEFAULT_WAVELENGTH), ("xrd_weight", 0.0)):
            if getattr(deck, name, default) != default:
                raise RequestError(
                    f"--{name.replace('_', '-')} says how a measured pattern is used: name one "
                    f"with --xrd."
                )
        return None
    require_scattering_factors(elements)
    return PatternComparison(MeasuredPattern.read(deck.xrd, wavelength=deck.wavelength))
