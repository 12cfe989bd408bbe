"""Hull entries as JSON: lists of pymatgen's ``ComputedEntry``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entry_lists import HullEntries, agreed_model, checked_entries
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import StructureFileError

_KNOWN = frozenset(ELEMENTS)
#: A symbol, with an oxidation state and properties.
_SPECIES = re.compile(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-])?(?:,.*)?")


def parse_json(text: str, model: str | None, where: str) -> HullEntries:
    """Entries from the text of a file, see :func:`~gencsp.convex_hull.entries.read_references`."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StructureFileError(f"{where} is not valid JSON ({error}).") from error
    if isinstance(items, dict):
        items = list(items.values())
    if not isinstance(items, list):
        raise StructureFileError(f"{where} must hold a list of pymatgen ComputedEntry.")
    entries: list[tuple[Composition, float, str]] = []
    named: set[str] = set()
    for number, item in enumerate(items, start=1):
        try:
            named.update(_named_models(item))
            counts = _elements(item["composition"])
            energy = float(item["energy"]) + _correction(item)
            per_atom = energy / sum(counts.values())
            if counts.keys() <= _KNOWN:
                composition = Composition.from_counts(counts)
                entries.append((composition, per_atom, str(item.get("entry_id") or "")))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise StructureFileError(
                f"entry {number} of {where} is not a pymatgen ComputedEntry ({repr(error)[:200]})."
            ) from error
    name = agreed_model(named, model, where)
    made = tuple(
        HullEntry(composition=composition, energy_per_atom=energy, model=name, entry_id=identity)
        for composition, energy, identity in entries
    )
    return checked_entries(made, name, {}, where)


def _elements(species: Mapping[str, float]) -> dict[str, float]:
    """Amounts by element: pymatgen also writes Mg2+, Fe2.5+ and Fe3+,spin=5, and D for H."""
    counts: dict[str, float] = {}
    for name, amount in species.items():
        found = _SPECIES.fullmatch(str(name))
        symbol = str(name) if found is None else found[1]
        symbol = "H" if symbol in ("D", "T") else symbol
        counts[symbol] = counts.get(symbol, 0.0) + float(amount)
    return counts


def _named_models(item: Mapping[str, Any]) -> Iterator[str]:
    for part in ("parameters", "data"):
        found = (item.get(part) or {}).get("model")
        if isinstance(found, str):
            yield found


def _correction(item: Mapping[str, Any]) -> float:
    """The sum of a ``ComputedEntry``'s energy adjustments, eV."""
    if item.get("correction") is not None:
        return float(item["correction"])
    return sum(float(part["value"]) for part in item.get("energy_adjustments") or ())
