"""Entries of one model at one pressure, and the checks that every file of them has to pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gencsp.convex_hull.table import EntryTable, HullEntry
from gencsp.errors import HullReferenceError, StructureFileError

#: The model whose table ships with gencsp.
DEFAULT_MODEL = "chgnet-0.3.0"
#: GPa by which one pressure may differ from another that is the same but for rounding.
SAME_PRESSURE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class HullEntries:
    """Entries of one model, at one pressure.

    Attributes:
        entries: one or several for each formula (polymorphs).
        model: what made their energies.
        weights: short hash of the model's weights; empty where it is not known.
        protocol: how they were made, as the file's header says it.
        pressure: that the phases were relaxed at, GPa.
    """

    entries: Sequence[HullEntry]
    model: str
    weights: str
    protocol: Mapping[str, str]
    pressure: float = 0.0


def same_pressure(one: float, other: float) -> bool:
    """Whether two pressures, GPa, are the same but for rounding."""
    return abs(one - other) < SAME_PRESSURE


def agreed_model(named: set[str], stated: str | None, where: str) -> str:
    """The one model that a file names, or its reader states.

    Raises:
        HullReferenceError: neither names one, or there are several.
    """
    models = named | ({stated} if stated else set())
    if not models:
        raise HullReferenceError(
            f"{where} does not say which model made its energies, and energies of different models "
            f"must not be mixed: add a first line '# model: {DEFAULT_MODEL}' (CSV), or "
            f"'data': {{'model': ...}} to each entry (JSON)."
        )
    if len(models) > 1:
        raise HullReferenceError(
            f"{where} mixes energies of different models ({', '.join(sorted(models))}): hull "
            f"references must all come from the model that relaxes the candidates."
        )
    return models.pop()


def checked_entries(
    entries: Sequence[HullEntry],
    model: str,
    header: Mapping[str, str],
    where: str,
    pressure: float = 0.0,
) -> HullEntries:
    """Entries of a file, once there are some and all energies are finite.

    Raises:
        StructureFileError: there are none, or an energy is not a finite number.
    """
    if not entries:
        raise StructureFileError(f"{where} holds no hull entries.")
    energies = entries.energies if isinstance(entries, EntryTable) else _energies(entries)
    if not all(map(math.isfinite, energies)):
        wrong = next(e for e in entries if not math.isfinite(e.energy_per_atom))
        raise StructureFileError(
            f"{where} has an energy of {wrong.composition} that is not a finite number."
        )
    return HullEntries(
        entries=entries,
        model=model,
        weights=header.get("weights", ""),
        protocol=dict(header),
        pressure=pressure,
    )


def _energies(entries: Iterable[HullEntry]) -> list[float]:
    return [entry.energy_per_atom for entry in entries]
