"""When a search ends."""

from __future__ import annotations

from dataclasses import dataclass

from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """A search ends at the first of these. None of them changes what comes before the end.

    Attributes:
        budget: trials, each of at most one relaxation.
        seconds: wall time of this session; ``None`` for no limit.
        patience: relaxations since the last new minimum (FUSE's rule; Collins et al., Faraday
            Discuss. 211, 117 (2018)); ``None`` for no limit.
    """

    budget: int = 100
    seconds: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("budget", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"{name} is {value}: it must be at least 1.")
        if self.seconds is not None and not self.seconds > 0:
            raise RequestError(f"the time limit is {self.seconds} s: it must be above zero.")

    def reason(self, *, relaxed_since_record: int, seconds: float, target: str) -> str:
        """Why to stop, or nothing.

        Args:
            relaxed_since_record: relaxations since the last new minimum.
            seconds: since the session began.
            target: id of a structure that is a target; empty where none is.
        """
        if target:
            return f"the target was reached by {target}"
        if self.patience is not None and relaxed_since_record >= self.patience:
            return f"no new minimum in {self.patience} relaxations"
        if self.seconds is not None and seconds >= self.seconds:
            return f"the time limit of {self.seconds:g} s was reached"
        return ""
