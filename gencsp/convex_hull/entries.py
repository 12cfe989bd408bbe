"""Reference entries of a convex hull: the shipped table, and files of a user's own.

Every entry says which model made its energy, because energies of different models (or of a model
and DFT) differ by more than typical distances to the hull.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources
from pathlib import Path

from gencsp.convex_hull.csv_entries import entries_text, parse_entries, write_entries
from gencsp.convex_hull.entry_lists import DEFAULT_MODEL, HullEntries, same_pressure
from gencsp.convex_hull.json_entries import parse_json
from gencsp.convex_hull.table import HullEntry
from gencsp.errors import HullReferenceError, StructureFileError
from gencsp.io.content import decode, read_bytes
from gencsp.shipped import shipped_bytes

__all__ = [
    "DEFAULT_MODEL",
    "HullEntries",
    "HullEntry",
    "entries_text",
    "parse_entries",
    "read_references",
    "same_pressure",
    "shipped_references",
    "write_entries",
]


@cache
def shipped_references(model: str = DEFAULT_MODEL) -> HullEntries:
    """The table that ships with gencsp; ``gencsp/data/references_<model>.md`` is its card.

    Raises:
        HullReferenceError: none ships for this model.
    """
    name = f"references_{model}.csv.gz"
    if not resources.files("gencsp").joinpath("data", name).is_file():
        raise HullReferenceError(
            f"no hull references for '{model}' ship with gencsp: give an entries file made with "
            f"that model."
        )
    text = gzip.decompress(shipped_bytes(name)).decode("utf-8")
    return parse_entries(text, model, "the shipped table")


def read_references(path: Path, *, model: str | None = None) -> HullEntries:
    """Entries from a file: JSON (a list of pymatgen ``ComputedEntry``) or CSV, also gzipped.

    A CSV file has the columns ``formula`` and ``energy_per_atom`` (eV/atom) and, where wanted,
    ``source_id``, ``space_group``, ``source`` and ``volume_per_atom`` (Å³/atom); others are passed
    over. Lines before the columns that start with ``#`` may say ``# model: NAME``. A file of phases
    under pressure says ``# pressure: 25`` (GPa) there and has ``enthalpy_per_atom`` in place of the
    energy. In JSON, corrections count towards the energy, ``parameters.model`` or ``data.model``
    may name the model, and the pressure is zero. Species with oxidation states, such as Mg2+, are
    their elements. Entries with elements that gencsp does not know are left out.

    Args:
        path: the file.
        model: the model that made the energies, where the file does not say; it must not
            contradict the file.

    Raises:
        StructureFileError: the file is missing, empty or unreadable, or has a pressure and no
            enthalpies, or enthalpies and no pressure.
        HullReferenceError: no model is named, or another one than ``model``.
    """
    where = str(path)
    text = decode(read_bytes(path))
    if not text.strip():
        raise StructureFileError(f"{where} is empty: it must hold hull entries.")
    json_like = ".json" in path.suffixes or text.lstrip()[0] in "[{"
    return parse_json(text, model, where) if json_like else parse_entries(text, model, where)
