"""Reference entries of a convex hull: the shipped table, and files of a user's own.

Every entry says which model made its energy, because energies of different models (or of a model
and DFT) differ by more than typical distances to the hull.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.table import EntryTable, HullEntry, plain_formula, systems_of
from gencsp.deck import Pressure, check
from gencsp.errors import CompositionError, HullReferenceError, StructureFileError
from gencsp.files import csv_cell, one_line, write_whole
from gencsp.io.content import decode, read_bytes
from gencsp.shipped import shipped_bytes

#: The model whose table ships with gencsp.
DEFAULT_MODEL = "chgnet-0.3.0"

#: Columns of a file: without pressure, and under it.
ENERGY, ENTHALPY = "energy_per_atom", "enthalpy_per_atom"
#: GPa by which one pressure may differ from another that is the same but for rounding.
SAME_PRESSURE = 1e-4

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

T = TypeVar("T")

#: What else than formula and energy is read of a table, in the order in which it is written.
_MORE = ("source_id", "space_group", "source", "volume_per_atom")

_KNOWN = frozenset(ELEMENTS)
#: A symbol, with an oxidation state and properties.
_SPECIES = re.compile(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-])?(?:,.*)?")


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
    return _parse_json(text, model, where) if json_like else parse_entries(text, model, where)


def parse_entries(text: str, model: str | None, where: str) -> HullEntries:
    """Entries from the text of a CSV file, see :func:`read_references`."""
    lines = text.splitlines()
    header: dict[str, str] = {}
    while lines and lines[0].startswith("#"):
        key, _, value = lines.pop(0).lstrip("# ").partition(":")
        header[key.strip()] = value.strip()
    name = _agreed_model({header["model"]} if "model" in header else set(), model, where)
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
    return _checked(table, name, header, where, pressure)


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


def same_pressure(one: float, other: float) -> bool:
    """Whether two pressures, GPa, are the same but for rounding."""
    return abs(one - other) < SAME_PRESSURE


def _parse_json(text: str, model: str | None, where: str) -> HullEntries:
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
    name = _agreed_model(named, model, where)
    made = tuple(
        HullEntry(composition=composition, energy_per_atom=energy, model=name, entry_id=identity)
        for composition, energy, identity in entries
    )
    return _checked(made, name, {}, where)


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


def _agreed_model(named: set[str], stated: str | None, where: str) -> str:
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


def _checked(
    entries: Sequence[HullEntry],
    model: str,
    header: Mapping[str, str],
    where: str,
    pressure: float = 0.0,
) -> HullEntries:
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
