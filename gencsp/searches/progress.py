"""What a search and a cycle report after each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gencsp.provenance import Stage
from gencsp.records import NO_REFERENCE
from gencsp.searches.trial import TrialResult

#: What proposals that could not be made are counted under, with the reason after a colon.
REJECTED = "proposal rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is, after each trial.

    Attributes:
        done: trials finished and reported to the strategy, in all sessions.
        total: the budget.
        relaxed: relaxations among them.
        new: different crystals.
        records: new minima, see :class:`~gencsp.searches.trial.TrialResult`.
        best: decomposition energy of the lowest structure, or its enthalpy where there is no hull,
            eV/atom; ``None`` while there is none.
        best_id: its id.
        best_shown: that energy as tables show it, see
            :func:`gencsp.records.shown_decomposition_energy`; empty while there is none.
        failures: what failed, by reason.
        per_minute: trials finished per minute of this session, see
            :attr:`gencsp.searches.loop.Search.elapsed`.
        result: of the last trial; ``None`` in the first step, before any trial of this session.
    """

    done: int
    total: int
    relaxed: int
    new: int
    records: int
    best: float | None
    best_id: str
    best_shown: str
    failures: Mapping[str, int]
    per_minute: float
    result: TrialResult | None

    @property
    def note(self) -> str:
        """What has come of it, in words: the best energy, counts, and the rate."""
        best = f"best {with_unit(self.best_shown)}" if self.best_shown else "nothing yet"
        counts = f"{self.new} crystals, {self.records} new minima"
        return f"{best}, {counts}, {self.per_minute:.3g} trials/min"


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleProgress:
    """How far the cycle is, after each task.

    Attributes:
        stage: what the task made.
        done: tasks of the stage that are finished; those of an earlier, interrupted run count.
        total: tasks of the stage.
        structures: structures that the stage has made so far.
        failures: structures of the stage that failed, by reason.
    """

    stage: Stage
    done: int
    total: int
    structures: int
    failures: Mapping[str, int]

    @property
    def note(self) -> str:
        """What has come of the stage, in words."""
        failed = sum(self.failures.values())
        return f"{self.structures} structures" + (f", {failed} failed" if failed else "")


def with_unit(energy: str) -> str:
    """An energy as tables show it, with its unit; not so where it is no number."""
    return energy if energy == NO_REFERENCE else f"{energy} eV/atom"
