"""When a search ends."""

from __future__ import annotations

from dataclasses import dataclass

from gencsp.deck import Count, Seconds, check_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """Rules of which the first to apply ends a search; they do not change the trials before.

    Attributes:
        budget: trials, each of at most one relaxation.
        seconds: wall time of this session, see :attr:`gencsp.searches.loop.Search.elapsed`;
            ``None`` for no limit.
        patience: relaxations since the last new minimum (FUSE's rule; Collins et al., Faraday
            Discuss. 211, 117 (2018)); ``None`` for no limit.
    """

    budget: Count = 100
    seconds: Seconds | None = None
    patience: Count | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def reason(self, *, relaxed_since_record: int, seconds: float, target: str) -> str:
        """Why to stop; empty where there is no reason.

        Args:
            relaxed_since_record: relaxations since the last new minimum.
            seconds: wall time of the session.
            target: id of a structure that is a target; empty where none is.
        """
        if target:
            return f"the target was reached by {target}"
        if self.patience is not None and relaxed_since_record >= self.patience:
            return f"no new minimum in {self.patience} relaxations"
        if self.seconds is not None and seconds >= self.seconds:
            return f"the time limit of {self.seconds:g} s was reached"
        return ""
