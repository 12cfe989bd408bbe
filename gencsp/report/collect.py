"""Reads what a report is of: the folder of a run, a pool of structures, a record of a benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.convex_hull.hull import Hull
from gencsp.errors import HullReferenceError, RequestError, StructureFileError
from gencsp.io.reading import read_pool
from gencsp.measure.record import environment
from gencsp.powder.similarity import PatternComparison
from gencsp.report.counts import (
    failures_of_pool,
    failures_of_run,
    funnel_of_pool,
    funnel_of_run,
    origins_of,
)
from gencsp.report.hull import hull_of_pool, hull_of_report, hull_of_run
from gencsp.report.model import Fact, Report, ReportStructure
from gencsp.report.patterns import (
    NOT_KEPT,
    OnCompared,
    compared,
    drawn_pattern,
    pattern_of_run,
)
from gencsp.report.structures import structures_of_pool, structures_of_run
from gencsp.store.disk import DATABASE, read_manifest
from gencsp.store.reading import RunContents, read_contents

#: What a record of a benchmark says in any case.
RECORD_KEYS = frozenset({"measured", "protocol", "environment", "results"})
STILL_WRITTEN = (
    "The run was still going on when this page was made: gencsp report makes a newer one, and "
    "gencsp watch keeps it new."
)
NO_RESULT = "No structure came through yet: there is nothing to draw."


def collect(
    places: Sequence[Path],
    *,
    hull: Path | None = None,
    pattern: PatternComparison | None = None,
    on_compared: OnCompared | None = None,
) -> Report:
    """The report of a run, a benchmark or a pool.

    Args:
        places: the folder of one run, or one record of a benchmark (JSON), or structure files and
            folders.
        hull: file of hull references, where they are not those of the run or of the potential.
        pattern: measured powder pattern, where it is not that of the run.
        on_compared: told how many structures were compared with it, and of how many.

    Raises:
        RequestError: a pattern for a record of a benchmark.
        StoreError, DamageError: the run cannot be read.
        StructureFileError: there is no such file, or nothing in it can be read.
        HullReferenceError: the references do not fit.
    """
    folder = run_folder(places)
    if folder is not None:
        return report_of_run(folder, hull=hull, pattern=pattern, on_compared=on_compared)
    record = _record(places[0]) if len(places) == 1 else None
    if record is not None and pattern is not None:
        raise RequestError(
            f"{places[0]} is the record of a benchmark, without structures to compare: leave --xrd "
            f"out."
        )
    if record is not None:
        return report_of_record(places[0], record)
    return report_of_pool(places, hull=hull, pattern=pattern, on_compared=on_compared)


def run_folder(places: Sequence[Path]) -> Path | None:
    """The folder of the run that is meant; ``None`` where it is something else."""
    if len(places) != 1:
        return None
    folder = places[0].parent if places[0].name == DATABASE else places[0]
    # A database of ASE under this name is a pool.
    return folder if read_manifest(folder) is not None else None


def report_of_run(
    folder: Path,
    *,
    hull: Hull | Path | None = None,
    pattern: PatternComparison | None = None,
    on_compared: OnCompared | None = None,
    finished: bool = False,
) -> Report:
    """The report of the run in a folder.

    Args:
        folder: of the run.
        hull: its references, or a file of them; ``None`` finds them again where that is possible.
        pattern: measured powder pattern; ``None`` takes that of the run, where it had one.
        on_compared: told how many structures were compared with it, and of how many.
        finished: whether the run is known to be over, though its folder is still locked.

    Raises:
        StoreError, DamageError: it cannot be read.
        StructureFileError, HullReferenceError: the file of references cannot be used.
    """
    contents = read_contents(folder)
    manifest = contents.manifest
    structures = structures_of_run(contents.tasks)
    messages = [STILL_WRITTEN] if contents.in_use and not finished else []
    own = hull if isinstance(hull, Hull) else hull_of_run(manifest, folder, hull)
    if own is None and any(one.above is not None for one in structures):
        messages.append(
            "The hull references of this run are not at hand, so no hull is drawn: name their file "
            "with --hull."
        )
    own_pattern = pattern_of_run(manifest, folder) if pattern is None else pattern
    if own_pattern is None and "xrd" in manifest:
        messages.append(NOT_KEPT)
    known = own_pattern is not None and manifest.get("xrd") == own_pattern.pattern.digest
    measured, structures, said = _beside(structures, own_pattern, known, on_compared)
    drawn, structures, more = _on_hull(structures, own, _place_of(manifest))
    kind = str(manifest.get("kind", "run"))
    return Report(
        title=f"{_place_of(manifest) or folder.name}: {_title(manifest)}",
        kind=kind,
        place=str(folder),
        structures=tuple(structures),
        facts=_facts(structures, contents),
        messages=(*messages, *said, *more, *([] if _with_energy(structures) else [NO_RESULT])),
        origins=origins_of(structures),
        funnel=funnel_of_run(manifest, contents.tasks, structures),
        failures=failures_of_run(contents.tasks),
        settings=_flat(manifest),
        versions=_versions(),
        hull=drawn,
        pattern=measured,
        symbol=_symbol(structures),
    )


def report_of_pool(
    places: Sequence[Path],
    *,
    hull: Path | None = None,
    pattern: PatternComparison | None = None,
    on_compared: OnCompared | None = None,
) -> Report:
    """The report of structure files.

    Args:
        places: files and folders.
        hull: file of hull references, where they are not those of the potential.
        pattern: measured powder pattern that all structures are compared with.
        on_compared: told how many were, and of how many.

    Raises:
        StructureFileError: there is no such file or folder, or nothing in them can be read.
        HullReferenceError: the references do not fit.
    """
    pool, unreadable = read_pool(places)
    structures = structures_of_pool(pool)
    messages = []
    if unreadable:
        first = unreadable[0].reason
        messages.append(f"{len(unreadable)} sources cannot be read; the first: {first}")
    measured, structures, said = _beside(structures, pattern, False, on_compared)
    drawn, structures, more = _on_hull(structures, hull_of_pool(structures, hull), "")
    named = ", ".join(place.name for place in places[:3]) + (", ..." if len(places) > 3 else "")
    return Report(
        title=f"{named}: pool of structures",
        kind="pool",
        place=", ".join(map(str, places)),
        structures=tuple(structures),
        facts=_facts(structures, None),
        messages=(*messages, *said, *more),
        origins=origins_of(structures),
        funnel=funnel_of_pool(structures),
        failures=failures_of_pool(structures),
        versions=_versions(),
        hull=drawn,
        pattern=measured,
        symbol=_symbol(structures),
    )


def report_of_record(path: Path, record: Mapping[str, Any]) -> Report:
    """The report of a record of a benchmark: what was measured, how, and the numbers."""
    results = record["results"]
    return Report(
        title=f"{path.stem}: benchmark",
        kind="benchmark",
        place=str(path),
        facts=(("measured", str(record["measured"])),),
        settings=_flat({k: v for k, v in record.items() if k not in ("measured", "results")}),
        versions=_versions(),
        numbers=_flat(results if isinstance(results, Mapping) else {"results": results}),
    )


def _record(path: Path) -> dict[str, Any] | None:
    """The record of a benchmark in a file; ``None`` where the file is something else."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StructureFileError(f"{path} cannot be read as JSON ({error}).") from error
    known = isinstance(content, dict) and content.keys() >= RECORD_KEYS
    return content if known else None


