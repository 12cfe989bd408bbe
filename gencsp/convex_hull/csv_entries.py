"""Hull entries as CSV: read from a text, and written to a file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import TypeVar

from gencsp.convex_hull.entry_lists import HullEntries, agreed_model, checked_entries
from gencsp.convex_hull.table import EntryTable, HullEntry, plain_formula, systems_of
from gencsp.deck import Pressure, check
from gencsp.errors import CompositionError, HullReferenceError, StructureFileError
from gencsp.files import csv_cell, one_line, write_whole

#: Columns of a file: without pressure, and under it.
ENERGY, ENTHALPY = "energy_per_atom", "enthalpy_per_atom"
#: What else than formula and energy is read of a table, in the order in which it is written.
_MORE = ("source_id", "space_group", "source", "volume_per_atom")

T = TypeVar("T")


def parse_entries(text: str, model: str | None, where: str) -> HullEntries:
    """Entries from the text of a CSV file.

    Its columns are those of :func:`gencsp.convex_hull.entries.read_references`, which also names
    what is raised.
    """
    lines = text.splitlines()
    header: dict[str, str] = {}
    while lines and lines[0].startswith("#"):
        key, _, value = lines.pop(0).lstrip("# ").partition(":")
        header[key.strip()] = value.strip()
    name = agreed_model({header["model"]} if "model" in header else set(), model, where)
    pressure = _pressure(header.get("pressure", "0"), where)
    energy = ENTHALPY if pressure else ENERGY
    columns = _columns(lines, where)
    _require_columns(columns, pressure, where)
    formulas, systems = _formulas(columns["formula"], where)
    energies = _read(columns[energy], float, where)
    groups = _read(columns["space_group"], _whole, where)
    volumes = _volumes(columns["volume_per_atom"], where)
    table = EntryTable(
        formulas=list(compress(formulas, systems)),
        systems=list(compress(systems, systems)),
        energies=list(compress(energies, systems)),
        groups=list(compress(groups, systems)),
        ids=list(compress(columns["source_id"], systems)),
        origins=list(compress(columns["source"], systems)),
        volumes=list(compress(volumes, systems)),
        model=name,
        pressure=pressure,
    )
    return checked_entries(table, name, header, where, pressure)


def _columns(lines: list[str], where: str) -> Mapping[str, Sequence[str]]:
    """The columns by name; of those of :data:`_MORE` that a table lacks, empty cells."""
    commas = lines[0].count(",") if lines else 0
    plain = all(line.count(",") == commas and '"' not in line for line in lines)
    if plain and commas:
        # As the csv module reads it, without a list for each of tens of thousands of rows.
        cells = ",".join(lines).split(",")
        columns = {cells[k]: cells[k + commas + 1 :: commas + 1] for k in range(commas + 1)}
    else:
        columns = _quoted_columns(lines, where)
    empty = [""] * len(next(iter(columns.values()), ()))
    return dict.fromkeys(_MORE, empty) | columns


def _require_columns(columns: Mapping[str, Sequence[str]], pressure: float, where: str) -> None:
    needed = ENTHALPY if pressure else ENERGY
    if not pressure and ENTHALPY in columns and ENERGY not in columns:
        raise StructureFileError(
            f"{where} has the column {ENTHALPY} and does not say at which pressure: add a first "
            f"line '# pressure: GPa'."
        )
    if not {"formula", needed} <= columns.keys():
        at = f", because it is of {pressure:g} GPa" if pressure else ""
        raise StructureFileError(f"{where} needs the columns formula and {needed}{at}.")


def _quoted_columns(lines: list[str], where: str) -> dict[str, list[str]]:
    """All columns of a table with quotes, blank lines or rows that lack their last cells."""
    try:
        rows = [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise StructureFileError(f"{where} is not a table in CSV ({error}).") from error
    names = rows.pop(0) if rows else []
    return {name: [row[k] if k < len(row) else "" for row in rows] for k, name in enumerate(names)}


def _read(cells: Sequence[str], read: Callable[[str], T], where: str) -> list[T]:
    try:
        return list(map(read, cells))
    except (ValueError, OverflowError):
        pass
    for number, cell in enumerate(cells, start=1):
        try:
            read(cell)
        except (ValueError, OverflowError) as error:
            raise StructureFileError(f"entry {number} of {where} is not valid ({error})") from error
    raise AssertionError("what cannot be read at once cannot be read one by one")


def _whole(cell: str) -> int:
    return int(cell or 0)


def _volumes(cells: Sequence[str], where: str) -> list[float | None]:
    # Most tables have none, and it takes no time to see that.
    return _read(cells, _volume, where) if any(cells) else [None] * len(cells)


def _volume(cell: str) -> float | None:
    volume = float(cell) if cell else None
    if volume is not None and not 0 < volume < math.inf:
        raise StructureFileError(f"a volume of {cell} Å³/atom")
    return volume


def _formulas(cells: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """Plain formulas and their systems; empty for those with an element gencsp does not know."""
    formulas, systems = list(cells), systems_of(cells)
    others = [k for k, system in enumerate(systems) if not system]
    plain = _read([cells[k] for k in others], _formula, where)
    for k, formula, system in zip(others, plain, systems_of(plain), strict=True):
        formulas[k], systems[k] = formula, system
    return formulas, systems


def _formula(formula: str) -> str:
    try:
        return plain_formula(formula)
    except CompositionError as error:
        if "is not an element that gencsp knows" in str(error):
            return ""
        raise


def _pressure(text: str, where: str) -> float:
    try:
        pressure = float(text)
        check("pressure", pressure, Pressure)
    except ValueError as error:  # RequestError is one
        raise StructureFileError(
            f"the pressure of {where} is '{text[:40]}': give a number of GPa."
        ) from error
    return pressure


def write_entries(
    path: Path, entries: Sequence[HullEntry], *, header: Mapping[str, str] | None = None
) -> Path:
    """Write entries of one model and pressure, whole or not at all; returns the path.

    Args:
        path: where to.
        entries: all of one model and pressure.
        header: more lines for the head of the file, such as the weights and how they were made.

    Raises:
        HullReferenceError: entries of several models or pressures, or none.
        StoreError: it cannot be written, or there is no space left.
    """
    text = entries_text(entries, header=header)
    return write_whole(path, lambda file: file.write(text))


def entries_text(entries: Sequence[HullEntry], *, header: Mapping[str, str] | None = None) -> str:
    """The text of a CSV file of entries, see :func:`write_entries`."""
    models = {entry.model for entry in entries}
    if len(models) != 1:
        found = ", ".join(sorted(models)) or "none"
        raise HullReferenceError(f"a file of hull entries holds those of one model, not: {found}.")
    pressures = {entry.pressure for entry in entries}
    if len(pressures) != 1:
        found = ", ".join(f"{one:g}" for one in sorted(pressures))
        raise HullReferenceError(
            f"a file of hull entries holds those at one pressure, not: {found} GPa."
        )
    (pressure,) = pressures
    at = {"pressure": repr(pressure)} if pressure else {}
    text = io.StringIO()
    for key, value in {"model": models.pop(), **at, **(header or {})}.items():
        text.write(f"# {key}: {one_line(value)}\n")
    rows = csv.writer(text, lineterminator="\n")
    energies = ENTHALPY if pressure else ENERGY
    rows.writerow(["formula", energies, *_MORE])
    for entry in sorted(entries, key=lambda e: (e.composition.formula, e.energy_per_atom)):
        energy = f"{entry.energy_per_atom:.6f}"
        origin = (csv_cell(entry.entry_id), entry.space_group, csv_cell(entry.source))
        volume = "" if entry.volume_per_atom is None else f"{entry.volume_per_atom:.4f}"
        rows.writerow([entry.composition.formula, energy, *origin, volume])
    return text.getvalue()
