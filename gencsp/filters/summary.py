"""Counts of a funnel: structures that pass each filter alone, and all filters so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gencsp.filters.funnel import Judged

#: eV/atom: thresholds of filter E in PIGEN, Extended Data Table 2.
HULL_THRESHOLDS = (0.100, 0.050, 0.035, 0.025)
#: Thresholds at which survivors are counted beside the one that a filter was given: a value passes
#: at one where it does not exceed it.
LEVELS = {"hull_energy": HULL_THRESHOLDS}


@dataclass(frozen=True, slots=True)
class StageCount:
    """One filter of a funnel.

    Attributes:
        name: of the filter.
        judged, passed: alone, of the structures that it judged; a costly filter judges survivors.
        in_sequence: structures that passed it and all before it.
        undefined: structures of which it could not measure anything; they did not pass.
        at: thresholds of :data:`LEVELS`, and how many structures that passed all before it would
            pass it there.
    """

    name: str
    judged: int
    passed: int
    in_sequence: int
    undefined: int
    at: tuple[tuple[float, int], ...] = ()


@dataclass(slots=True)
class Summary:
    """Counts of a pool, collected as its structures are judged.

    Attributes:
        names: of the filters, in order.
        structures: that were read.
        unreadable: name and reason of what could not be read.
        noted: how many verdicts carry a note, by filter.
    """

    names: tuple[str, ...]
    structures: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    noted: Counter[str] = field(default_factory=Counter)
    _judged: Counter[str] = field(default_factory=Counter)
    _passed: Counter[str] = field(default_factory=Counter)
    _through: Counter[str] = field(default_factory=Counter)
    _undefined: Counter[str] = field(default_factory=Counter)
    _at: Counter[tuple[str, float]] = field(default_factory=Counter)

    def add(self, judged: Judged) -> None:
        """Count one structure, or one source that could not be read."""
        if judged.atoms is None:
            self.unreadable.append((judged.name, judged.unreadable))
            return
        self.structures += 1
        through = True
        for verdict in judged.verdicts:
            self._judged[verdict.name] += 1
            self._passed[verdict.name] += verdict.passed
            self._undefined[verdict.name] += verdict.value != verdict.value
            self.noted[verdict.name] += bool(verdict.note)
            for level in LEVELS.get(verdict.name, ()):
                self._at[verdict.name, level] += through and verdict.value <= level
            through = through and verdict.passed
            self._through[verdict.name] += through

    @property
    def stages(self) -> tuple[StageCount, ...]:
        """The counts of each filter, in order."""
        return tuple(
            StageCount(
                name,
                self._judged[name],
                self._passed[name],
                self._through[name],
                self._undefined[name],
                tuple((level, self._at[name, level]) for level in LEVELS.get(name, ())),
            )
            for name in self.names
        )

    @property
    def survivors(self) -> int:
        """Structures that passed every filter."""
        return self.stages[-1].in_sequence

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "structures": self.structures,
            "unreadable": [{"name": name, "reason": reason} for name, reason in self.unreadable],
            "survivors": self.survivors,
            "filters": [
                {
                    "name": stage.name,
                    "judged": stage.judged,
                    "passed_alone": stage.passed,
                    "passed_in_sequence": stage.in_sequence,
                    "undefined": stage.undefined,
                    "with_note": self.noted[stage.name],
                }
                | ({"in_sequence_at": {str(e): n for e, n in stage.at}} if stage.at else {})
                for stage in self.stages
            ],
        }