def _on_hull(
    structures: list[ReportStructure], hull: Hull | None, system: str
) -> tuple[dict[str, Any] | None, list[ReportStructure], list[str]]:
    """The hull to draw, the structures placed on it, and what is to be said of it."""
    if hull is None:
        return None, structures, []
    try:
        drawn, placed = hull_of_report(structures, hull, system)
    except HullReferenceError as error:
        return None, structures, [f"No hull is drawn: {error}"]
    return drawn, placed, []


def _beside(
    structures: list[ReportStructure],
    pattern: PatternComparison | None,
    known: bool,
    on_compared: OnCompared | None,
) -> tuple[dict[str, Any] | None, list[ReportStructure], list[str]]:
    """The measured pattern to draw, the structures beside it, and what is to be said of them."""
    if pattern is None:
        return None, structures, []
    placed, said = compared(structures, pattern, known=known, report=on_compared)
    return drawn_pattern(pattern), placed, said


def _facts(structures: Sequence[ReportStructure], contents: RunContents | None) -> tuple[Fact, ...]:
    judged = _with_energy(structures)
    crystals = [one for one in judged if not one.duplicate_of]
    facts = [("structures", f"{len(structures)}"), ("with an energy", f"{len(judged)}")]
    if len(crystals) < len(judged):
        facts.append(("different crystals", f"{len(crystals)}"))
    if contents is not None:
        facts.insert(0, ("finished tasks", f"{len(contents.tasks)}"))
    potential = _common(judged, records.ENERGY_MODEL)
    if potential:
        facts.append(("energies by", potential))
    learned = sum(bool(one.model) for one in judged)
    if learned:
        facts.append(("from a generative model", f"{learned / len(judged):.0%} of these"))
    return tuple(facts)


def _with_energy(structures: Sequence[ReportStructure]) -> list[ReportStructure]:
    return [one for one in structures if one.energy is not None and not one.failure]


def _common(structures: Sequence[ReportStructure], key: str) -> str:
    values = {str(one.atoms.info[key]) for one in structures if key in one.atoms.info}
    return ", ".join(sorted(values))


def _symbol(structures: Sequence[ReportStructure]) -> str:
    atoms: list[Atoms] = [one.atoms for one in structures]
    return "H" if records.pressures(atoms) - {0.0} else "E"


def _place_of(manifest: Mapping[str, Any]) -> str:
    """The formula or system of a run."""
    return str(manifest.get("space") or manifest.get("composition") or "")


def _title(manifest: Mapping[str, Any]) -> str:
    kind, method = manifest.get("kind", "run"), manifest.get("method")
    return f"{method} {kind}" if method else f"{kind}"


def _versions() -> tuple[Fact, ...]:
    found = environment()
    versions = {"python": found["python"], **found["versions"]}
    return tuple((name, str(value)) for name, value in versions.items())


def _flat(values: Mapping[str, Any], prefix: str = "") -> tuple[Fact, ...]:
    """Nested values as names with dots, and texts."""
    facts: list[Fact] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            facts += _flat(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
            facts += _flat({str(k): one for k, one in enumerate(value)}, f"{name}.")
        elif isinstance(value, list):
            facts.append((name, ", ".join(map(str, value))))
        else:
            facts.append((name, "" if value is None else str(value)))
    return tuple(facts)
