"""Where the structures of a report come from, and how many are left behind each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gencsp import records
from gencsp.provenance import Stage
from gencsp.report.model import Count, OriginCount, ReportStructure
from gencsp.store.base import Finished

#: The last part of the trials, of which the shares of moves are given beside those of all.
LATE = 0.25
#: Crystals up to this far above the hull, eV/atom, are counted as near it.
NEAR_HULL = 0.05
TRIALS = "trials"


def origins_of(structures: Sequence[ReportStructure]) -> tuple[OriginCount, ...]:
    """What became of the structures of each move or proposer, the most frequent first.

    In a search those of the trials count, not the proposals that they began from.
    """
    tried = [one for one in structures if records.MOVE in one.atoms.info] or list(structures)
    searched = any(records.MOVE in one.atoms.info for one in tried)
    numbers = sorted(one.trial for one in tried if searched and one.trial is not None)
    late = numbers[int(len(numbers) * (1 - LATE)) :]
    bound = late[0] if late else None
    groups: dict[str, list[ReportStructure]] = {}
    for one in tried:
        groups.setdefault(one.origin or "unknown", []).append(one)
    counts = []
    for origin, group in groups.items():
        converged = [one for one in group if one.energy is not None and not one.failure]
        energies = [e for one in converged if (e := _ranking(one)) is not None]
        of_late = sum(bound is not None and (one.trial or 0) >= bound for one in group)
        counts.append(
            OriginCount(
                origin=origin,
                made=len(group),
                converged=len(converged),
                crystals=sum(not one.duplicate_of for one in converged),
                lowest=min(energies, default=None),
                late=of_late / len(late) if late else None,
            )
        )
    return tuple(sorted(counts, key=lambda one: (-one.made, one.origin)))


def funnel_of_run(
    manifest: Mapping[str, Any],
    tasks: Mapping[str, Finished],
    structures: Sequence[ReportStructure],
) -> tuple[Count, ...]:
    """How many structures a run made, step by step."""
    if manifest.get("kind") == "search":
        trials = sum(task.startswith("trial-") for task in tasks)
        steps = [(TRIALS, trials)]
        tried = [one for one in structures if one.trial is not None]
    else:
        stages = Counter(one.stage for one in structures)
        steps = [(str(stage), stages[stage]) for stage in Stage if stages[stage]]
        tried = list(structures)
    return (*steps, *_of_results(tried))


def funnel_of_pool(structures: Sequence[ReportStructure]) -> tuple[Count, ...]:
    """How many structures of a pool passed each filter one after the other, or have a result."""
    steps: list[Count] = [("structures", len(structures))]
    names = _filters(structures)
    left = list(structures)
    for name in names:
        left = [one for one in left if _passed(one, name)]
        steps.append((f"pass {name}", len(left)))
    return (*steps, *_of_results(left))


def _of_results(structures: Sequence[ReportStructure]) -> list[Count]:
    converged = [one for one in structures if one.energy is not None and not one.failure]
    if not converged:
        return []
    crystals = [one for one in converged if not one.duplicate_of]
    steps = [("converged", len(converged))]
    # Without any mark nobody has looked for duplicates yet, or there are none: who knows.
    if len(crystals) < len(converged):
        steps.append(("different crystals", len(crystals)))
    above = [one.above for one in crystals if one.above is not None]
    if above:
        near = sum(energy <= NEAR_HULL for energy in above)
        steps.append((f"up to {1000 * NEAR_HULL:g} meV/atom above the hull", near))
    return steps


def _filters(structures: Sequence[ReportStructure]) -> list[str]:
    """The filters that judged a pool, in the order in which their verdicts were written."""
    verdicts: dict[str, None] = {}
    own = {records.FILTER_SOURCE, records.FILTER_SURVIVED, records.FILTER_FELL_AT}
    parts = ("_value", "_low", "_high", "_note")
    for one in structures:
        for key in one.atoms.info:
            is_verdict = str(key).startswith(records.FILTER_PREFIX) and key not in own
            if is_verdict and not str(key).endswith(parts):
                verdicts.setdefault(str(key).removeprefix(records.FILTER_PREFIX))
    return list(verdicts)


def _passed(one: ReportStructure, name: str) -> bool:
    return str(one.atoms.info.get(f"{records.FILTER_PREFIX}{name}")).lower() in ("true", "t", "1")


def failures_of_run(tasks: Mapping[str, Finished]) -> tuple[Count, ...]:
    """What failed, by reason, the most frequent first."""
    counts: Counter[str] = Counter()
    for finished in tasks.values():
        counts.update(finished.failures)
    return _most_frequent_first(counts)


def failures_of_pool(structures: Sequence[ReportStructure]) -> tuple[Count, ...]:
    """The same of a pool: outcomes of relaxations, and the filters that structures fell at."""
    counts = Counter(one.failure for one in structures if one.failure)
    counts.update(f"filter {one.fell_at}" for one in structures if one.fell_at)
    return _most_frequent_first(counts)


def _most_frequent_first(counts: Mapping[str, int]) -> tuple[Count, ...]:
    return tuple(
        sorted(((k, n) for k, n in counts.items() if n), key=lambda one: (-one[1], one[0]))
    )


def _ranking(one: ReportStructure) -> float | None:
    return one.energy if one.above is None else one.above
