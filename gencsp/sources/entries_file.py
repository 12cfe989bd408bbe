"""Hull entries as the CSV file that :func:`gencsp.references.read_references` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from gencsp.errors import HullReferenceError
from gencsp.references import HullEntry
from gencsp.store.disk import storage_errors


def write_entries(
    path: Path, entries: Sequence[HullEntry], *, header: Mapping[str, str] | None = None
) -> Path:
    """Write entries of one model, whole or not at all; returns the path.

    Args:
        path: where to.
        entries: all of one model.
        header: more lines for the head of the file, such as the weights and how they were made.

    Raises:
        HullReferenceError: entries of several models, or none.
        StoreError: it cannot be written, or there is no space left.
    """
    models = {entry.model for entry in entries}
    if len(models) != 1:
        found = ", ".join(sorted(models)) or "none"
        raise HullReferenceError(f"a file of hull entries holds those of one model, not: {found}.")
    text = io.StringIO()
    for key, value in {"model": models.pop(), **(header or {})}.items():
        text.write(f"# {key}: {value}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["formula", "energy_per_atom", "source_id", "space_group"])
    for entry in sorted(entries, key=lambda e: (e.composition.formula, e.energy_per_atom)):
        formula = entry.composition.formula
        rows.writerow([formula, f"{entry.energy_per_atom:.6f}", entry.entry_id, entry.space_group])
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.write_text(text.getvalue(), encoding="utf-8")
        aside.replace(path)
    return path
