"""The contract of filters, and their verdict on one crystal.

A filter tests one structure without changing it; :mod:`gencsp.filters.funnel` applies several in
order. Filters are found by name through the entry points ``gencsp.filters``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import ClassVar, Protocol, runtime_checkable

from ase import Atoms

from gencsp.errors import DeckError
from gencsp.plugins import Configured, Registry
from gencsp.records import FILTER_PREFIX

#: The bounds within which a value passes, both included; infinite where there is none.
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a filter on a structure.

    Attributes:
        passed: whether the structure passes.
        value: what was measured, in the filter's unit; not a number where it could not be.
        threshold: the window (low, high) in which ``value`` passes.
        name: of the filter.
        note: more about the value, such as pairs that no reference crystal has; may be empty.
    """

    passed: bool
    value: float
    threshold: Window
    name: str
    note: str = ""

    def write(self, atoms: Atoms) -> None:
        """Write the verdict into ``atoms.info``, one key for each of its parts.

        ``filter_NAME`` says whether the structure passed; ``filter_NAME_value``, ``_low``,
        ``_high`` and ``_note`` are written where there is one.
        """
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

    @classmethod
    def read(cls, atoms: Atoms, name: str) -> Verdict | None:
        """The verdict of a filter that :meth:`write` wrote; ``None`` where there is none."""
        key = f"{FILTER_PREFIX}{name}"
        if key not in atoms.info:
            return None
        value, low, high = (
            float(atoms.info.get(f"{key}{part}", missing))
            for part, missing in (("_value", nan), ("_low", -inf), ("_high", inf))
        )
        note = str(atoms.info.get(f"{key}_note", ""))
        return cls(bool(atoms.info[key]), value, (low, high), name, note)


@runtime_checkable
class Filter(Protocol):
    """Tests one crystal.

    Attributes:
        name: unique among the filters of a funnel.
        quantity: what ``Verdict.value`` is, with its unit, for tables and axes.
        costly: takes seconds rather than milliseconds; a funnel applies it to survivors only.
        ordered: compares a structure with those it saw before, so that the order of a pool counts
            and one process must judge all of it.
    """

    @property
    def name(self) -> str:
        """See the attributes of the class."""
        ...

    @property
    def quantity(self) -> str:
        """See the attributes of the class."""
        ...

    @property
    def costly(self) -> bool:
        """See the attributes of the class."""
        ...

    @property
    def ordered(self) -> bool:
        """See the attributes of the class."""
        ...

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
