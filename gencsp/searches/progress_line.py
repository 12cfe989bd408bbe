"""What is said of work that goes on, as one line of text."""

from __future__ import annotations

#: What the stages of a cycle do, by their names.
STAGE_NAMES = {
    "generated": "generate",
    "relaxed": "relax",
    "framework": "symmetrise",
    "inpainted": "inpaint",
    "refined": "relax again",
}


def progress_line(
    what: str, *, done: float, total: float | None, note: str, rate: float = 0.0
) -> str:
    """How far a task is, such as ``search: 30 of 100, best -0.01 eV/atom, 4 min left``.

    Args:
        what: is done.
        done: steps that are finished.
        total: steps in all; ``None`` where nobody knows.
        note: what came of it.
        rate: steps a second, from which the time left is told.
    """
    parts = [f"{done:g}" if total is None else f"{done:g} of {total:g}"]
    if note:
        parts.append(note)
    if total is not None and rate > 0 and done < total:
        parts.append(f"{duration((total - done) / rate)} left")
    return f"{what}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """A time as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
