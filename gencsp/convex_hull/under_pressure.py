"""Hull references at a pressure: relaxed when they are first needed, and kept.

Which phases are stable changes with pressure, so enthalpies are compared with those of phases that
the same potential relaxed at the same pressure. They are made from the crystals that ship with
gencsp, of the chemical systems asked for alone, and kept in the user's cache folder: a file for
each chemical system, in a folder for each potential and its weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp import records
from gencsp.convex_hull.crystals import SETTINGS, make_references, shipped_crystals
from gencsp.convex_hull.entries import (
    HullEntries,
    HullEntry,
    entries_text,
    parse_entries,
    read_references,
    same_pressure,
)
from gencsp.errors import HullReferenceError, ReferenceWarning, StoreError, StructureFileError
from gencsp.files import file_name, user_cache, write_whole
from gencsp.minimise.settings import RelaxSettings

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine

#: Elements of a crystal, by alphabet.
System = tuple[str, ...]
#: Called after each relaxation with how many are done, and of how many.
ReferenceReport = Callable[[int, int], None]
#: In the head of a file: crystals that did not converge.
LEFT_OUT = "left out"


def default_cache() -> Path:
    """The default folder of references at pressures."""
    return user_cache("references")


@dataclass(frozen=True, slots=True)
class _Part:
    """The crystals of one chemical system that hold all of its elements.

    Attributes:
        system: its elements.
        crystals: at least one.
        file: where its entries are kept; ``None`` for nowhere.
    """

    system: System
    crystals: Sequence[Atoms]
    file: Path | None


def references_at(
    pressure: float,
    systems: Iterable[Iterable[str]],
    potential: Engine,
    *,
    cache: Path | None,
    workers: int = 1,
    report: ReferenceReport | None = None,
) -> HullEntries:
    """The phases of chemical systems and their sub-systems, relaxed at a pressure.

    What ``cache`` holds is read, what it lacks is relaxed and kept there. Each file is written
    whole or not at all, so that processes may share the folder; one that is damaged is made again.
    Its name has the potential, the hash of its weights, the pressure and a hash of the crystals.

    Args:
        pressure: GPa.
        systems: elements of each chemical system.
        potential: what relaxes.
        cache: folder of the files; ``None`` keeps nothing, for a potential whose digest does not
            say all of it.
        workers: CPU threads, for engines that have them.
        report: called as they are relaxed; not where all are there.

    Returns:
        Entries with enthalpies and volumes at the pressure. What did not converge is not among
        them.

    Raises:
        CompositionError: an element that gencsp does not know.
        HullReferenceError: no crystal converged.

    Warns:
        ReferenceWarning: crystals did not converge, or ``cache`` cannot be written.
    """
    settings = RelaxSettings(fmax=SETTINGS.fmax, steps=SETTINGS.steps, pressure=pressure)
    parts = _parts(systems, potential, settings, cache)
    found: dict[System, HullEntries] = {}
    for part in parts:
        kept = _kept(part, potential, pressure)
        if kept is not None:
            found[part.system] = kept
    missing = [part for part in parts if part.system not in found]
    failed = sum(int(one.protocol.get(LEFT_OUT, "0")) for one in found.values())
    total = sum(len(part.crystals) for part in missing)
    alone = [part for part in missing if len(part.system) == 1]
    together = [part for part in missing if len(part.system) > 1]
    made, failures = _make(alone, potential, settings, workers, _after(0, total, report))
    found |= made
    failed += failures
    # Where an element has no reference nothing can be compared, whatever else is relaxed.
    if all(part.system in found for part in parts if len(part.system) == 1):
        before = total - sum(len(part.crystals) for part in together)
        made, failures = _make(
            together, potential, settings, workers, _after(before, total, report)
        )
        found |= made
        failed += failures
    if not found:
        raise HullReferenceError(
            f"none of the {sum(len(part.crystals) for part in parts)} reference crystals converged "
            f"with {potential.model} at {pressure:g} GPa: give entries of your own with --hull."
        )
    if failed:
        warnings.warn(
            f"{failed} of {sum(len(part.crystals) for part in parts)} reference crystals did not "
            f"converge at {pressure:g} GPa and are left out of the hull.",
            ReferenceWarning,
            stacklevel=2,
        )
    return HullEntries(
        entries=tuple(
            entry for part in parts if part.system in found for entry in found[part.system].entries
        ),
        model=potential.model,
        weights=potential.digest,
        protocol={**_header(potential, settings), LEFT_OUT: str(failed)},
        pressure=pressure,
    )


def _parts(
    systems: Iterable[Iterable[str]],
    potential: Engine,
    settings: RelaxSettings,
    cache: Path | None,
) -> list[_Part]:
    wanted = [frozenset(system) for system in systems]
    crystals: dict[System, list[Atoms]] = {}
    for atoms in shipped_crystals(sorted(frozenset().union(*wanted))):
        elements = frozenset(atoms.get_chemical_symbols())
        if any(elements <= system for system in wanted):
            crystals.setdefault(tuple(sorted(elements)), []).append(atoms)
    folder = None
    if cache is not None and potential.digest:
        folder = cache / file_name(f"{potential.model}-{potential.digest}")
    parts = []
    for system in sorted(crystals, key=lambda one: (len(one), one)):
        file = None
        if folder is not None:
            mark = _digest(crystals[system], settings)
            file = folder / f"{'-'.join(system)}-{settings.pressure!r}GPa-{mark}.csv"
        parts.append(_Part(system, crystals[system], file))
    return parts


def _digest(crystals: Sequence[Atoms], settings: RelaxSettings) -> str:
    """Short hash of crystals and of how they are relaxed."""
    total = sha256(repr(settings).encode())
    for atoms in crystals:
        total.update(str(atoms.info[records.STRUCTURE_ID]).encode())
        for array in (atoms.numbers.astype(int), atoms.positions, atoms.cell.array):
            total.update(array.tobytes())
    return total.hexdigest()[:8]


def _kept(part: _Part, potential: Engine, pressure: float) -> HullEntries | None:
    """The entries in the file of a part; ``None`` where it is missing or damaged."""
    if part.file is None or not part.file.is_file():
        return None
    try:
        found = read_references(part.file, model=potential.model)
        whole = len(found.entries) + int(found.protocol.get(LEFT_OUT, "-1"))
    except (StructureFileError, HullReferenceError, ValueError):
        return None
    right = found.weights == potential.digest and same_pressure(found.pressure, pressure)
    return found if right and whole == len(part.crystals) else None


def _make(
    parts: Sequence[_Part],
    potential: Engine,
    settings: RelaxSettings,
    workers: int,
    report: ReferenceReport | None,
) -> tuple[dict[System, HullEntries], int]:
    """Relax and keep the entries of parts, each as soon as it is whole.

    Returns:
        The entries of each part that has some, and the number of crystals that did not converge.
    """
    by_system = {part.system: part for part in parts}
    left = {part.system: len(part.crystals) for part in parts}
    entries: dict[System, list[HullEntry]] = {part.system: [] for part in parts}
    whole: dict[System, HullEntries] = {}
    crystals = [atoms for part in parts for atoms in part.crystals]
    failures, unwritable = 0, ""
    made = make_references(crystals, potential, settings=settings, workers=workers)
    for done, one in enumerate(made if crystals else (), start=1):
        if isinstance(one, HullEntry):
            system = tuple(sorted(one.composition.elements))
            entries[system].append(one)
        else:
            system = tuple(sorted(set(one.atoms.get_chemical_symbols())))
            failures += 1
        left[system] -= 1
        if left[system] == 0 and entries[system]:
            text = _text(entries[system], by_system[system], potential, settings)
            # Read back, so that they are the same numbers as those that the file will give.
            whole[system] = parse_entries(text, potential.model, "the entries")
            unwritable = _keep(by_system[system].file, text) or unwritable
        if report is not None:
            report(done, len(crystals))
    if unwritable:
        warnings.warn(
            f"the hull references are not kept, and will be relaxed again next time: {unwritable}",
            ReferenceWarning,
            stacklevel=3,
        )
    return whole, failures


def _after(done: int, total: int, report: ReferenceReport | None) -> ReferenceReport | None:
    """Reports a part of the work as what it is of the whole."""
    if report is None:
        return None
    return lambda some, _: report(done + some, total)


def _text(
    entries: Sequence[HullEntry], part: _Part, potential: Engine, settings: RelaxSettings
) -> str:
    lost = str(len(part.crystals) - len(entries))
    return entries_text(entries, header={**_header(potential, settings), LEFT_OUT: lost})


def _keep(file: Path | None, text: str) -> str:
    """Write a file; returns why it cannot be written, empty where it was or need not be."""
    if file is None:
        return ""
    try:
        write_whole(file, lambda to: to.write(text))
    except StoreError:
        return f"{file.parent} cannot be written (set XDG_CACHE_HOME to a folder that can)."
    return ""


def _header(potential: Engine, settings: RelaxSettings) -> dict[str, str]:
    return {
        "weights": potential.digest,
        "relaxation": f"fmax {settings.fmax:g} eV/A, {settings.steps} steps",
    }
