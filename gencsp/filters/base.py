"""What every filter offers: a name, and a verdict on one crystal.

A filter asks one question of one structure as it is; :mod:`gencsp.filters.funnel` puts several in a
row. Filters are found by name through the entry points ``gencsp.filters``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Protocol, runtime_checkable

from ase import Atoms

from gencsp.errors import DeckError
from gencsp.plugins import Configured, Registry
from gencsp.records import FILTER_PREFIX

#: The bounds within which a value passes, both included; infinite where there is none.
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of a structure.

    Attributes:
        passed: whether the structure goes on.
        value: what was measured, in the filter's unit; not a number where it could not be.
        threshold: the window (low, high) in which ``value`` passes.
        name: of the filter.
        note: what the number does not say, such as pairs that no reference crystal has.
    """

    passed: bool
    value: float
    threshold: Window
    name: str
    note: str = ""

    def write(self, atoms: Atoms) -> None:
        """Set flat keys in ``atoms.info``: ``filter_NAME`` (passed), and, where there is one,
        ``filter_NAME_value``, ``_low``, ``_high`` and ``_note``."""
        key = f"{FILTER_PREFIX}{self.name}"
        parts: dict[str, bool | float | str] = {"": self.passed}
        for part, number in zip(
            ("_value", "_low", "_high"), (self.value, *self.threshold), strict=True
        ):
            if isfinite(number):
                parts[part] = float(number)
        if self.note:
            parts["_note"] = self.note
        for part in ("", "_value", "_low", "_high", "_note"):
            atoms.info.pop(key + part, None)
        atoms.info |= {key + part: value for part, value in parts.items()}


@runtime_checkable
class Filter(Protocol):
    """A question to one crystal.

    Attributes:
        name: unique among the filters of a funnel.
        quantity: what ``Verdict.value`` is, with its unit, for tables and axes.
        costly: takes seconds rather than milliseconds; a funnel asks it only of survivors.
        ordered: compares a structure with those it saw before, so that the order of a pool counts
            and one process must judge all of it.
    """

    @property
    def name(self) -> str: ...
    @property
    def quantity(self) -> str: ...
    @property
    def costly(self) -> bool: ...
    @property
    def ordered(self) -> bool: ...

    def judge(self, atoms: Atoms) -> Verdict:
        """The verdict on a fully periodic crystal; ``atoms`` is left as it is."""
        ...


class ConfiguredFilter(Configured):
    """Base of filters: options are checked fields, set once, that decks name."""

    kind: ClassVar[str] = "filter"
    quantity: ClassVar[str]
    costly: ClassVar[bool] = False
    ordered: ClassVar[bool] = False

    def verdict(self, value: float, window: Window, note: str = "") -> Verdict:
        """The verdict that follows from a value; not a number never passes."""
        low, high = window
        return Verdict(bool(low <= value <= high), float(value), window, self.name, note)


#: All filters, by name.
FILTERS: Registry[Filter] = Registry(
    "gencsp.filters", kind="filter", contract=Filter, error=DeckError
)
