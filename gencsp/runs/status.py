"""The progress of a run, read from its folder; the run itself is not affected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from gencsp import records
from gencsp.errors import StoreError
from gencsp.provenance import Stage
from gencsp.records import shown_decomposition_energy, shown_reference
from gencsp.runs.settings import saved_deck
from gencsp.searches.intercalation_settings import KIND
from gencsp.store.digests import TaskEntry, read_summary, read_times
from gencsp.store.disk import DATABASE, read_manifest

#: Runs whose first stages are those of :mod:`gencsp.runs.candidates`.
CANDIDATE_KINDS = ("discover", "synergy")
#: Runs of benchmark suites, as their manifests say.
BENCH_KIND = "bench"

#: Seconds without a result after which a run counts as having been stopped in between.
PAUSE = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast tasks end, from the times at which their structures were stored.

    Attributes:
        per_minute: tasks in a minute since the last pause; not a number where fewer than two tell.
        last: when the last structure was stored, seconds since 1970; not a number where none was.
    """

    per_minute: float
    last: float

    @classmethod
    def of(cls, times: Iterable[float]) -> Self:
        """That of tasks that ended at these times, seconds since 1970."""
        ended = sorted(times)
        if not ended:
            return cls(per_minute=float("nan"), last=float("nan"))
        begun = len(ended) - 1
        while begun and ended[begun] - ended[begun - 1] <= PAUSE:
            begun -= 1
        span, tasks = ended[-1] - ended[begun], len(ended) - 1 - begun
        return cls(per_minute=60 * tasks / span if span > 0 else float("nan"), last=ended[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The state of a run, as its folder shows it.

    Attributes:
        finished: finished tasks, by what they do: ``trial`` in a search, the stages in a cycle.
        best: lowest decomposition energy, or enthalpy where there is no hull, eV/atom; not a number
            where there is none.
        best_id: of the structure that has it; empty where there is none.
        best_shown: that energy as tables show it, see
            :func:`gencsp.records.shown_decomposition_energy`.
        phase: ``= NAME`` of the reference phase that it is; empty where it is none.
        space_group: of that structure.
        failures: by reason.
        pace: how fast it goes, or went.
        size: of all files in the folder, bytes.
    """

    finished: Mapping[str, int]
    best: float
    best_id: str
    best_shown: str
    phase: str
    space_group: str
    failures: Mapping[str, int]
    pace: Pace
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStatus(RunStatus):
    """The state of a search, as its folder shows it.

    Attributes:
        space: composition or chemical system.
        method: strategy.
        budget: of the last session.
    """

    space: str
    method: str
    budget: int

    def __str__(self) -> str:
        done = self.finished.get("trial", 0)
        return f"{self.space}, {self.method}: {done} trials of a budget of {self.budget}"

    @property
    def seconds_left(self) -> float:
        """Until the budget is used, at the present pace; not a number where nobody can say."""
        left = self.budget - self.finished.get("trial", 0)
        return 60 * left / self.pace.per_minute if left > 0 else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleStatus(RunStatus):
    """What stands in the folder of a cycle, or of a series of guest contents.

    Attributes:
        kind: "cycle" or "intercalation".
        composition: formula; of a series such as LixCoO2.
        structures: how many the database holds, by stage.
    """

    kind: str
    composition: str
    structures: Mapping[str, int]

    def __str__(self) -> str:
        stages = [f"{self.structures[s]} {s}" for s in Stage if s in self.structures]
        return f"{self.composition}, {self.kind}: {', '.join(stages) or 'nothing yet'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStatus(RunStatus):
    """What stands in the folder of ``gencsp discover``, or of a model of ``gencsp synergy``.

    Attributes:
        kind: "discover" or "synergy".
        structures: how many tasks left, by what they did: generated, relaxed.
    """

    kind: str
    structures: Mapping[str, int]

    def __str__(self) -> str:
        made = [f"{n} {stage}" for stage, n in self.structures.items() if n]
        searched = self.finished.get("found", 0) + self.finished.get("seeded", 0)
        noun = "composition" if searched == 1 else "compositions"
        return f"{self.kind}: {', '.join(made) or 'nothing yet'}, {searched} {noun} searched"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchStatus(RunStatus):
    """What stands in the folder of ``gencsp bench``, whose structures have no common lowest one.

    Attributes:
        task: of the suite.
    """

    task: str

    def __str__(self) -> str:
        parts = sum(self.finished.values())
        return f"bench, {self.task}: {parts} {'part' if parts == 1 else 'parts'} done"


def run_status(folder: Path) -> SearchStatus | CycleStatus | CandidateStatus | BenchStatus:
    """Read the folder of a run, running or not.

    Raises:
        DeckError: there is no run in it.
        StoreError: its database cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest is not None and manifest.get("kind") in ("cycle", KIND):
        found, structures = _read(folder)
        return CycleStatus(
            **found,
            kind=str(manifest["kind"]),
            composition=str(manifest["composition"]),
            structures=structures,
        )
    if manifest is not None and manifest.get("kind") in CANDIDATE_KINDS:
        found, _ = _read(folder)
        counts = _structures_of(folder, ("generated", "relaxed"))
        return CandidateStatus(**found, kind=str(manifest["kind"]), structures=counts)
    if manifest is not None and manifest.get("kind") == BENCH_KIND:
        found, _ = _read(folder)
        return BenchStatus(**found | {"best_id": ""}, task=str(manifest["task"]))
    deck = saved_deck(folder)
    if manifest is None:
        raise StoreError(f"{folder} holds no run.")
    found, _ = _read(folder)
    return SearchStatus(
        **found,
        space=str(manifest["space"]),
        method=str(manifest["method"]),
        budget=deck.budget,
    )


def _ends(folder: Path, entries: Iterable[TaskEntry]) -> Iterator[float]:
    """When the tasks that the pace is told of ended: the trials of a search, else all."""
    times = read_times(folder / DATABASE)
    known = [entry for entry in entries if entry.count]
    trials = [entry for entry in known if entry.task.startswith("trial-")]
    return (times[entry.first] for entry in trials or known if entry.first in times)


def _structures_of(folder: Path, stages: Iterable[str]) -> dict[str, int]:
    """How many structures the tasks of some stages have left."""
    entries, _ = read_summary(folder / DATABASE)
    counts = Counter[str]()
    for entry in entries:
        counts[entry.task.partition("-")[0]] += len(entry.ids)
    return {stage: counts[stage] for stage in stages}


def _read(folder: Path) -> tuple[dict[str, Any], Counter[str]]:
    """What all runs have in common, and the number of structures at each stage."""
    entries, structures = read_summary(folder / DATABASE)
    failures: Counter[str] = Counter()
    for entry in entries:
        failures.update(json.loads(entry.failures))
    judged = [one for one in structures if one.get("outcome") == "converged"]
    energies = [(records.ranking_energy(one), one) for one in judged]
    found = [(energy, one) for energy, one in energies if energy is not None]
    lowest, best = min(found, key=itemgetter(0), default=(float("nan"), {}))
    return {
        "finished": Counter(entry.task.partition("-")[0] for entry in entries),
        "best": lowest,
        "best_id": str(best.get("structure_id", "")),
        "best_shown": shown_decomposition_energy(best),
        "phase": shown_reference(best) if best.get("reference_phase") else "",
        "space_group": str(best.get("space_group", "")),
        "failures": failures,
        "pace": Pace.of(_ends(folder, entries)),
        "size": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    }, Counter(str(one["stage"]) for one in structures if "stage" in one)
